//! The cluster that a replica belongs to: the only place that talks to the API server.
//!
//! Everything here happens beside requests, never while a Run waits.

mod last_good;
mod policies;

use kube::config::Kubeconfig;

pub use last_good::{LAST_GOOD, LastGood, LastGoodError};
pub use policies::{POLICIES, PolicyFollower};

/// Who a replica is, and where its installation lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Runstamp's own namespace: its Secret, its ConfigMaps, its Service.
    pub namespace: String,
    /// Name of the Service that the API server calls.
    pub service: String,
    /// Name of the mutating and of the validating webhook configuration.
    pub configuration: String,
    /// Name of this replica: that of its Pod.
    pub replica: String,
}

/// What goes wrong between a replica and the API server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Neither a kubeconfig nor a service account says how the API server is reached.
    #[error("failed to find the API server: expected a service account's files or KUBECONFIG")]
    Configure(#[source] kube::config::InferConfigError),
    /// The kubeconfig that `KUBECONFIG` names cannot be used.
    #[error("failed to use the kubeconfig that KUBECONFIG names")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// The client cannot be made.
    #[error("failed to make a client of the API server")]
    Client(#[source] kube::Error),
    /// A request failed.
    #[error("failed to {action}")]
    Request {
        /// What was tried, as `read the Secret runstamp/runstamp-certificates`.
        action: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
}

impl ClusterError {
    /// Says what was tried when a request failed.
    pub(crate) fn request(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        |source| Self::Request { action, source }
    }
}

/// A client of the API server: the one that `KUBECONFIG` names, else that of the Pod's service account.
///
/// # Errors
/// When neither is there, or it cannot be used.
pub async fn connect() -> Result<kube::Client, ClusterError> {
    let is_named = std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty());
    let config = if is_named {
        let kubeconfig = Kubeconfig::from_env()
            .map_err(ClusterError::Kubeconfig)?
            .unwrap_or_default();
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
            .await
            .map_err(ClusterError::Kubeconfig)?
    } else {
        kube::Config::infer().await.map_err(ClusterError::Configure)?
    };
    kube::Client::try_from(config).map_err(ClusterError::Client)
}

/// An error and everything that it came from, on one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let line = error.to_string();
        // Some errors repeat their source in their own words.
        if !text.contains(&line) {
            text.push_str(&format!(": {line}"));
        }
        source = error.source();
    }
    text.replace(char::is_control, " ")
}
