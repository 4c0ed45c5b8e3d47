//! The ConfigMap of the last good policies: what a replica serves that starts while a mistake is in force.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use tokio::sync::watch;

use super::follow::with_sources;
use super::policies::Seen;
use super::{ClusterError, labels, post_params, within};
use crate::policy_file::ConfigMaps;
use crate::store::{Keeping, NotKept, NotRead, PolicyStore, Stored, keep, read_kept, write_kept};

/// Its name; it does not carry the label of policies.
pub const LAST_GOOD: &str = "runstamp-last-good-policies";

/// The key of the policies in it.
const KEY: &str = "policies.json.gz";

/// Digest of the policies in it.
const DIGEST: &str = "runstamp.dev/digest";

/// Resource version up to which its writer had seen the ConfigMaps.
const SEEN: &str = "runstamp.dev/seen-resource-version";

/// How often a write is tried that others got ahead of.
const ATTEMPTS: usize = 5;

/// Pause after a first failed attempt, doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often it is read before a replica starts without it.
const READS: u32 = 4;

/// The ConfigMap of the last good policies.
#[derive(Debug, Clone)]
pub struct LastGood {
    api: Api<ConfigMap>,
    place: String,
}

/// Why the last good policies cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LastGoodError {
    /// The API server says no.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What stands in the ConfigMap is of no use.
    #[error("failed to use the ConfigMap {place}")]
    Unusable {
        /// Namespace and name.
        place: String,
        /// Why.
        #[source]
        source: NotRead,
    },
    /// It holds nothing at all.
    #[error("expected the key {KEY} in binaryData of the ConfigMap {place}, found none")]
    Empty {
        /// Namespace and name.
        place: String,
    },
    /// The policies do not fit into a ConfigMap.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// Others write it all the time.
    #[error("failed to write the ConfigMap {place}: others wrote it at the same time, {ATTEMPTS} times")]
    Contended {
        /// Namespace and name.
        place: String,
    },
}

impl LastGood {
    /// The one of a namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            place: format!("{namespace}/{LAST_GOOD}"),
        }
    }

    /// The last good policies; nothing where none were ever kept.
    ///
    /// # Errors
    /// When the API server does not answer, or what it has is of no use.
    pub async fn read(&self) -> Result<Option<ConfigMaps>, LastGoodError> {
        let mut pause = FIRST_PAUSE / 4;
        let mut tries = 1;
        let found = loop {
            match self.get().await {
                Ok(found) => break found,
                Err(error) if tries == READS || is_refused(&error) => return Err(error.into()),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
            tries += 1;
        };
        let Some(found) = found else { return Ok(None) };
        let place = || self.place.clone();
        let bytes = found.binary_data.as_ref().and_then(|data| data.get(KEY));
        let ByteString(bytes) = bytes.ok_or_else(|| LastGoodError::Empty { place: place() })?;
        let bytes = bytes.clone();
        let maps = aside(move || read_kept(&bytes)).await?;
        maps.map(Some)
            .map_err(|source| LastGoodError::Unusable { place: place(), source })
    }

    /// Keeps policies that were good when the ConfigMaps were seen at a resource version, unless another replica knows
    /// better.
    ///
    /// # Errors
    /// When they are too large, or the API server does not take them.
    pub async fn keep(&self, maps: &Arc<ConfigMaps>, seen: u64) -> Result<Keeping, LastGoodError> {
        let task = Arc::clone(maps);
        let (bytes, digest) = aside(move || (write_kept(&task), hex(task.digest()))).await?;
        let bytes = bytes?;
        for _ in 0..ATTEMPTS {
            let found = self.get().await?;
            let (found, stored) = aside(move || {
                let stored = found.as_ref().map(stored);
                (found, stored)
            })
            .await?;
            let keeping = keep(stored.as_ref(), &digest, seen, maps.is_empty());
            if keeping != Keeping::Write {
                return Ok(keeping);
            }
            let mut object = found.clone().unwrap_or_default();
            object.metadata.name = Some(LAST_GOOD.to_owned());
            object.metadata.managed_fields = None;
            let annotations = object.metadata.annotations.get_or_insert_default();
            annotations.insert(DIGEST.to_owned(), digest.clone());
            annotations.insert(SEEN.to_owned(), seen.to_string());
            object.data = None;
            object.binary_data = Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes.clone()))]));
            object.metadata.labels.get_or_insert_default().extend(labels());
            let parameters = post_params();
            let action = format!("write the ConfigMap {}", self.place);
            let written = match found {
                // The resource version goes along: whoever wrote in between wins, and is looked at again.
                Some(_) => within(action, self.api.replace(LAST_GOOD, &parameters, &object)).await,
                None => within(action, self.api.create(&parameters, &object)).await,
            };
            match written {
                Ok(_) => return Ok(Keeping::Write),
                // Written, created or deleted by somebody else.
                Err(error) if error.is_conflict() || is_absent(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LastGoodError::Contended {
            place: self.place.clone(),
        })
    }

    async fn get(&self) -> Result<Option<ConfigMap>, ClusterError> {
        let action = format!("read the ConfigMap {}", self.place);
        within(action, self.api.get_opt(LAST_GOOD)).await
    }
}

/// Whether the API server has answered, and would do so again.
fn is_refused(error: &ClusterError) -> bool {
    error.status_code().is_some_and(|code| code < 500 && code != 429)
}

/// Whether somebody has deleted the object since it was read.
fn is_absent(error: &ClusterError) -> bool {
    error.status_code() == Some(404)
}

/// Keeps every good state of the ConfigMaps, for ever.
pub(super) async fn keep_for_ever(
    last_good: LastGood,
    store: Arc<PolicyStore>,
    mut good: watch::Receiver<Option<Seen>>,
) {
    let mut pause = FIRST_PAUSE;
    while good.changed().await.is_ok() {
        loop {
            let current: Option<Seen> = good.borrow_and_update().clone();
            let Some(current) = current else { break };
            match last_good.keep(&current.maps, current.version).await {
                Ok(keeping) => {
                    tracing::debug!(?keeping, "the last good policies are kept");
                    store.set_not_kept(None);
                    pause = FIRST_PAUSE;
                    break;
                }
                Err(error) => {
                    let is_final = matches!(error, LastGoodError::NotKept(_));
                    let why = with_sources(&error);
                    if store.status().not_kept.as_ref() != Some(&why) {
                        tracing::warn!(error = why, "the last good policies are not kept");
                    }
                    store.set_not_kept(Some(why));
                    if is_final {
                        break;
                    }
                }
            }
            // Whatever comes first: a newer state, or another attempt with this one.
            if matches!(tokio::time::timeout(pause, good.changed()).await, Ok(Err(_))) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Does what may take a second where nobody waits for the thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LastGoodError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| NotKept::Compress(error.to_string()).into())
}

fn stored(map: &ConfigMap) -> Stored {
    let annotation = |key: &str| map.metadata.annotations.as_ref().and_then(|all| all.get(key));
    // Bytes that somebody replaced or removed are not those of the digest.
    let is_whole = map.binary_data.as_ref().is_some_and(|data| {
        data.get(KEY).is_some_and(|ByteString(bytes)| {
            let digest = read_kept(bytes).ok().map(|maps| hex(maps.digest()));
            digest.as_ref() == annotation(DIGEST)
        })
    });
    Stored {
        digest: annotation(DIGEST).filter(|_| is_whole).cloned(),
        seen: annotation(SEEN).filter(|_| is_whole).and_then(|seen| seen.parse().ok()),
        own: map
            .metadata
            .resource_version
            .as_ref()
            .and_then(|version| version.parse().ok()),
    }
}

fn hex(digest: [u8; 32]) -> String {
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
