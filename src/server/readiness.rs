//! Whether this replica should get requests, and what `/readyz` says about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::store::PolicyStatus;

/// What must be there before requests are welcome, and whether they still are.
#[derive(Debug, Default)]
pub struct Readiness {
    missing: Mutex<BTreeSet<&'static str>>,
    troubles: Mutex<BTreeMap<&'static str, String>>,
    draining: AtomicBool,
}

impl Readiness {
    /// Something that must be there first: `certificate`, `policies`, `namespaces`.
    pub fn set_missing(&self, what: &'static str) {
        self.missing().insert(what);
    }

    /// It is there now, and in order.
    pub fn set_present(&self, what: &'static str) {
        self.missing().remove(what);
        self.troubles().remove(what);
    }

    /// It is not in order. A replica that was ready once stays so: turning requests away would help nobody.
    pub fn set_trouble(&self, what: &'static str, trouble: String) {
        self.troubles().insert(what, trouble);
    }

    /// What must be there first and is not.
    pub fn what_is_missing(&self) -> Vec<&'static str> {
        self.missing().iter().copied().collect()
    }

    /// What is not in order, each as `what: why`.
    pub fn what_is_wrong(&self) -> Vec<String> {
        self.troubles()
            .iter()
            .map(|(what, trouble)| format!("{what}: {trouble}"))
            .collect()
    }

    /// Requests should go elsewhere from now on, and this never ends.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether requests should go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn missing(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        // Nothing can be half done with a set of words.
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of `/readyz`.
    pub(super) fn report(&self, policies: &PolicyStatus, certificate_expiry: Option<i64>) -> ReadinessReport {
        let missing = self.what_is_missing();
        let draining = self.is_draining();
        ReadinessReport {
            ready: missing.is_empty() && !draining,
            draining,
            missing,
            troubles: self.what_is_wrong(),
            policies: if policies.stale.is_some() { "Stale" } else { "Current" },
            policy_set: policies.digest.clone(),
            policies_loaded_at: time(policies.loaded_at),
            error: policies.stale.clone(),
            certificate_expires_at: certificate_expiry.and_then(time),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What `/readyz` says: a contract with scripts and `runstamp status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadinessReport {
    /// Whether requests are welcome.
    pub(super) ready: bool,
    /// Whether the process is about to end.
    draining: bool,
    /// What must be there first.
    missing: Vec<&'static str>,
    /// What is wrong although it may be ready.
    troubles: Vec<String>,
    /// `Current`, or `Stale`: the files hold a mistake and the last good set decides.
    policies: &'static str,
    /// Digest of the set that decides.
    policy_set: String,
    /// When that set was loaded.
    policies_loaded_at: Option<String>,
    /// The mistakes of a stale set.
    error: Option<String>,
    /// When the serving certificate expires.
    certificate_expires_at: Option<String>,
    /// Version of the program.
    version: &'static str,
}

/// A moment as people and programs read it.
pub fn time(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(readiness: &Readiness, stale: Option<&str>, expected: &str) {
        let status = PolicyStatus {
            digest: "sha256:00".to_owned(),
            loaded_at: 1_790_000_000,
            stale: stale.map(str::to_owned),
        };
        let report = readiness.report(&status, Some(1_800_000_000));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(json.replace(env!("CARGO_PKG_VERSION"), "X"), expected);
    }

    #[test]
    fn what_is_missing_keeps_requests_away_and_a_bad_edit_does_not() {
        let readiness = Readiness::default();
        readiness.set_missing("certificate");
        readiness.set_missing("certificate");
        check(
            &readiness,
            None,
            r#"{"ready":false,"draining":false,"missing":["certificate"],"troubles":[],"policies":"Current","policySet":"sha256:00","policiesLoadedAt":"2026-09-21T14:13:20Z","error":null,"certificateExpiresAt":"2027-01-15T08:00:00Z","version":"X"}"#,
        );
        readiness.set_present("certificate");
        readiness.set_trouble("caBundle", "empty".to_owned());
        check(
            &readiness,
            Some("a.yaml:1:1: no kind"),
            r#"{"ready":true,"draining":false,"missing":[],"troubles":["caBundle: empty"],"policies":"Stale","policySet":"sha256:00","policiesLoadedAt":"2026-09-21T14:13:20Z","error":"a.yaml:1:1: no kind","certificateExpiresAt":"2027-01-15T08:00:00Z","version":"X"}"#,
        );
        readiness.set_present("caBundle");
        readiness.start_draining();
        check(
            &readiness,
            None,
            r#"{"ready":false,"draining":true,"missing":[],"troubles":[],"policies":"Current","policySet":"sha256:00","policiesLoadedAt":"2026-09-21T14:13:20Z","error":null,"certificateExpiresAt":"2027-01-15T08:00:00Z","version":"X"}"#,
        );
    }
}
