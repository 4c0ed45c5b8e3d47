//! Following objects: what a watch has seen, by name, for others to look at and to wait for.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// Pause after the first failure of a watch; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause. An API server that comes back is asked soon: certificates and policies wait for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// After this many seconds the API server ends a watch and it is begun again, so that one whose connection died
/// unnoticed does not stay deaf.
pub(super) const WATCH_SECONDS: u32 = 60;

/// The objects that are there, by name; none before the first list is complete.
pub(super) type Objects<K> = Option<BTreeMap<String, Arc<K>>>;

/// Follows all objects, for as long as somebody looks.
pub(super) fn follow<K>(api: Api<K>, selection: watcher::Config, what: &'static str) -> watch::Receiver<Objects<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (sender, receiver) = watch::channel(None);
    let stream = watcher(api, selection.timeout(WATCH_SECONDS));
    tokio::spawn(async move {
        let mut events = Box::pin(stream.backoff(Pauses::default()));
        let mut listed = BTreeMap::new();
        let mut trouble = Trouble::new(what);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    trouble.is_over();
                    take(event, &mut listed, &sender);
                }
                Err(error) => trouble.report(&error),
            }
            if sender.is_closed() {
                return;
            }
        }
    });
    receiver
}

/// Enters what an event says.
fn take<K>(event: Event<K>, listed: &mut BTreeMap<String, Arc<K>>, sender: &watch::Sender<Objects<K>>)
where
    K: Resource,
{
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(object) => {
            listed.insert(object.name_any(), Arc::new(object));
        }
        Event::InitDone => {
            sender.send_replace(Some(std::mem::take(listed)));
        }
        Event::Apply(object) => sender.send_modify(|objects| {
            objects
                .get_or_insert_default()
                .insert(object.name_any(), Arc::new(object));
        }),
        Event::Delete(object) => sender.send_modify(|objects| {
            objects.get_or_insert_default().remove(&object.name_any());
        }),
    }
}

/// The only object of that name, for a selection of one.
pub(super) fn only<K>(objects: &Objects<K>, name: &str) -> Option<Arc<K>> {
    objects.as_ref()?.get(name).map(Arc::clone)
}

/// Selects one object by its name: rights that name an object allow nothing else.
pub(super) fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

/// Says what goes wrong again and again, once.
#[derive(Debug)]
pub(super) struct Trouble {
    what: &'static str,
    last: Option<String>,
}

impl Trouble {
    /// With `what` was being done, as `watch the namespaces`.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, last: None }
    }

    /// Logs an error that is another one than before.
    pub(super) fn report(&mut self, error: &(dyn std::error::Error + 'static)) {
        let reason = with_sources(error);
        if self.last.as_ref() != Some(&reason) {
            tracing::warn!(error = reason, "failed to {}: trying again", self.what);
            self.last = Some(reason);
        }
    }

    /// What was tried succeeds again.
    pub(super) fn is_over(&mut self) {
        if self.last.take().is_some() {
            tracing::info!("succeeded to {} again", self.what);
        }
    }
}

/// An error and everything that it came from, on one line.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if let Some(kube::Error::Api(status)) = error.downcast_ref() {
            // Its own words repeat the whole answer, field by field.
            let before = text.strip_suffix(&reason).unwrap_or(&text).trim_end_matches(": ");
            return format!("{before}: {}", status.message);
        }
        // Many say in their own words what their source says.
        if !text.ends_with(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        source = error.source();
    }
    text
}

/// Growing pauses between attempts.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    next: Duration,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next.max(FIRST_PAUSE);
        self.next = pause.saturating_mul(2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.next = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_answers_is_told_once() {
        let status = kube::core::Status::failure("namespaces is forbidden: no", "Forbidden").with_code(403);
        let error = watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)));
        assert_eq!(
            with_sources(&error),
            "failed to start watching object: namespaces is forbidden: no"
        );
    }

    #[test]
    fn pauses_grow_to_a_limit_and_begin_again() {
        let mut pauses = Pauses::default();
        let first: Vec<u128> = pauses.by_ref().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(first, [200, 400, 800, 1600, 3200, 5000, 5000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(FIRST_PAUSE));
    }
}
