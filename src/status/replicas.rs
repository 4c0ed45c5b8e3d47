//! Whether all replicas answer, are ready, and serve the same.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Expected, Facts, Findings, Problem, Question, Replica, Wanted};
use crate::server::time;
use crate::store::PoliciesFrom;

/// How many replicas a sentence names.
const MOST_NAMES: usize = 5;

/// What all replicas that answer agree on; what they differ in is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Convergence {
    /// Whether as many replicas as expected answer, all are ready, and all serve the same as it is now.
    pub converged: bool,
    /// Since when; absent while they are not.
    pub since: Option<String>,
    /// How many there should be; absent where nobody says.
    pub expected_replicas: Option<u32>,
    /// How many answer.
    pub living_replicas: usize,
    /// Digest of the policy set that decides.
    pub policy_set: Option<String>,
    /// Fingerprint of the certificate.
    pub certificate: Option<String>,
    /// When that expires.
    pub certificate_expires_at: Option<String>,
    /// Version of the program.
    pub version: Option<String>,
}

/// What a replica says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaReport {
    /// Its name.
    pub name: String,
    /// Whether it has renewed its Lease in time.
    pub answers: bool,
    /// When it last did.
    pub renewed_at: Option<String>,
    /// Whether requests are welcome.
    pub ready: bool,
    /// Since when.
    pub ready_since: Option<String>,
    /// Whether it is about to end.
    pub draining: bool,
    /// What must be there first.
    pub missing: Option<String>,
    /// What is wrong although requests are welcome.
    pub troubles: Option<String>,
    /// `Current`, or `Stale`: there is a mistake and the last good set decides.
    pub policies: &'static str,
    /// Where that was found.
    pub policies_from: Option<String>,
    /// Its digest.
    pub policy_set: Option<String>,
    /// When it was loaded.
    pub policies_loaded_at: Option<String>,
    /// The mistakes.
    pub policies_error: Option<String>,
    /// Why the set would not outlive the process.
    pub not_kept: Option<String>,
    /// Fingerprint of its certificate.
    pub certificate: Option<String>,
    /// When that expires.
    pub certificate_expires_at: Option<String>,
    /// Version of the program.
    pub version: Option<String>,
}

/// Judges the replicas.
pub(super) fn judge(
    question: &Question,
    facts: &Facts,
    expected: &Expected,
    findings: &mut Findings,
) -> (Convergence, Vec<ReplicaReport>) {
    let (living, dead): (Vec<&Replica>, Vec<&Replica>) =
        facts.replicas.iter().partition(|replica| answers(replica, facts.now));
    let before = findings.problems.len();
    count(question, facts, &living, &dead, findings);
    each(&living, facts.now, findings);
    let policy_set = same(&living, "policy sets", |replica| replica.policy_set.clone(), findings);
    let certificate = same(&living, "certificates", |replica| replica.certificate.clone(), findings);
    let version = same(&living, "versions", |replica| replica.version.clone(), findings);
    let converged = findings.problems.len() == before;
    against_this_program(&living, policy_set.as_ref(), version.as_ref(), expected, findings);
    let moments = living
        .iter()
        .flat_map(|replica| [replica.ready_since, replica.policies_loaded_at]);
    let expiry = certificate
        .as_ref()
        .and_then(|_| living.first()?.certificate_expires_at);
    let convergence = Convergence {
        converged,
        since: moments.flatten().max().filter(|_| converged).and_then(time),
        expected_replicas: match facts.wanted {
            Wanted::Replicas(number) => Some(number),
            Wanted::NoDeployment | Wanted::Forbidden => None,
        },
        living_replicas: living.len(),
        policy_set,
        certificate,
        certificate_expires_at: expiry.and_then(time),
        version,
    };
    let reports = facts.replicas.iter().map(|replica| report(replica, facts.now));
    (convergence, reports.collect())
}

/// Whether the Lease of a replica holds.
fn answers(replica: &Replica, now: i64) -> bool {
    let age = replica.renewed_at.map(|moment| now.saturating_sub(moment));
    age.is_some_and(|age| age <= replica.lease_seconds)
}

/// How many answer, and how many should.
fn count(question: &Question, facts: &Facts, living: &[&Replica], dead: &[&Replica], findings: &mut Findings) {
    let namespace = &question.namespace;
    let found = living.len();
    let last_seen = |replica: &&Replica| {
        let moment = replica.renewed_at.and_then(time).unwrap_or_else(|| "never".to_owned());
        format!("{}: last renewed its Lease at {moment}", replica.name)
    };
    let look = format!("kubectl -n {namespace} get pods, and kubectl -n {namespace} logs deployment/runstamp");
    let shortfall = |wanted: u32| {
        let plural = if wanted == 1 { "" } else { "s" };
        let verb = if found == 1 { "answers" } else { "answer" };
        format!("expected {wanted} replica{plural}, found {found} that {verb}")
    };
    let problem = match facts.wanted {
        _ if facts.replicas.is_empty() => Some(Problem::new(
            "replicas",
            format!("expected replicas that renew a Lease in the namespace {namespace}, found none"),
            format!("name the namespace of the installation with --namespace; if it is this one: {look}"),
        )),
        Wanted::Replicas(wanted) if found < usize::try_from(wanted).unwrap_or(usize::MAX) => {
            Some(Problem::new("replicas", shortfall(wanted), look))
        }
        Wanted::Replicas(wanted) if found > usize::try_from(wanted).unwrap_or(usize::MAX) => Some(Problem::new(
            "replicas",
            shortfall(wanted),
            format!("ask again when the rollout is over: kubectl -n {namespace} rollout status deployment/runstamp"),
        )),
        _ if found == 0 => Some(Problem::new("replicas", "no replica answers", look)),
        _ => None,
    };
    let is_short = problem.is_some();
    findings.problems.extend(problem.map(|problem| Problem {
        places: dead.iter().take(MOST_NAMES).map(last_seen).collect(),
        ..problem
    }));
    if !is_short {
        let gone = dead.iter().take(MOST_NAMES).map(last_seen);
        findings
            .notes
            .extend(gone.map(|text| format!("{text}, and is gone; the Lease is removed ten minutes later")));
    }
    match facts.wanted {
        Wanted::Replicas(_) => {}
        Wanted::NoDeployment => findings.notes.push(format!(
            "how many replicas there should be is not known: there is no Deployment runstamp in the namespace {namespace}"
        )),
        Wanted::Forbidden => findings.notes.push(format!(
            "how many replicas there should be is not known: that needs get for the Deployment runstamp in the namespace {namespace}"
        )),
    }
}

/// What is wrong with single replicas; what is wrong with several in the same way is said once.
fn each(living: &[&Replica], now: i64, findings: &mut Findings) {
    // The about, what is wrong, what to do: by whom.
    let mut wrong: BTreeMap<(&'static str, String, &'static str), Vec<&str>> = BTreeMap::new();
    for replica in living {
        let mut say = |about: &'static str, message: String, remedy: &'static str| {
            wrong.entry((about, message, remedy)).or_default().push(&replica.name);
        };
        if replica.is_draining {
            say(
                "replicas",
                "about to end".to_owned(),
                "ask again when the rollout is over",
            );
        }
        if let Some(missing) = &replica.missing {
            let why = replica.troubles.as_ref().map(|troubles| format!(" ({troubles})"));
            say(
                "replicas",
                format!("not ready, missing: {missing}{}", why.unwrap_or_default()),
                "look at the log of the replica, and at its rights: docs/operations.md",
            );
        } else if let Some(troubles) = &replica.troubles {
            say("replicas", troubles.clone(), "look at the log of the replica");
        }
        if let Some(error) = &replica.policies_error {
            let from = replica.policies_from.as_deref().unwrap_or_default();
            let instead = if from == PoliciesFrom::LastGood.word() {
                "the last good policies decide, as they were kept"
            } else if from == PoliciesFrom::WithoutConfigMaps.word() {
                "no ConfigMap's policies are in force"
            } else {
                "the policies from before a mistake decide"
            };
            let remedy = "mend the policies: runstamp check shows the mistake with its place";
            say("policies", format!("Stale: {instead}: {error}"), remedy);
        }
        if replica.certificate_expires_at.is_some_and(|moment| moment <= now) {
            let remedy = "whoever issues the certificate must renew it; look at the log of the replica";
            say("replicas", "the certificate has expired".to_owned(), remedy);
        }
        if let Some(why) = &replica.not_kept {
            let note = format!("the policies would not outlive a restart on a mistake: {why}");
            if !findings.notes.contains(&note) {
                findings.notes.push(note);
            }
        }
    }
    for ((about, message, remedy), names) in wrong {
        let message = format!("{}: {message}", listed(&names));
        findings.problems.push(Problem::new(about, message, remedy));
    }
}

/// What all replicas have; says who has what where they differ.
fn same(
    living: &[&Replica],
    what: &str,
    of: impl Fn(&Replica) -> Option<String>,
    findings: &mut Findings,
) -> Option<String> {
    let mut all: BTreeMap<Option<String>, Vec<&str>> = BTreeMap::new();
    for replica in living {
        all.entry(of(replica)).or_default().push(&replica.name);
    }
    if all.len() <= 1 {
        return all.into_keys().next().flatten();
    }
    let mut problem = Problem::new(
        "replicas",
        format!("the replicas have {} different {what}", all.len()),
        "ask again in a minute: during a rollout, an edit or a rotation it is so for a moment; later look at their logs",
    );
    problem.places = (all.iter())
        .take(MOST_NAMES)
        .map(|(value, names)| format!("{}: {}", listed(names), value.as_deref().unwrap_or("none")))
        .collect();
    findings.problems.push(problem);
    None
}

/// Whether what all replicas serve is what this program would serve.
fn against_this_program(
    living: &[&Replica],
    policy_set: Option<&String>,
    version: Option<&String>,
    expected: &Expected,
    findings: &mut Findings,
) {
    let own = env!("CARGO_PKG_VERSION");
    if let Some(version) = version.filter(|version| *version != own) {
        findings.problems.push(Problem::new(
            "replicas",
            format!("the replicas have version {version}, this program has {own}: what it would install is not what they need"),
            "ask with the same version, or finish the upgrade",
        ));
        return;
    }
    let is_stale = living.iter().any(|replica| replica.policies_error.is_some());
    let Some(found) = policy_set.filter(|_| version.is_some() && !is_stale && expected.error.is_none()) else {
        return;
    };
    if *found != expected.policy_set {
        findings.problems.push(Problem::new(
            "policies",
            format!("the replicas serve {found}, the ConfigMaps and the flags of this command make {}", expected.policy_set),
            "ask again if there was an edit this moment; give --policies and --no-builtin as the replicas have them in serve; else look at their logs",
        ));
    }
}

/// `replica one`, `replicas one, two and 3 more`.
fn listed(names: &[&str]) -> String {
    let word = if names.len() == 1 { "replica" } else { "replicas" };
    let shown: Vec<&str> = names.iter().take(MOST_NAMES).copied().collect();
    let beyond = names.len().saturating_sub(shown.len());
    let more = if beyond > 0 {
        format!(" and {beyond} more")
    } else {
        String::new()
    };
    format!("{word} {}{more}", shown.join(", "))
}

fn report(replica: &Replica, now: i64) -> ReplicaReport {
    ReplicaReport {
        name: replica.name.clone(),
        answers: answers(replica, now),
        renewed_at: replica.renewed_at.and_then(time),
        ready: answers(replica, now) && replica.ready_since.is_some(),
        ready_since: replica.ready_since.and_then(time),
        draining: replica.is_draining,
        missing: replica.missing.clone(),
        troubles: replica.troubles.clone(),
        policies: if replica.policies_error.is_some() {
            "Stale"
        } else {
            "Current"
        },
        policies_from: replica.policies_from.clone(),
        policy_set: replica.policy_set.clone(),
        policies_loaded_at: replica.policies_loaded_at.and_then(time),
        policies_error: replica.policies_error.clone(),
        not_kept: replica.not_kept.clone(),
        certificate: replica.certificate.clone(),
        certificate_expires_at: replica.certificate_expires_at.and_then(time),
        version: replica.version.clone(),
    }
}
