//! Whether an installation is as it should be: what was gathered of it, judged without a cluster or a clock.

mod compare;
mod expected;
mod platform;
mod replicas;
mod text;
mod webhooks;

use serde::Serialize;
use serde_json::Value;

use crate::server::time;

pub use expected::{Expected, expect};
pub use platform::{Platform, PlatformReport};
pub use replicas::{Convergence, ReplicaReport};
pub use text::render;
pub use webhooks::{Difference, DifferenceKind, WebhookReport};

/// What was gathered of an installation.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The present moment by the clock of the API server, in seconds since 1970.
    pub now: i64,
    /// What every replica says about itself.
    pub replicas: Vec<Replica>,
    /// How many there should be.
    pub wanted: Wanted,
    /// The mutating and the validating webhook configuration, as far as they are there.
    pub configurations: Vec<Value>,
    /// The API server and Tekton.
    pub platform: Platform,
}

/// What a replica says about itself, in its Lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// When it last said something, by the clock of the API server where that is known.
    pub renewed_at: Option<i64>,
    /// For how long that holds.
    pub lease_seconds: i64,
    /// Since when requests are welcome; none while they are not.
    pub ready_since: Option<i64>,
    /// What must be there first.
    pub missing: Option<String>,
    /// What is wrong although requests are welcome.
    pub troubles: Option<String>,
    /// Whether it is about to end.
    pub is_draining: bool,
    /// Digest of the policy set that decides.
    pub policy_set: Option<String>,
    /// When that set was loaded.
    pub policies_loaded_at: Option<i64>,
    /// Where it was found.
    pub policies_from: Option<String>,
    /// Why the policies as they are now do not decide.
    pub policies_error: Option<String>,
    /// Why the set would not outlive the process.
    pub not_kept: Option<String>,
    /// Fingerprint of the certificate that it shows.
    pub certificate: Option<String>,
    /// When that expires.
    pub certificate_expires_at: Option<i64>,
    /// Version of the program.
    pub version: Option<String>,
}

/// How many replicas there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// As the Deployment says.
    Replicas(u32),
    /// There is no Deployment of that name.
    #[default]
    NoDeployment,
    /// The Deployment may not be read.
    Forbidden,
}

/// Which installation is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its namespace.
    pub namespace: String,
    /// The name of its webhook configurations.
    pub configuration: String,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What it is about: `replicas`, `policies`, `webhooks`, `platform`.
    pub about: &'static str,
    /// What was expected and found.
    pub message: String,
    /// The single places, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    fn new(about: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            about,
            message: message.into(),
            places: Vec::new(),
            remedy: remedy.into(),
        }
    }
}

/// The state of an installation: the contract of `status -o json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    api_version: &'static str,
    kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// When this was so, by the clock of the API server.
    pub as_of: Option<String>,
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// What all replicas agree on.
    pub convergence: Convergence,
    /// What each of them says.
    pub replicas: Vec<ReplicaReport>,
    /// How the webhook configurations compare with what this version would install.
    pub webhook_configurations: WebhookReport,
    /// By which policies that was judged.
    pub policies: Expected,
    /// What the installation stands on.
    pub platform: PlatformReport,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
}

/// What is found while an installation is judged.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    notes: Vec<String>,
}

/// Judges what was gathered. `installed` holds the webhook configurations that this version would install.
pub fn judge(question: &Question, facts: &Facts, expected: Expected, installed: &[Value]) -> Status {
    let mut findings = Findings::default();
    let (convergence, replicas) = replicas::judge(question, facts, &expected, &mut findings);
    let is_said = findings.problems.iter().any(|problem| problem.about == "policies");
    expected::judge(&expected, is_said, &mut findings);
    let webhook_configurations = webhooks::judge(question, &facts.configurations, installed, &mut findings);
    platform::judge(&facts.platform, &mut findings);
    Status {
        api_version: "runstamp.dev/v1alpha1",
        kind: "InstallationStatus",
        namespace: question.namespace.clone(),
        as_of: time(facts.now),
        healthy: findings.problems.is_empty(),
        convergence,
        replicas,
        webhook_configurations,
        policies: expected,
        platform: platform::report(&facts.platform),
        problems: findings.problems,
        notes: findings.notes,
    }
}

#[cfg(test)]
mod tests;
