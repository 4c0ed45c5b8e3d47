//! Events for refusals that nobody sees: they begin with the server and end after it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::ServeArgs;
use crate::cluster::{self, EventPace, EventWriter};
use crate::headless::RefusalQueue;
use crate::telemetry::Metrics;

/// How long Events that wait may take after the last request. With the delay and the grace of a drain it stays below
/// the thirty seconds that Kubernetes gives a Pod.
const FLUSH: Duration = Duration::from_secs(3);

/// Starts to write Events, where the server is part of an installation and really refuses Runs.
pub(super) async fn start(
    arguments: &ServeArgs,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Option<(RefusalQueue, EventWriter)>> {
    if arguments.namespace.is_none() || arguments.observe {
        return Ok(None);
    }
    let client = cluster::connect()
        .await
        .context("--namespace makes the server part of an installation, which needs the API server")?;
    let (queue, refusals) = RefusalQueue::new(Arc::clone(metrics));
    let replica = arguments.replica.clone().unwrap_or_else(host_name);
    let writer = EventWriter::start(client, &replica, refusals, Arc::clone(metrics), EventPace::default());
    Ok(Some((queue, writer)))
}

/// Writes what waits, in bounded time.
pub(super) async fn finish(writer: Option<EventWriter>) {
    if let Some(writer) = writer {
        writer.finish(FLUSH).await;
    }
}

/// The host name, which in a Pod is the Pod's.
fn host_name() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name.unwrap_or_default().trim().to_owned()
}
