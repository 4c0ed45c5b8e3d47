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
use crate::status::Replica;

/// The label of the Leases.
pub(super) const REPLICA: &str = "runstamp.dev/replica";

/// The annotation that names what is shown.
const CERTIFICATE: &str = "runstamp.dev/certificate";

/// The other annotations.
const CERTIFICATE_EXPIRES_AT: &str = "runstamp.dev/certificate-expires-at";
const POLICY_SET: &str = "runstamp.dev/policy-set";
const POLICIES_LOADED_AT: &str = "runstamp.dev/policies-loaded-at";
const POLICIES_FROM: &str = "runstamp.dev/policies-from";
const POLICIES_ERROR: &str = "runstamp.dev/policies-error";
const NOT_KEPT: &str = "runstamp.dev/policies-not-kept";
const READY_SINCE: &str = "runstamp.dev/ready-since";
const MISSING: &str = "runstamp.dev/missing";
const TROUBLES: &str = "runstamp.dev/troubles";
const DRAINING: &str = "runstamp.dev/draining";
const VERSION: &str = "runstamp.dev/version";

/// How long a Lease says that its replica lives.
const LEASE: Duration = Duration::from_secs(30);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// How often a replica looks at itself.
const LOOK: Duration = Duration::from_millis(500);

/// When a Lease that nobody renews is removed, so that none is left of replicas long gone.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// How far the clocks of several API servers may be apart before a replica is taken for dead that is not.
const SKEW: Duration = Duration::from_secs(30);

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
    /// Where that set was found: the word of `/readyz`.
    pub policies_from: &'static str,
    /// Why the policies as they are now do not decide.
    pub stale: Option<String>,
    /// Why the set that decides would not outlive the process.
    pub not_kept: Option<String>,
    /// What must be there before requests are welcome.
    pub missing: Vec<String>,
    /// What is wrong although requests are welcome.
    pub troubles: Vec<String>,
    /// Whether the process is about to end.
    pub draining: bool,
}

/// Longest text in an annotation: mistakes in policies can be many.
const MOST_TEXT_BYTES: usize = 1024;

/// Longest life of a replica that does not renew its Lease, whatever the Lease says, in seconds.
const LONGEST_LEASE: i64 = 60 * 60;

impl ReplicaReport {
    /// Whether requests are welcome.
    fn is_ready(&self) -> bool {
        self.missing.is_empty() && !self.draining
    }

    /// As annotations of the Lease, with the moment since which it is ready.
    fn annotations(&self, ready_since: Option<i64>) -> BTreeMap<&'static str, String> {
        let moment = |seconds: i64| crate::server::time(seconds).unwrap_or_default();
        let short = |text: Option<&str>| {
            let characters = text.unwrap_or_default().chars();
            characters.take(MOST_TEXT_BYTES / 4).collect::<String>()
        };
        BTreeMap::from([
            (CERTIFICATE, self.certificate.clone()),
            (
                CERTIFICATE_EXPIRES_AT,
                self.certificate_expiry.map(moment).unwrap_or_default(),
            ),
            (POLICY_SET, self.policy_set.clone()),
            (POLICIES_LOADED_AT, moment(self.policies_loaded_at)),
            (POLICIES_FROM, self.policies_from.to_owned()),
            (POLICIES_ERROR, short(self.stale.as_deref())),
            (NOT_KEPT, short(self.not_kept.as_deref())),
            (READY_SINCE, ready_since.map(moment).unwrap_or_default()),
            (MISSING, self.missing.join(",")),
            (TROUBLES, short(Some(&self.troubles.join("; ")))),
            (DRAINING, self.draining.to_string()),
            (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        ])
    }
}

/// What a Lease says about its replica. Whatever stands there is taken as text; what is no moment is none.
pub(super) fn read(lease: &Lease) -> Replica {
    let text = |annotation: &str| {
        lease
            .annotations()
            .get(annotation)
            .filter(|text| !text.is_empty())
            .cloned()
    };
    let moment = |annotation: &str| {
        let time = text(annotation)?.parse::<Timestamp>().ok()?;
        Some(time.as_second())
    };
    let spec = lease.spec.as_ref();
    let stated = || Some(spec?.renew_time.as_ref()?.0.as_second());
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).map(i64::from);
    Replica {
        name: lease.name_any(),
        renewed_at: renewed_at(lease).or_else(stated),
        lease_seconds: seconds.unwrap_or(0).clamp(1, LONGEST_LEASE),
        ready_since: moment(READY_SINCE),
        missing: text(MISSING),
        troubles: text(TROUBLES),
        is_draining: text(DRAINING).is_some_and(|text| text == "true"),
        policy_set: text(POLICY_SET),
        policies_loaded_at: moment(POLICIES_LOADED_AT),
        policies_from: text(POLICIES_FROM),
        policies_error: text(POLICIES_ERROR),
        not_kept: text(NOT_KEPT),
        certificate: text(CERTIFICATE),
        certificate_expires_at: moment(CERTIFICATE_EXPIRES_AT),
        version: text(VERSION),
    }
}

/// When the replica last renewed its Lease, by the clock of the API server: that is when it last changed what it owns.
/// Not known where somebody has removed the record of owners.
///
/// `renewTime` is written by the clock of the replica's node, which may be anything.
fn renewed_at(lease: &Lease) -> Option<i64> {
    let owners = lease.metadata.managed_fields.as_ref()?.iter();
    let ours = owners
        .filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply"));
    ours.filter_map(|entry| Some(entry.time.as_ref()?.0.as_second())).max()
}

/// What is known of all replicas.
#[derive(Debug, Clone)]
pub(super) struct Replicas {
    seen: watch::Receiver<Objects<Lease>>,
    api: Api<Lease>,
    installation: Arc<Installation>,
    /// By name. Clocks of nodes differ, so the moments that replicas state are not looked at.
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

    /// The Leases that were renewed within `limit`, and those of which nobody can know yet.
    fn living(&self, limit: Duration) -> Option<Vec<Arc<Lease>>> {
        let mut leases: Vec<Arc<Lease>> = self.seen.borrow().as_ref()?.values().map(Arc::clone).collect();
        remove_dead(&mut leases, &self.installation.replica, limit);
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
        let mut ready_since = None;
        loop {
            let current = report();
            ready_since = current.is_ready().then(|| ready_since.unwrap_or_else(now));
            let is_due = told
                .as_ref()
                .is_none_or(|(last, when)| *last != current || when.elapsed() >= RENEWAL);
            if is_due {
                match self.renew(&current, ready_since).await {
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

    async fn renew(&self, report: &ReplicaReport, ready_since: Option<i64>) -> Result<(), super::ClusterError> {
        let name = &self.installation.replica;
        let mut labels = labels();
        labels.insert(REPLICA.to_owned(), "true".to_owned());
        let renewed = Timestamp::from_second(now()).unwrap_or_default();
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "labels": labels, "annotations": report.annotations(ready_since) },
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

/// Takes away the Leases that the API server has not seen renewed for `limit` and more.
///
/// What counts is how much older they are than the Lease of this replica, which is renewed all the time: both moments
/// are the API server's. Where either is unknown the replica may live. So a replica that starts does not wait for those
/// that were dead before it could look.
fn remove_dead(leases: &mut Vec<Arc<Lease>>, own: &str, limit: Duration) {
    let own = leases.iter().find(|lease| lease.name_any() == own);
    let Some(present) = own.and_then(|lease| renewed_at(lease)) else {
        return;
    };
    let patience = i64::try_from((limit + SKEW).as_secs()).unwrap_or(i64::MAX);
    leases.retain(|lease| renewed_at(lease).is_none_or(|moment| present.saturating_sub(moment) < patience));
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};

    use super::*;

    const NOW: i64 = 1_790_000_000;

    /// A Lease that the API server saw renewed at a moment, if it says so.
    fn lease(name: &str, renewed: Option<i64>) -> Arc<Lease> {
        let mut lease = Lease::default();
        lease.metadata.name = Some(name.to_owned());
        let entry = |manager: &str, operation: &str, seconds| ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some(operation.to_owned()),
            time: Some(Time(Timestamp::from_second(seconds).unwrap())),
            ..ManagedFieldsEntry::default()
        };
        lease.metadata.managed_fields = renewed.map(|seconds| {
            // What somebody else writes is no renewal.
            vec![
                entry("runstamp", "Apply", seconds),
                entry("kubectl-edit", "Update", NOW),
            ]
        });
        Arc::new(lease)
    }

    #[test]
    fn those_long_dead_are_known_at_first_sight() {
        #[track_caller]
        fn check(own: Option<i64>, other: Option<i64>, lives: bool) {
            let mut leases = vec![lease("own", own), lease("other", other)];
            remove_dead(&mut leases, "own", LEASE);
            assert_eq!(leases.len() == 2, lives, "{own:?} {other:?}");
        }
        let patience = i64::try_from((LEASE + SKEW).as_secs()).unwrap();
        check(Some(NOW), Some(NOW), true);
        check(Some(NOW), Some(NOW - patience + 1), true);
        check(Some(NOW), Some(NOW - patience), false);
        check(Some(NOW), Some(i64::MIN / 1_000_000_000), false);
        // An API server whose clock is ahead, and a replica that has not renewed its own Lease yet.
        check(Some(NOW), Some(NOW + 1000), true);
        check(Some(NOW - 1000), Some(NOW - 500), true);
        // When in doubt, alive.
        check(Some(NOW), None, true);
        check(None, Some(0), true);
        let mut leases = vec![lease("other", Some(0))];
        remove_dead(&mut leases, "own", LEASE);
        assert_eq!(leases.len(), 1, "there is no Lease of this replica yet");
    }

    #[test]
    fn what_a_replica_says_is_what_others_read() {
        let report = ReplicaReport {
            certificate: "sha256:ab".to_owned(),
            certificate_expiry: Some(NOW + 5),
            policy_set: "sha256:cd".to_owned(),
            policies_loaded_at: NOW - 5,
            policies_from: "LastGood",
            stale: Some("x".repeat(5000)),
            not_kept: None,
            missing: vec!["certificate".to_owned(), "policies".to_owned()],
            troubles: vec!["a: b".to_owned()],
            draining: true,
        };
        let mut object = Lease::clone(&lease("one", Some(NOW)));
        let annotations = report.annotations(Some(NOW - 1)).into_iter();
        object.metadata.annotations = Some(annotations.map(|(key, text)| (key.to_owned(), text)).collect());
        let expected = Replica {
            name: "one".to_owned(),
            renewed_at: Some(NOW),
            lease_seconds: 1,
            ready_since: Some(NOW - 1),
            missing: Some("certificate,policies".to_owned()),
            troubles: Some("a: b".to_owned()),
            is_draining: true,
            policy_set: Some("sha256:cd".to_owned()),
            policies_loaded_at: Some(NOW - 5),
            policies_from: Some("LastGood".to_owned()),
            policies_error: Some("x".repeat(MOST_TEXT_BYTES / 4)),
            not_kept: None,
            certificate: Some("sha256:ab".to_owned()),
            certificate_expires_at: Some(NOW + 5),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        assert_eq!(read(&object), expected);
        // Somebody else's Lease, and one without anything.
        let nothing = read(&Lease::default());
        assert_eq!((nothing.renewed_at, nothing.policy_set), (None, None));
    }
}
