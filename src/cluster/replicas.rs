//! The replicas of the installation: each renews a Lease of its own and says there what it serves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::watch;

use super::follow::{Objects, Trouble, follow};
use super::{FIELD_MANAGER, Installation, labels, within};
use crate::server::now;

/// The label of the Leases.
const REPLICA: &str = "runstamp.dev/replica";

/// The annotation that names what is shown.
const CERTIFICATE: &str = "runstamp.dev/certificate";

/// How long a Lease says that its replica lives.
const LEASE: Duration = Duration::from_secs(30);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// How often a replica looks at itself.
const LOOK: Duration = Duration::from_millis(500);

/// When a Lease that nobody renews is removed, so that none is left of replicas long gone.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// What a replica says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicaReport {
    /// Fingerprint of the certificate that it shows; empty where it shows none.
    pub certificate: String,
    /// When that expires, in seconds since 1970.
    pub certificate_expiry: Option<i64>,
    /// Digest of the policy set that decides.
    pub policy_set: String,
    /// When that set was loaded, in seconds since 1970.
    pub policies_loaded_at: i64,
    /// Why the policies as they are now do not decide.
    pub stale: Option<String>,
    /// What must be there before requests are welcome.
    pub missing: Vec<String>,
    /// What is wrong although requests are welcome.
    pub troubles: Vec<String>,
    /// Whether the process is about to end.
    pub draining: bool,
}

/// Longest text in an annotation: mistakes in policies can be many.
const MOST_TEXT_BYTES: usize = 1024;

impl ReplicaReport {
    /// As annotations of the Lease.
    fn annotations(&self) -> BTreeMap<&'static str, String> {
        let moment = |seconds: i64| crate::server::time(seconds).unwrap_or_default();
        let short = |text: &str| text.chars().take(MOST_TEXT_BYTES / 4).collect::<String>();
        BTreeMap::from([
            (CERTIFICATE, self.certificate.clone()),
            (
                "runstamp.dev/certificate-expires-at",
                self.certificate_expiry.map(moment).unwrap_or_default(),
            ),
            ("runstamp.dev/policy-set", self.policy_set.clone()),
            ("runstamp.dev/policies-loaded-at", moment(self.policies_loaded_at)),
            (
                "runstamp.dev/policies-error",
                short(self.stale.as_deref().unwrap_or_default()),
            ),
            ("runstamp.dev/missing", self.missing.join(",")),
            ("runstamp.dev/troubles", short(&self.troubles.join("; "))),
            ("runstamp.dev/draining", self.draining.to_string()),
            ("runstamp.dev/version", env!("CARGO_PKG_VERSION").to_owned()),
        ])
    }
}

/// What is known of all replicas.
#[derive(Debug, Clone)]
pub(super) struct Replicas {
    seen: watch::Receiver<Objects<Lease>>,
    api: Api<Lease>,
    installation: Arc<Installation>,
    /// By name. Clocks of nodes differ, so the moments that Leases state are not looked at.
    renewals: Arc<Mutex<HashMap<String, Renewal>>>,
}

/// The version of a Lease, and when it was first seen here.
type Renewal = (Option<String>, Instant);

impl Replicas {
    /// Begins to watch the Leases.
    pub(super) fn follow(client: &Client, installation: Arc<Installation>) -> Self {
        let api: Api<Lease> = Api::namespaced(client.clone(), &installation.namespace);
        let selection = watcher::Config::default().labels(&format!("{REPLICA}=true"));
        Self {
            seen: follow(api.clone(), selection, "watch the Leases of the replicas"),
            api,
            installation,
            renewals: Arc::default(),
        }
    }

    /// Whether every replica that lives shows the certificate with this fingerprint. Not so where nothing is known.
    pub(super) fn all_show(&self, fingerprint: &str) -> bool {
        self.living(LEASE).is_some_and(|leases| {
            leases.iter().all(|lease| {
                lease
                    .annotations()
                    .get(CERTIFICATE)
                    .is_some_and(|shown| shown == fingerprint)
            })
        })
    }

    /// The Leases that were renewed within `limit`.
    fn living(&self, limit: Duration) -> Option<Vec<Arc<Lease>>> {
        let leases: Vec<Arc<Lease>> = self.seen.borrow().as_ref()?.values().map(Arc::clone).collect();
        // Nothing can be half done with a table of moments.
        let mut renewals = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        renewals.retain(|name, _| leases.iter().any(|lease| lease.name_any() == *name));
        let mut living = Vec::new();
        for lease in leases {
            let renewed = lease.metadata.resource_version.clone();
            let entry = renewals
                .entry(lease.name_any())
                .or_insert_with(|| (renewed.clone(), Instant::now()));
            if entry.0 != renewed {
                *entry = (renewed, Instant::now());
            }
            if entry.1.elapsed() < limit {
                living.push(lease);
            }
        }
        Some(living)
    }

    /// Renews the Lease of this replica and tells in it what `report` says, for ever; removes those of replicas long gone.
    pub(super) async fn keep_lease(self, report: impl Fn() -> ReplicaReport + Send) {
        let mut trouble = Trouble::new("renew the Lease of this replica");
        let mut told: Option<(ReplicaReport, Instant)> = None;
        loop {
            let current = report();
            let is_due = told
                .as_ref()
                .is_none_or(|(last, when)| *last != current || when.elapsed() >= RENEWAL);
            if is_due {
                match self.renew(&current).await {
                    Ok(()) => {
                        trouble.is_over();
                        told = Some((current, Instant::now()));
                    }
                    Err(error) => {
                        trouble.report(&error);
                        told = None;
                    }
                }
                self.remove_forgotten().await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn renew(&self, report: &ReplicaReport) -> Result<(), super::ClusterError> {
        let name = &self.installation.replica;
        let mut labels = labels();
        labels.insert(REPLICA.to_owned(), "true".to_owned());
        let renewed = Timestamp::from_second(now()).unwrap_or_default();
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "labels": labels, "annotations": report.annotations() },
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": LEASE.as_secs(),
                "renewTime": format!("{renewed:.6}"),
            },
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        within(
            format!("renew the Lease {name}"),
            self.api.patch(name, &params, &Patch::Apply(lease)),
        )
        .await
        .map(drop)
    }

    async fn remove_forgotten(&self) {
        let Some(remembered) = self.living(FORGOTTEN) else {
            return;
        };
        let all: Vec<String> = match self.seen.borrow().as_ref() {
            Some(leases) => leases.keys().cloned().collect(),
            None => return,
        };
        for name in all {
            if remembered.iter().any(|lease| lease.name_any() == name) {
                continue;
            }
            // Whoever comes second finds nothing, and a failure is tried again with the next renewal.
            let removed = within("remove a Lease", self.api.delete(&name, &DeleteParams::default())).await;
            if removed.is_ok() {
                tracing::info!(replica = name, "removed the Lease of a replica that is gone");
            }
        }
    }

    /// Gives up the Lease: nobody needs to wait for this replica any more.
    pub(super) async fn release(&self) {
        let name = &self.installation.replica;
        let _ = within("give up the Lease", self.api.delete(name, &DeleteParams::default())).await;
    }
}
