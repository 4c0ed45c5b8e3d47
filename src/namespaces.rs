//! The labels of the namespaces, known before anybody asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

/// Labels of one namespace.
pub type Labels = Arc<BTreeMap<String, String>>;

/// The labels of all namespaces. Whoever reads waits at most for one entry to be written.
#[derive(Debug, Default)]
pub struct Namespaces {
    labels: RwLock<HashMap<String, Labels>>,
    changed: Notify,
}

impl Namespaces {
    /// The labels of a namespace, if it is known.
    pub fn labels(&self, namespace: &str) -> Option<Labels> {
        // A table whose writer panicked between two entries is still a table.
        let labels = self.labels.read().unwrap_or_else(PoisonError::into_inner);
        labels.get(namespace).map(Arc::clone)
    }

    /// Waits for a namespace that is not known yet: a Run can be created in it before the watch has told of it.
    /// `false` if it is still unknown after `limit`.
    pub async fn wait_for(&self, namespace: &str, limit: Duration) -> bool {
        let known = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that what happens in between is heard.
                changed.as_mut().enable();
                if self.labels(namespace).is_some() {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, known).await.is_ok()
    }

    /// Takes these for all that there are.
    pub fn replace(&self, all: impl IntoIterator<Item = (String, Labels)>) {
        *self.write() = all.into_iter().collect();
        self.changed.notify_waiters();
    }

    /// Enters one.
    pub fn insert(&self, namespace: String, labels: Labels) {
        self.write().insert(namespace, labels);
        self.changed.notify_waiters();
    }

    /// Takes one out.
    pub fn remove(&self, namespace: &str) {
        self.write().remove(namespace);
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Labels>> {
        self.labels.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(key: &str) -> Labels {
        Arc::new(BTreeMap::from([(key.to_owned(), String::new())]))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_of_a_new_namespace_and_does_not_wait_for_ever() {
        let namespaces = Arc::new(Namespaces::default());
        namespaces.replace([("old".to_owned(), labels("a"))]);
        assert!(namespaces.wait_for("old", Duration::ZERO).await);
        assert!(!namespaces.wait_for("new", Duration::from_secs(1)).await);
        let waiting = Arc::clone(&namespaces);
        let waits = tokio::spawn(async move { waiting.wait_for("new", Duration::from_secs(3_600)).await });
        tokio::task::yield_now().await;
        namespaces.insert("other".to_owned(), labels("b"));
        tokio::task::yield_now().await;
        namespaces.insert("new".to_owned(), labels("c"));
        assert!(waits.await.unwrap());
        namespaces.remove("new");
        assert!(namespaces.labels("new").is_none());
        namespaces.replace([]);
        assert!(namespaces.labels("old").is_none());
    }
}
