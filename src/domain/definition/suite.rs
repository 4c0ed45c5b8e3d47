//! Suites as written: tests beside the policies.

use super::{Mapping, Text};
use crate::domain::decision::Lineage;
use crate::domain::source::{Located, Span};

/// A document of kind Suite: tests beside the policies.
#[derive(Debug, Clone, PartialEq)]
pub struct SuiteDefinition {
    /// `metadata.name`.
    pub name: Text,
    /// Policy files and folders, relative to the suite's file.
    pub policies: Vec<Text>,
    /// The cases.
    pub cases: Vec<CaseDefinition>,
}

/// The Run of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum RunDefinition {
    /// A file, relative to the suite's.
    File(Text),
    /// Written in the suite.
    Inline(Located<serde_json::Value>),
}

/// What a case puts through the policies.
#[derive(Debug, Clone, PartialEq)]
pub enum SubjectDefinition {
    /// A Run is created.
    Create(RunDefinition),
    /// A Run is changed.
    Update {
        /// The Run afterwards.
        run: RunDefinition,
        /// The Run as it was.
        old: RunDefinition,
    },
    /// A recorded AdmissionReview: a file, relative to the suite's.
    Recorded(Text),
}

/// One case of a Suite.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseDefinition {
    /// What the case shows.
    pub name: Text,
    /// The Run, and what is done with it.
    pub subject: SubjectDefinition,
    /// Who does it; with a recorded review, instead of who did.
    pub user: Option<Text>,
    /// The groups of who does it.
    pub groups: Vec<Text>,
    /// Where.
    pub namespace: Option<Text>,
    /// The labels of the namespace; without any, they are not known.
    pub namespace_labels: Mapping<Text>,
    /// What must come out.
    pub expect: ExpectDefinition,
}

/// What must come out of a case; what is not written is not checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExpectDefinition {
    /// The verdict.
    pub allowed: Option<Located<bool>>,
    /// Annotations and their values afterwards.
    pub annotations: Mapping<Text>,
    /// Labels and their values afterwards.
    pub labels: Mapping<Text>,
    /// Globs of keys and finalizers that must not be there afterwards.
    pub absent: Vec<Text>,
    /// Who stands behind the Run.
    pub lineage: Option<Located<Lineage>>,
    /// Whether the Run is a copy.
    pub copied: Option<Located<bool>>,
    /// Globs of the keys and fields that are removed: all of them, and each of the globs stands for one at least.
    pub removed: Option<Located<Vec<Text>>>,
    /// Facts of the trigger and their values; an empty value is that of a fact that must not be known.
    pub facts: Mapping<Text>,
    /// Globs of the keys that are injected, likewise.
    pub injected: Option<Located<Vec<Text>>>,
    /// Globs of key, policy and reason of what policies leave out, likewise.
    pub skipped: Option<Located<Vec<ExpectedSkip>>>,
    /// Globs of the warnings, likewise.
    pub warnings: Option<Located<Vec<Text>>>,
    /// Globs of field and message of the causes, likewise.
    pub causes: Option<Located<Vec<ExpectedCause>>>,
    /// A file with the whole decision, within the suite's folder.
    pub decision: Option<Text>,
}

/// Something that a policy must leave out.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedSkip {
    /// Where it is written.
    pub span: Span,
    /// Glob of the key.
    pub key: Option<Text>,
    /// Glob of the policy's name.
    pub policy: Option<Text>,
    /// Glob of the reason.
    pub reason: Option<Text>,
}

/// A cause that must come out.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedCause {
    /// Where it is written.
    pub span: Span,
    /// Glob of the field.
    pub field: Option<Text>,
    /// Glob of the message.
    pub message: Option<Text>,
}
