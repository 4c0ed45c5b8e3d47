//! The cluster that a replica belongs to: the only place that talks to the API server.
//!
//! Everything here happens beside requests, never while a Run waits.

mod bundle;
mod certificates;
mod events;
mod follow;
mod last_good;
mod member;
mod namespaces;
mod policies;
mod replicas;
mod runs;
mod status;
mod trust;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::PostParams;
use kube::config::Kubeconfig;

pub use certificates::{CertificateKeeping, KeepError, SECRET};
pub use events::{EventPace, EventWriter};
pub use last_good::{LAST_GOOD, LastGood, LastGoodError};
pub use member::{Member, PolicyFollowing};
pub use policies::POLICIES;
pub use replicas::ReplicaReport;
pub use runs::{ListError, Listed, RunLister, Scope, Served};
pub use status::{Gathered, Inquiry, InquiryError};

/// Who we are among those who write an object.
const FIELD_MANAGER: &str = "runstamp";

/// Longest wait for an answer to one request.
const ANSWER: Duration = Duration::from_secs(10);

/// Longest silence of a watch, which is begun anew more often than that.
const SILENCE: Duration = Duration::from_secs(90);

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
    /// A request was not answered.
    #[error("failed to {action}: no answer within {ANSWER:?}")]
    NoAnswer {
        /// What was tried.
        action: String,
    },
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

/// Waits for the answer to one request; `action` says what is tried, for errors.
async fn within<T>(
    action: impl Into<String>,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    match tokio::time::timeout(ANSWER, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(ClusterError::Request {
            action: action.into(),
            source,
        }),
        Err(_) => Err(ClusterError::NoAnswer { action: action.into() }),
    }
}

impl ClusterError {
    /// The HTTP status code with which the API server refused, if it has answered.
    fn status_code(&self) -> Option<u16> {
        match self {
            Self::Request {
                source: kube::Error::Api(status),
                ..
            } => Some(status.code),
            _ => None,
        }
    }

    /// Whether somebody else has written the object since it was read, or has created it.
    fn is_conflict(&self) -> bool {
        self.status_code() == Some(409)
    }
}

/// How an object is written whole, under our name.
fn post_params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// The labels of everything that Runstamp itself creates.
fn labels() -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "runstamp"),
        ("app.kubernetes.io/part-of", "runstamp"),
        ("app.kubernetes.io/managed-by", "runstamp"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// A client of the API server: the one that `KUBECONFIG` names, else that of the Pod's service account.
///
/// # Errors
/// When neither is there, or it cannot be used.
async fn connect() -> Result<kube::Client, ClusterError> {
    let is_named = std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty());
    let mut config = if is_named {
        let kubeconfig = Kubeconfig::from_env()
            .map_err(ClusterError::Kubeconfig)?
            .unwrap_or_default();
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
            .await
            .map_err(ClusterError::Kubeconfig)?
    } else {
        kube::Config::infer().await.map_err(ClusterError::Configure)?
    };
    config.connect_timeout = Some(ANSWER);
    config.read_timeout = Some(SILENCE);
    kube::Client::try_from(config).map_err(ClusterError::Client)
}
