//! The labels of all namespaces, from a watch.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt as _};

use super::follow::{Pauses, Trouble, WATCH_SECONDS};
use crate::namespaces::{Labels, Namespaces};
use crate::server::Readiness;

/// The name of what must be there before requests are welcome.
const NAMESPACES: &str = "namespaces";

/// Enters the labels of every namespace, for ever.
pub(super) async fn follow_namespaces(client: Client, namespaces: Arc<Namespaces>, readiness: Arc<Readiness>) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let events = watcher(api, Config::default().timeout(WATCH_SECONDS));
    let mut events = Box::pin(events.backoff(Pauses::default()));
    let mut listed: Vec<(String, Labels)> = Vec::new();
    let mut trouble = Trouble::new("watch the namespaces");
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                trouble.is_over();
                match event {
                    Event::Init => listed.clear(),
                    Event::InitApply(namespace) => listed.push(entry(namespace)),
                    Event::InitDone => {
                        namespaces.replace(std::mem::take(&mut listed));
                        readiness.set_present(NAMESPACES);
                    }
                    Event::Apply(namespace) => {
                        let (name, labels) = entry(namespace);
                        namespaces.insert(name, labels);
                    }
                    Event::Delete(namespace) => namespaces.remove(&namespace.name_any()),
                }
            }
            Err(error) => trouble.report(&error),
        }
    }
}

/// Says that requests are not welcome before the namespaces are known.
pub(super) fn expect_namespaces(readiness: &Readiness) {
    readiness.set_missing(NAMESPACES);
}

fn entry(namespace: PartialObjectMeta<Namespace>) -> (String, Labels) {
    let name = namespace.name_any();
    let labels: BTreeMap<String, String> = namespace.metadata.labels.unwrap_or_default();
    (name, Arc::new(labels))
}
