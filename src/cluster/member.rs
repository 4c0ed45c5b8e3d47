//! A replica as a member of its installation: what it does beside serving.

use std::sync::Arc;

use kube::Client;
use tokio::task::JoinHandle;

use super::certificates::{CertificateKeeping, keep_certificates};
use super::namespaces::{expect_namespaces, follow_namespaces};
pub use super::policies::PolicyFollowing;
use super::policies::{expect_policies, follow_policies};
use super::replicas::{ReplicaReport, Replicas};
use super::trust::{expect_certificates, watch_trust};
use super::{ClusterError, EventPace, EventWriter, Installation, connect};
use crate::headless::RefusalQueue;
use crate::namespaces::Namespaces;
use crate::server::Readiness;
use crate::telemetry::Metrics;
use crate::tls::ServingIdentity;

/// A replica that knows its installation and can reach the API server, as far as anybody can know that.
pub struct Member {
    client: Client,
    installation: Arc<Installation>,
    replicas: Replicas,
    lease: Option<JoinHandle<()>>,
}

impl Member {
    /// Finds the API server, and says what must be there before requests are welcome.
    ///
    /// # Errors
    /// When nothing says where the API server is. One that does not answer is waited for.
    pub async fn join(installation: Installation, readiness: &Readiness) -> Result<Self, ClusterError> {
        let client = connect().await?;
        let installation = Arc::new(installation);
        expect_certificates(readiness);
        expect_namespaces(readiness);
        expect_policies(readiness);
        Ok(Self {
            replicas: Replicas::follow(&client, Arc::clone(&installation)),
            client,
            installation,
            lease: None,
        })
    }

    /// Begins to follow the labels of all namespaces.
    pub fn follow_namespaces(&self, namespaces: Arc<Namespaces>, readiness: Arc<Readiness>) {
        tokio::spawn(follow_namespaces(self.client.clone(), namespaces, readiness));
    }

    /// Runstamp's own namespace.
    pub fn namespace(&self) -> &str {
        &self.installation.namespace
    }

    /// Loads policies whenever their ConfigMaps or files change, for ever.
    pub fn follow_policies(&self, following: PolicyFollowing) -> impl Future<Output = ()> + Send + use<> {
        let installation = Arc::clone(&self.installation);
        follow_policies(self.client.clone(), installation, following)
    }

    /// Begins to keep the certificates of the installation.
    pub fn keep_certificates(&self, keeping: CertificateKeeping) {
        let installation = Arc::clone(&self.installation);
        let replicas = self.replicas.clone();
        tokio::spawn(keep_certificates(self.client.clone(), installation, replicas, keeping));
    }

    /// Begins to watch whether the API server can trust a certificate that somebody else issues.
    pub fn watch_trust(&self, identity: Arc<ServingIdentity>, readiness: Arc<Readiness>) {
        let installation = Arc::clone(&self.installation);
        tokio::spawn(watch_trust(self.client.clone(), installation, identity, readiness));
    }

    /// Begins to tell the other replicas what this one serves.
    pub fn keep_lease(&mut self, report: impl Fn() -> ReplicaReport + Send + Sync + 'static) {
        self.lease = Some(tokio::spawn(self.replicas.clone().keep_lease(report)));
    }

    /// Begins to tell of refusals that nobody sees, on the objects behind them.
    pub fn write_events(&self, metrics: &Arc<Metrics>) -> (RefusalQueue, EventWriter) {
        let (queue, refusals) = RefusalQueue::new(Arc::clone(metrics));
        let writer = EventWriter::start(
            self.client.clone(),
            &self.installation.replica,
            refusals,
            Arc::clone(metrics),
            EventPace::default(),
        );
        (queue, writer)
    }

    /// Tells the other replicas that this one is gone.
    pub async fn leave(self) {
        if let Some(lease) = self.lease {
            // It would be renewed once more.
            lease.abort();
            let _ = lease.await;
        }
        self.replicas.release().await;
    }
}
