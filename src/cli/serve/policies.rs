//! Where the policies of `serve` come from, and what follows them while it runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::watch;

use super::output;
use crate::cluster::{Member, PolicyFollowing};
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

/// Prepares to follow the files, and those of the installation's ConfigMaps.
pub(super) fn follow(
    member: Option<&Member>,
    sources: &PolicySources,
    store: &Arc<PolicyStore>,
    readiness: &Arc<Readiness>,
) -> Live {
    let (store, pace) = (Arc::clone(store), Pace::default());
    let Some(member) = member else {
        return Live {
            edits: None,
            following: Box::pin(follow_policies(store, sources.clone(), pace)),
        };
    };
    let (config_maps, current) = watch::channel(None);
    let following = member.follow_policies(PolicyFollowing {
        store,
        sources: sources.clone(),
        readiness: Arc::clone(readiness),
        config_maps,
        pace,
    });
    let edits = PolicyEdits::new(member.namespace().to_owned(), sources.clone(), current);
    Live {
        edits: Some(Arc::new(edits)),
        following: Box::pin(following),
    }
}
