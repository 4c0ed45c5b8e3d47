//! The ConfigMaps of policies: watched, and followed by the policy set that decides.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::follow::{Pauses, Trouble, WATCH_SECONDS, with_sources};
use super::last_good::{LastGood, keep_for_ever};
use super::{Installation, within};
use crate::policy_file::{ConfigMapFiles, ConfigMaps, Failure, PolicyText, ReadError};
use crate::review::{POLICIES_LABEL, POLICIES_VALUE};
use crate::server::{PolicySources, Readiness, now, reload_policies};
use crate::store::{PoliciesFrom, PolicyStore, PolicyTexts};
use crate::watch::{Changes, Pace};

/// What `/readyz` calls the first list of ConfigMaps.
pub const POLICIES: &str = "policies";

/// ConfigMaps of one page: each may hold 1 MiB.
pub(super) const PAGE: u32 = 20;

/// Quiet time after an edit before it is compiled: `kubectl apply` of a folder makes several within milliseconds.
const SETTLE: Duration = Duration::from_millis(50);

/// Longest wait for that quiet.
const PATIENCE: Duration = Duration::from_millis(500);

/// The ConfigMaps as the watch sees them.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What stands in them.
    pub(super) maps: Arc<ConfigMaps>,
    /// The resource version up to which they are known for certain.
    pub(super) version: u64,
}

/// What follows the ConfigMaps.
#[derive(Debug)]
pub struct PolicyFollowing {
    /// The set that decides.
    pub store: Arc<PolicyStore>,
    /// What else the set is made of.
    pub sources: PolicySources,
    /// Where it is said that the first list has come.
    pub readiness: Arc<Readiness>,
    /// The ConfigMaps for whoever judges edits; `None` until the first list has come.
    pub config_maps: watch::Sender<Option<Arc<ConfigMaps>>>,
    /// When changes of files are reported.
    pub pace: Pace,
}

/// Says that requests are not welcome before the ConfigMaps are known.
pub(super) fn expect_policies(readiness: &Readiness) {
    readiness.set_missing(POLICIES);
}

/// Loads policies whenever their ConfigMaps or files change, for ever.
pub(super) async fn follow_policies(client: Client, installation: Arc<Installation>, following: PolicyFollowing) {
    let PolicyFollowing {
        store,
        sources,
        readiness,
        config_maps,
        pace,
    } = following;
    let namespace = &installation.namespace;
    let (sender, mut seen) = watch::channel(None);
    let api = Api::namespaced(client.clone(), namespace);
    tokio::spawn(watch_for_ever(api, sender, config_maps));
    let last_good = LastGood::new(client, namespace);
    let (good, to_keep) = watch::channel(None);
    tokio::spawn(keep_for_ever(last_good.clone(), Arc::clone(&store), to_keep));
    let mut files = (!sources.paths.is_empty()).then(|| Changes::of(sources.paths.clone(), pace));
    // Until a set was good or another one stands in: from then on the last good one is in this process.
    let mut is_first = true;
    loop {
        let current: Option<Seen> = seen.borrow_and_update().clone();
        if let Some(current) = current {
            let texts = read(&sources).await;
            let own = texts.as_ref().ok().cloned();
            let whole = texts.map(|own| PolicyTexts {
                own,
                config_maps: Arc::clone(&current.maps),
            });
            offer(&store, whole).await;
            let is_good = store.status().stale.is_none();
            if is_good {
                good.send_replace(Some(current));
                is_first = false;
            } else if let Some(own) = own
                && is_first
            {
                stand_in(&store, &last_good, own, &sources).await;
                is_first = false;
            }
            readiness.set_present(POLICIES);
        }
        // Everything is read again after either, so a change that comes in between is not lost.
        tokio::select! {
            () = changed(&mut seen) => {}
            () = files_changed(files.as_mut()) => {}
        }
    }
}

/// Reads what is no ConfigMap, on a thread where that may take a while.
async fn read(sources: &PolicySources) -> Result<Vec<PolicyText>, ReadError> {
    let task = sources.clone();
    let read = tokio::task::spawn_blocking(move || task.read()).await;
    read.unwrap_or_else(|error| {
        let failure = Failure {
            path: sources.paths.first().cloned().unwrap_or_default(),
            source: std::io::Error::other(error),
        };
        Err(ReadError {
            failures: vec![failure],
        })
    })
}

async fn offer(store: &Arc<PolicyStore>, texts: Result<PolicyTexts, ReadError>) {
    let store = Arc::clone(store);
    let offered = tokio::task::spawn_blocking(move || reload_policies(&store, texts)).await;
    if let Err(error) = offered {
        tracing::error!(%error, "loading policies ended in a panic: please report this as a bug");
    }
}

/// Finds what decides while the ConfigMaps are bad from the start: their last good state, else everything but them.
async fn stand_in(store: &Arc<PolicyStore>, last_good: &LastGood, own: Vec<PolicyText>, sources: &PolicySources) {
    let kept = match last_good.read().await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::error!(error = %with_sources(&error), "the last good policies cannot be used");
            None
        }
    };
    let embedded = sources.embedded.clone();
    let last = kept.map(|maps| PolicyTexts {
        own: own.clone(),
        config_maps: Arc::new(maps),
    });
    let store = Arc::clone(store);
    let task = tokio::task::spawn_blocking(move || {
        let candidates = [
            (last, PoliciesFrom::LastGood),
            (Some(own.into()), PoliciesFrom::WithoutConfigMaps),
            (Some(embedded.into()), PoliciesFrom::WithoutConfigMaps),
        ];
        for (texts, from) in candidates {
            let Some(texts) = texts else { continue };
            match store.stand_in(texts, from, now()) {
                Ok(()) => {
                    let policy_set = store.status().digest;
                    tracing::warn!(
                        policy_set,
                        from = from.word(),
                        "the policies of the ConfigMaps hold mistakes from the start: others stand in for them"
                    );
                    return;
                }
                Err(error) => tracing::error!(%error, from = from.word(), "policies cannot stand in"),
            }
        }
    });
    if let Err(error) = task.await {
        tracing::error!(%error, "loading policies ended in a panic: please report this as a bug");
    }
}

/// Waits for an edit and for the quiet after it.
async fn changed(seen: &mut watch::Receiver<Option<Seen>>) {
    if seen.changed().await.is_err() {
        // The watch never ends; a server that lost it goes on with what it has.
        return std::future::pending().await;
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if !matches!(tokio::time::timeout(SETTLE, seen.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn files_changed(files: Option<&mut Changes>) {
    match files {
        Some(files) => files.next().await,
        None => std::future::pending().await,
    }
}

/// Tells what stands in the ConfigMaps whenever that changes, for ever.
async fn watch_for_ever(
    api: Api<ConfigMap>,
    sender: watch::Sender<Option<Seen>>,
    config_maps: watch::Sender<Option<Arc<ConfigMaps>>>,
) {
    let selector = format!("{POLICIES_LABEL}={POLICIES_VALUE}");
    let config = watcher::Config::default().labels(&selector).page_size(PAGE);
    let stream = watcher::watcher(api.clone(), config.timeout(WATCH_SECONDS));
    let mut events = pin!(stream.backoff(Pauses::default()));
    let mut view = View::default();
    let mut trouble = Trouble::new("watch the ConfigMaps of policies");
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if matches!(event, Event::Init) {
                    // Asked before the list, so the list is at least as new.
                    view.version = view.version.max(newest(&api, &selector).await);
                }
                if !matches!(event, Event::Init) {
                    trouble.is_over();
                }
                if let Some(seen) = view.apply(event) {
                    // Whoever judges edits knows it before the set is compiled: the next edit may come at once.
                    config_maps.send_replace(Some(Arc::clone(&seen.maps)));
                    sender.send_replace(Some(seen));
                }
            }
            Err(error) => trouble.report(&error),
        }
    }
}

/// The resource version of the ConfigMaps now; 0 where the API server does not say.
async fn newest(api: &Api<ConfigMap>, selector: &str) -> u64 {
    let one = ListParams::default().labels(selector).limit(1);
    let listed = within("list the ConfigMaps of policies", api.list_metadata(&one))
        .await
        .ok();
    let version = listed.and_then(|list| list.metadata.resource_version);
    number(version.as_deref())
}

fn number(version: Option<&str>) -> u64 {
    version.and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// What the events of a watch add up to.
#[derive(Debug, Default)]
struct View {
    maps: ConfigMaps,
    /// Those of a list that has begun.
    listed: Option<ConfigMaps>,
    version: u64,
}

impl View {
    /// Takes an event; the ConfigMaps where they are complete afterwards.
    fn apply(&mut self, event: Event<ConfigMap>) -> Option<Seen> {
        match event {
            Event::Init => {
                self.listed = Some(ConfigMaps::default());
                return None;
            }
            Event::InitApply(map) => {
                let (name, files) = self.read(map);
                self.listed.get_or_insert_default().insert(name, files);
                return None;
            }
            Event::InitDone => self.maps = self.listed.take().unwrap_or_default(),
            Event::Apply(map) => {
                let (name, files) = self.read(map);
                self.maps.insert(name, files);
            }
            Event::Delete(map) => {
                let (name, _) = self.read(map);
                self.maps.remove(&name);
            }
        }
        Some(Seen {
            maps: Arc::new(self.maps.clone()),
            version: self.version,
        })
    }

    fn read(&mut self, map: ConfigMap) -> (String, ConfigMapFiles) {
        self.version = self.version.max(number(map.metadata.resource_version.as_deref()));
        (map.metadata.name.clone().unwrap_or_default(), files_of(map))
    }
}

/// What a ConfigMap holds.
pub(super) fn files_of(map: ConfigMap) -> ConfigMapFiles {
    ConfigMapFiles {
        data: map.data.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
        binary: map.binary_data.unwrap_or_default().into_keys().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &str, version: &str, content: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.metadata.resource_version = Some(version.to_owned());
        map.data = Some([("p.yaml".to_owned(), content.to_owned())].into());
        map
    }

    fn names(seen: &Seen) -> Vec<&str> {
        seen.maps.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn nothing_is_told_before_the_first_list_is_complete() {
        let mut view = View::default();
        assert!(view.apply(Event::Init).is_none());
        assert!(view.apply(Event::InitApply(map("b", "5", "b"))).is_none());
        assert!(view.apply(Event::InitApply(map("a", "3", "a"))).is_none());
        let seen = view.apply(Event::InitDone).unwrap();
        assert_eq!((names(&seen), seen.version), (vec!["a", "b"], 5));
        let seen = view.apply(Event::Delete(map("b", "7", "b"))).unwrap();
        assert_eq!((names(&seen), seen.version), (vec!["a"], 7));
    }

    #[test]
    fn a_second_list_replaces_the_first_one_as_a_whole_and_forgets_no_version() {
        let mut view = View::default();
        view.apply(Event::Init);
        view.apply(Event::InitApply(map("gone", "9", "a")));
        view.apply(Event::InitDone);
        assert!(view.apply(Event::Init).is_none());
        let seen = view.apply(Event::InitApply(map("new", "4", "b")));
        assert!(seen.is_none(), "half a list is told");
        let seen = view.apply(Event::InitDone).unwrap();
        assert_eq!((names(&seen), seen.version), (vec!["new"], 9));
    }
}
