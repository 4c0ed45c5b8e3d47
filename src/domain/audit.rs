//! Audit: which stored Runs carry another Run's state, and which violate the policies.
//!
//! A Run is found only where what is stored proves it. Where the proof is missing, as in a dump without managedFields, it is not.

mod children;
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
use super::reset::DASHBOARD_RERUN_OF;
use super::schema::quoted;
use super::violation::Author;
use super::words::{Place, RunKind};

use children::{Children, Unresolved};
use identity::PIPELINE_RUN_UID;
use stored::{Standing, StoredRun};

pub use remedy::commands;

/// What proves that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It names the UID of another Run.
    ForeignUid,
    /// It names another namespace.
    ForeignNamespace,
    /// None of the integration's programs wrote it.
    UndeclaredWriter,
    /// The Run is a copy, and this came along.
    Copied,
    /// No controller wrote the reference to its owner, or its label names another one.
    OwnerReference,
    /// The status is that of another Run.
    ForeignStatus,
    /// The status names a child of another Run.
    ForeignChild,
    /// It violates the policies.
    Violation,
}

impl Reason {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::ForeignUid,
        Self::ForeignNamespace,
        Self::UndeclaredWriter,
        Self::Copied,
        Self::OwnerReference,
        Self::ForeignStatus,
        Self::ForeignChild,
        Self::Violation,
    ];

    /// The word in output.
    pub fn word(self) -> &'static str {
        match self {
            Self::ForeignUid => "ForeignUid",
            Self::ForeignNamespace => "ForeignNamespace",
            Self::UndeclaredWriter => "UndeclaredWriter",
            Self::Copied => "Copied",
            Self::OwnerReference => "OwnerReference",
            Self::ForeignStatus => "ForeignStatus",
            Self::ForeignChild => "ForeignChild",
            Self::Violation => "Violation",
        }
    }
}

/// Something that is wrong with a Run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where.
    pub field: FieldPath,
    /// What proves it.
    pub reason: Reason,
    /// Whose key or rule it is.
    pub author: Author,
    /// What was expected and what was found; one line, no full stop.
    pub message: String,
    /// The likely fix of a value.
    pub suggestion: Option<String>,
    /// Who wrote the field, as managedFields tell; empty where nobody can tell.
    pub written_by: Vec<String>,
    /// The element of a list that should go.
    element: Option<ListElement>,
}

/// An element of a list, and how a patch makes sure that it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ListElement {
    /// JSON Pointer of the element.
    pointer: String,
    /// What of it is compared, as the rest of the pointer.
    test: String,
    /// With what.
    value: String,
}

impl Finding {
    fn new(field: FieldPath, reason: Reason, author: Author, message: String) -> Self {
        Self {
            field,
            reason,
            author,
            message,
            suggestion: None,
            written_by: Vec::new(),
            element: None,
        }
    }

    /// What to do about it, in a sentence.
    pub fn advice(&self) -> &'static str {
        match (self.reason, &self.element) {
            (Reason::ForeignUid | Reason::ForeignNamespace, _) => {
                "remove it, and its integration takes this Run for itself; what was written under the other name stays there"
            }
            (Reason::UndeclaredWriter, _) => {
                "remove it, and its integration writes its own; if that was the integration under another name, add the name to fieldManagers of the key"
            }
            (Reason::Copied, _) => "remove it: it says where the other Run belongs",
            (Reason::OwnerReference, Some(_)) => {
                "remove it, or this Run is deleted with that owner and taken for its child"
            }
            (Reason::OwnerReference, None) => {
                "see which PipelineRun created it: one that finds its child by neither label nor owner waits for ever"
            }
            (Reason::ForeignStatus, _) => {
                "the status belongs to its controllers: delete the Run and create it again without one"
            }
            (Reason::ForeignChild, _) => {
                "its outcome is that of another Run: see who created that one, and run this one again"
            }
            (Reason::Violation, _) => "make it what the policies ask for; runstamp keys KEY says what a key takes",
        }
    }

    fn written_by(mut self, managers: &[&str]) -> Self {
        self.written_by = managers.iter().map(|manager| (*manager).to_owned()).collect();
        self
    }
}

/// Which Run is spoken of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunIdentity {
    /// Its kind.
    pub kind: RunKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; empty where it was never stored.
    pub uid: String,
}

/// A Run with which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub run: RunIdentity,
    /// What is wrong, sorted by field; at least one.
    pub findings: Vec<Finding>,
    /// Commands that take from it what is another Run's.
    pub commands: Vec<String>,
}

/// How many Runs were looked at, and what could not be judged of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs looked at, by kind, in the order of [`RunKind::WORDS`].
    pub runs: [usize; 3],
    /// Runs found, likewise.
    pub found: [usize; 3],
    /// Copies of a backup or another cluster, which are meant to be another Run again.
    pub mirrors: usize,
    /// Runs with state but without managedFields: who wrote it cannot be told.
    pub without_managed_fields: usize,
    /// Runs without a UID, which were never stored: whose their state is cannot be told.
    pub never_stored: usize,
}

impl Tally {
    /// The position of a kind.
    pub fn position(kind: RunKind) -> usize {
        match kind {
            RunKind::PipelineRun => 0,
            RunKind::TaskRun => 1,
            RunKind::CustomRun => 2,
        }
    }

    /// All Runs looked at.
    pub fn all(&self) -> usize {
        self.runs.iter().sum()
    }

    /// All Runs found.
    pub fn all_found(&self) -> usize {
        self.found.iter().sum()
    }

    fn count(&mut self, counts: fn(&mut Self) -> &mut [usize; 3], kind: RunKind) {
        if let Some(count) = counts(self).get_mut(Self::position(kind)) {
            *count += 1;
        }
    }
}

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
                let is_rerun = stored.run.metadata.labels().get(DASHBOARD_RERUN_OF).is_some();
                if standing == Standing::Root && (is_rerun || !findings.is_empty()) {
                    state::judge_copied(stored, is_rerun, self.set, &mut findings);
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
