//! Audit: which stored Runs carry another Run's state, and which violate the policies.
//!
//! A Run is found only where what is stored proves it. Where the proof is missing, as in a dump without managedFields, it is not.

mod children;
mod copied;
mod finding;
mod identity;
mod ownership;
mod remedy;
mod state;
mod status;
mod stored;

use super::cause::Cause;
use super::evaluate;
use super::field_path::FieldPath;
use super::policy_set::PolicySet;
use super::request::{ObjectText, Operation, Options, Request, User};
use super::schema::quoted;
use super::violation::Author;
use super::words::{Place, RunKind};

use children::{Children, Unresolved};
use finding::ListElement;
use identity::PIPELINE_RUN_UID;
use remedy::commands;
use stored::{Standing, StoredRun};

pub use finding::{Finding, Found, Reason, RunIdentity, Tally};

/// Looks at one Run after the other and keeps of each only whose child it is.
#[derive(Debug)]
pub struct Auditor<'s> {
    set: &'s PolicySet,
    children: Children,
    /// PipelineRuns that name children which have not been seen yet.
    waiting: Vec<(RunIdentity, Vec<Finding>, Vec<Unresolved>)>,
    tally: Tally,
}

impl<'s> Auditor<'s> {
    /// Judges by these policies.
    pub fn new(set: &'s PolicySet) -> Self {
        Self {
            set,
            children: Children::default(),
            waiting: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// How many Runs were looked at so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Looks at one Run, given as its JSON. What is wrong with a PipelineRun may only be told at the end: whether its children
    /// are its own is known when these have been looked at.
    ///
    /// # Errors
    /// When the JSON is no Run.
    pub fn look(&mut self, kind: RunKind, text: &str) -> Result<Option<Found>, serde_json::Error> {
        let stored = StoredRun::read(kind, text)?;
        self.tally.count(|tally| &mut tally.runs, kind);
        let standing = stored.standing(self.set);
        self.children.enter(&stored);
        let mut findings = self.judge(&stored, standing);
        let run = RunIdentity {
            kind,
            namespace: stored.namespace().to_owned(),
            name: stored.name().to_owned(),
            uid: stored.uid.to_string(),
        };
        let unresolved = if standing == Standing::Mirror || !stored.is_run_here {
            Vec::new()
        } else {
            self.children.judge(&stored, &mut findings)
        };
        if unresolved.is_empty() {
            return Ok(self.found(run, findings));
        }
        self.waiting.push((run, findings, unresolved));
        Ok(None)
    }

    /// What is left to tell when every Run has been looked at.
    pub fn finish(mut self) -> (Vec<Found>, Tally) {
        let mut found = Vec::new();
        for (run, mut findings, unresolved) in std::mem::take(&mut self.waiting) {
            self.children.judge_late(&run, &unresolved, &mut findings);
            found.extend(self.found(run, findings));
        }
        (found, self.tally)
    }

    fn found(&mut self, run: RunIdentity, mut findings: Vec<Finding>) -> Option<Found> {
        if findings.is_empty() {
            return None;
        }
        self.tally.count(|tally| &mut tally.found, run.kind);
        findings.sort();
        findings.dedup();
        let commands = commands(&run, &findings);
        Some(Found {
            run,
            findings,
            commands,
        })
    }

    fn judge(&mut self, stored: &StoredRun<'_>, standing: Standing) -> Vec<Finding> {
        let mut findings = Vec::new();
        match standing {
            Standing::Mirror => self.tally.mirrors += 1,
            _ if stored.uid.is_empty() => self.tally.never_stored += 1,
            _ => {
                judge_owner(stored, self.set, &mut findings);
                let keys = state::judge(stored, standing, self.set, &mut findings);
                if keys.has_state && !stored.ownership.is_known() {
                    self.tally.without_managed_fields += 1;
                }
                status::judge(stored, &mut findings);
                if standing == Standing::Root {
                    copied::judge(stored, self.set, &mut findings);
                }
            }
        }
        self.judge_policies(stored, standing, &mut findings);
        findings
    }

    /// Judges what stands on the Run as `/validate` does. A Child is never refused, and a Mirror is not touched; but state that its
    /// readers cannot read harms them all.
    fn judge_policies(&self, stored: &StoredRun<'_>, standing: Standing, findings: &mut Vec<Finding>) {
        if standing != Standing::Root {
            findings.extend(state::malformed(stored, self.set));
            return;
        }
        let Ok(copy) = serde_json::from_str(stored.text) else {
            return;
        };
        let request = Request {
            operation: Operation::Create,
            kind: stored.kind,
            namespace: stored.namespace().into(),
            // Nobody knows any more who created it.
            user: User::default(),
            object: Some(copy),
            old_object: None,
            object_text: ObjectText {
                text: stored.text,
                locate: |text| serde_json::from_str(text).ok(),
            },
        };
        let decision = evaluate::validate(&request, self.set, None, Options::default());
        findings.extend(decision.causes().map(|violation| {
            let Cause {
                field,
                message,
                suggestion,
                ..
            } = violation.cause.clone();
            let mut finding = Finding::new(field, Reason::Violation, violation.author.clone(), message);
            finding.suggestion = suggestion;
            finding
        }));
    }
}

/// Judges by whom a Run is said to be owned.
fn judge_owner(stored: &StoredRun<'_>, set: &PolicySet, findings: &mut Vec<Finding>) {
    if let Some((position, managers)) = stored.forged_owner(set) {
        let field = FieldPath::root()
            .field("metadata")
            .field("ownerReferences")
            .index(position);
        let writers = set.registry.state(Place::Label, PIPELINE_RUN_UID);
        let writers = writers.map(|label| label.field_managers.as_slice()).unwrap_or_default();
        let message = format!(
            "was copied or forged: expected it to be written by {}, found {}",
            state::either(writers),
            state::all(&managers)
        );
        let mut finding = Finding::new(field, Reason::OwnerReference, Author::Runstamp, message).written_by(&managers);
        finding.element = stored.owner().map(|(_, owner)| ListElement {
            pointer: format!("/metadata/ownerReferences/{position}"),
            test: "/uid".to_owned(),
            value: owner.uid.to_string(),
        });
        findings.push(finding);
        return;
    }
    let label = stored.run.metadata.labels().get(PIPELINE_RUN_UID);
    let owner = stored.owner().filter(|(_, owner)| owner.kind.0 == "PipelineRun");
    if let (Some(uid), Some((_, owner)), Some(state)) =
        (label, owner, set.registry.state(Place::Label, PIPELINE_RUN_UID))
        && *uid != *owner.uid
    {
        let message = format!(
            "names another PipelineRun than the owner does: expected {}, found {}",
            quoted(&owner.uid),
            quoted(uid)
        );
        let managers = stored.ownership.of_key(Place::Label, PIPELINE_RUN_UID);
        let finding = Finding::new(
            FieldPath::label(PIPELINE_RUN_UID),
            Reason::OwnerReference,
            state.author(),
            message,
        );
        findings.push(finding.written_by(&managers));
    }
}
