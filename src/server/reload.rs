//! Following changes of policy files and certificates while the server runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::readiness::time;
use crate::policy_file::{PolicyText, ReadError, collect_texts};
use crate::store::{LoadError, Offered, PolicyStore, PolicyTexts};
use crate::telemetry::Metrics;
use crate::tls::{ClientGate, ServingIdentity, ServingPair};
use crate::watch::{Changes, Pace};

/// Where the policies of a server come from.
#[derive(Debug, Clone, Default)]
pub struct PolicySources {
    /// Texts that never change: those embedded in the binary.
    pub embedded: Vec<PolicyText>,
    /// Files and directories.
    pub paths: Vec<PathBuf>,
}

impl PolicySources {
    /// Reads everything as it is now.
    ///
    /// # Errors
    /// When a path cannot be read.
    pub fn read(&self) -> Result<Vec<PolicyText>, ReadError> {
        let mut texts = self.embedded.clone();
        texts.extend(collect_texts(&self.paths)?);
        Ok(texts)
    }
}

/// The files of a serving certificate.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Loads policies whenever their files change, for ever.
pub async fn follow_policies(store: Arc<PolicyStore>, sources: PolicySources, pace: Pace) {
    if sources.paths.is_empty() {
        return;
    }
    let mut changes = Changes::of(sources.paths.clone(), pace);
    let sources = Arc::new(sources);
    loop {
        // Read before the first change is awaited: something may have happened since the server loaded the files.
        let (store, sources) = (Arc::clone(&store), Arc::clone(&sources));
        // Thousands of policies take a while to compile, and requests are served meanwhile.
        let reloaded = tokio::task::spawn_blocking(move || reload_policies(&store, sources.read())).await;
        if let Err(error) = reloaded {
            tracing::error!(%error, "loading policies ended in a panic: please report this as a bug");
        }
        changes.next().await;
    }
}

/// Offers texts as they are now to the store, and says in the log what became of them.
pub fn reload_policies<T: Into<PolicyTexts>>(store: &PolicyStore, texts: Result<T, ReadError>) {
    let begun = Instant::now();
    let offered = store.offer(texts, now());
    let took = begun.elapsed();
    match offered {
        Offered::Unchanged => {}
        Offered::Same => tracing::info!(
            ?took,
            policy_set = store.status().digest,
            "policies are current, nothing changed"
        ),
        Offered::Live => tracing::info!(?took, policy_set = store.status().digest, "policies are live"),
        Offered::Refused(LoadError::Refused { mistakes, .. }) => {
            for mistake in &mistakes {
                tracing::error!("{mistake}");
            }
            let count = mistakes.len();
            let policy_set = store.status().digest;
            tracing::error!(
                ?took,
                count,
                policy_set,
                "policies hold mistakes: the last good set goes on deciding"
            );
        }
        Offered::Refused(error) => {
            let policy_set = store.status().digest;
            tracing::error!(?took, %error, policy_set, "policies cannot be read: the last good set goes on deciding");
        }
    }
}

/// Shows new certificates whenever their files change, for ever.
pub async fn follow_certificate(
    identity: Arc<ServingIdentity>,
    files: CertificateFiles,
    metrics: Arc<Metrics>,
    pace: Pace,
) {
    let mut changes = Changes::of(vec![files.certificate.clone(), files.key.clone()], pace);
    let mut last_error = None;
    loop {
        match ServingPair::from_files(&files.certificate, &files.key) {
            Ok(pair) => {
                last_error = None;
                let is_new = identity.current().is_none_or(|current| !pair.shows_the_same(&current));
                if is_new {
                    let expiry = pair.expiry();
                    metrics.set_certificate_expiry(expiry);
                    identity.replace(pair);
                    tracing::info!(
                        expires_at = time(expiry),
                        "a new serving certificate is shown from now on"
                    );
                    warn_of_expiry(expiry);
                }
            }
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::new(error));
                // The poll meets the same broken files every minute.
                if last_error.as_ref() != Some(&reason) {
                    metrics.count_certificate_load_failure();
                    tracing::error!(
                        error = reason,
                        "the new serving certificate cannot be used: the old one stays"
                    );
                    last_error = Some(reason);
                }
            }
        }
        changes.next().await;
    }
}

/// Trusts new client authorities whenever their file changes, for ever.
pub async fn follow_client_authorities(gate: Arc<ClientGate>, file: PathBuf, metrics: Arc<Metrics>, pace: Pace) {
    let mut changes = Changes::of(vec![file.clone()], pace);
    let mut last_error = None;
    loop {
        match gate.reload(&file) {
            Ok(()) => last_error = None,
            Err(error) => {
                let reason = format!("{:#}", anyhow::Error::new(error));
                if last_error.as_ref() != Some(&reason) {
                    metrics.count_certificate_load_failure();
                    tracing::error!(
                        error = reason,
                        "the new client authorities cannot be used: the old ones stay"
                    );
                    last_error = Some(reason);
                }
            }
        }
        changes.next().await;
    }
}

/// Says so when a certificate is of no use any more; clients would only say that the call failed.
pub(super) fn warn_of_expiry(expiry: i64) {
    if expiry <= now() {
        tracing::warn!(
            expired_at = time(expiry),
            "the serving certificate has expired: clients refuse it"
        );
    }
}

/// The present moment, in seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}
