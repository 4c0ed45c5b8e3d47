//! The decision about one request, as data: what was removed, injected, left out, refused, and why.

use std::sync::Arc;

use super::field_path::FieldPath;
use super::patch::Patch;
use super::trace::Trace;
use super::words::{FactName, Place, Reaction};

pub use super::violation::{Author, Violation};

/// Who stands behind the creation of a Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lineage {
    /// A person or a trigger: everything that is not one of the others.
    Root,
    /// A pipelines controller, on behalf of a PipelineRun.
    Child,
    /// An exempt user, who re-creates Runs as they are.
    Mirror,
}

impl Lineage {
    /// The word in decisions, metrics and audit annotations.
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "Root",
            Self::Child => "Child",
            Self::Mirror => "Mirror",
        }
    }
}

/// Why something was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemovalReason {
    /// State of an integration.
    State,
    /// A grouping key of the Run that this one was copied from.
    OnCopy,
    /// Injected into the Run that this one was copied from, and derived again.
    Provenance,
    /// A status that came with the Run.
    Status,
    /// A finalizer of an integration.
    Finalizer,
    /// A controller reference of the Run that this one was copied from.
    OwnerReference,
}

impl RemovalReason {
    /// The word in decisions.
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "State",
            Self::OnCopy => "OnCopy",
            Self::Provenance => "Provenance",
            Self::Status => "Status",
            Self::Finalizer => "Finalizer",
            Self::OwnerReference => "OwnerReference",
        }
    }
}

/// Something taken from the Run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Where it stood.
    pub field: FieldPath,
    /// Why it went.
    pub reason: RemovalReason,
    /// Whose it was.
    pub author: Author,
}

/// A value that a policy put into the Run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// Annotation or label.
    pub place: Place,
    /// Its key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Name of the policy.
    pub policy: Arc<str>,
    /// Position of the policy in the policy set.
    pub policy_index: usize,
}

/// A value that a policy would have put into the Run, and why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it would stand.
    pub field: FieldPath,
    /// Name of the policy.
    pub policy: Arc<str>,
    /// One sentence.
    pub reason: String,
}

/// A fact of the trigger context, for those who ask where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactReport {
    /// The fact.
    pub fact: FactName,
    /// Its value.
    pub value: String,
    /// Name of the source.
    pub source: Arc<str>,
    /// The field it came from: `spec.params[revision]`, or `url` where it was derived from that fact.
    pub from: String,
    /// Whether the word of whoever created the Run is trusted by the source.
    pub trusted: bool,
}

/// What a shadow policy would have done with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowOutcome {
    /// Name of the policy.
    pub policy: Arc<str>,
    /// Position of the policy in the policy set.
    pub policy_index: usize,
    /// Where.
    pub field: FieldPath,
    /// `Inject`, `Overwrite`, `Equal`, `Skip`, `Violation`, `Warning` or `Audited`: label values of a metric.
    pub outcome: &'static str,
    /// The value that it would have put in, why it would not, or what it would have found fault with.
    pub detail: Option<String>,
}

impl ShadowOutcome {
    /// Whether the Run would have been another, refused, or admitted with a warning.
    pub fn is_change(&self) -> bool {
        matches!(self.outcome, "Inject" | "Overwrite" | "Violation" | "Warning")
    }

    /// Whether the detail is a value that the policy would have put in.
    pub fn is_put(&self) -> bool {
        matches!(self.outcome, "Inject" | "Overwrite")
    }

    /// Whether the detail is what is wrong with the Run.
    pub fn is_fault(&self) -> bool {
        matches!(self.outcome, "Violation" | "Warning" | "Audited")
    }
}

/// A state key that an UPDATE adds, changes or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateUpdate {
    /// Which field.
    pub field: FieldPath,
    /// Name of the integration that owns the key.
    pub integration: Arc<str>,
    /// Whether the user is one of its declared writers.
    pub by_writer: bool,
}

/// The verdict about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass, with the patch if there is one.
    Allowed,
    /// Refused: HTTP 422, reason `Invalid`, the violations that deny as causes.
    Refused,
    /// The object cannot be read: HTTP 400 with this sentence.
    Unreadable(String),
}

/// Everything that was decided about one request.
#[derive(Debug)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// `None` where nothing was judged, as on DELETE or an unknown kind.
    pub lineage: Option<Lineage>,
    /// Set where the request could not be judged and was allowed all the same: why.
    pub unjudged: Option<&'static str>,
    /// What tells that the Run is a copy; empty: it is none.
    pub copy_evidence: Vec<FieldPath>,
    /// What was taken away.
    pub removed: Vec<Removed>,
    /// The trigger context; only where it was asked for, as by `review`.
    pub facts: Vec<FactReport>,
    /// What was put in.
    pub injected: Vec<Injected>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// What breaks a rule, sorted by field.
    pub violations: Vec<Violation>,
    /// Sentences for the client besides those of the violations; not yet cut to the API server's limits.
    pub notices: Vec<String>,
    /// State keys that an UPDATE touched.
    pub state_updates: Vec<StateUpdate>,
    /// What shadow policies would have done.
    pub shadow: Vec<ShadowOutcome>,
    /// How to change the object; empty means not at all.
    pub patch: Patch,
    /// Why and why not; only where it was asked for.
    pub trace: Option<Trace>,
}

impl Decision {
    /// A decision that changes nothing and refuses nothing.
    pub fn untouched(lineage: Option<Lineage>) -> Self {
        Self {
            verdict: Verdict::Allowed,
            lineage,
            unjudged: None,
            copy_evidence: Vec::new(),
            removed: Vec::new(),
            facts: Vec::new(),
            injected: Vec::new(),
            skipped: Vec::new(),
            violations: Vec::new(),
            notices: Vec::new(),
            state_updates: Vec::new(),
            shadow: Vec::new(),
            patch: Patch::default(),
            trace: None,
        }
    }

    /// Whether the request may pass.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }

    /// Whether the Run is a copy of another.
    pub fn is_copy(&self) -> bool {
        !self.copy_evidence.is_empty()
    }

    /// The violations that refuse the Run.
    pub fn causes(&self) -> impl Iterator<Item = &Violation> {
        self.violations
            .iter()
            .filter(|violation| violation.reaction == Reaction::Deny)
    }
}
