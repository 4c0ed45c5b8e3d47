//! Where the policies of `serve` come from, and what follows them while it runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::watch;

use super::output;
use crate::cluster::{self, POLICIES, PolicyFollower};
use crate::server::{PolicyEdits, PolicySources, Readiness, follow_policies, now};
use crate::store::{LoadError, PolicyStore};
use crate::telemetry::Metrics;
use crate::watch::Pace;

/// What keeps the policies up to date.
pub(super) struct Live {
    /// Judges edits of ConfigMaps.
    pub(super) edits: Option<Arc<PolicyEdits>>,
    /// Loads policies whenever they change, for ever.
    pub(super) following: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Opens the policies of the binary and of files, or prints every mistake in them.
///
/// In a cluster, names that they use may stand in ConfigMaps, which nobody has read yet.
pub(super) fn open(sources: &PolicySources, in_cluster: bool, metrics: &Arc<Metrics>) -> anyhow::Result<PolicyStore> {
    let texts = sources.read()?;
    let open = |texts| PolicyStore::open(texts, Arc::clone(metrics), now());
    let opened = match open(texts) {
        Err(LoadError::Refused {
            only_unresolved: true, ..
        }) if in_cluster => open(sources.embedded.clone()),
        opened => opened,
    };
    opened.map_err(|error| match error {
        LoadError::Refused { mistakes, rendered, .. } => {
            output::print_diagnostics(&rendered);
            anyhow!(
                "serve starts only from policies without mistakes, found {}; runstamp check shows them too",
                mistakes.len()
            )
        }
        error => error.into(),
    })
}

/// Prepares to follow the files, and in a cluster the ConfigMaps of the namespace; not ready until these are known.
pub(super) async fn follow(
    namespace: Option<&str>,
    sources: &PolicySources,
    store: &Arc<PolicyStore>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<Live> {
    let (store, pace) = (Arc::clone(store), Pace::default());
    let Some(namespace) = namespace else {
        return Ok(Live {
            edits: None,
            following: Box::pin(follow_policies(store, sources.clone(), pace)),
        });
    };
    readiness.set_missing(POLICIES);
    let (config_maps, current) = watch::channel(None);
    let follower = PolicyFollower {
        client: cluster::connect().await?,
        namespace: namespace.to_owned(),
        store,
        sources: sources.clone(),
        readiness: Arc::clone(readiness),
        config_maps,
        pace,
    };
    let edits = PolicyEdits::new(namespace.to_owned(), sources.clone(), current);
    Ok(Live {
        edits: Some(Arc::new(edits)),
        following: Box::pin(follower.follow()),
    })
}
