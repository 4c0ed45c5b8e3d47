//! What an audit finds.

use crate::domain::field_path::FieldPath;
use crate::domain::violation::Author;
use crate::domain::words::RunKind;

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
    pub(super) element: Option<ListElement>,
}

/// An element of a list, and how a patch makes sure that it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListElement {
    /// JSON Pointer of the element.
    pub(super) pointer: String,
    /// What of it is compared, as the rest of the pointer.
    pub(super) test: String,
    /// With what.
    pub(super) value: String,
}

impl Finding {
    pub(super) fn new(field: FieldPath, reason: Reason, author: Author, message: String) -> Self {
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
            (Reason::Copied, _) => "remove it, and the integration finds this Run a place of its own",
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

    pub(super) fn written_by(mut self, managers: &[&str]) -> Self {
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

    pub(super) fn count(&mut self, counts: fn(&mut Self) -> &mut [usize; 3], kind: RunKind) {
        if let Some(count) = counts(self).get_mut(Self::position(kind)) {
            *count += 1;
        }
    }
}
