//! Suites as written: the tests that stand beside policies.

use super::{Mapping, Text};
use crate::domain::source::Located;

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

/// One case of a Suite.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseDefinition {
    /// What the case shows.
    pub name: Text,
    /// The Run.
    pub run: RunDefinition,
    /// Who creates it.
    pub user: Option<Text>,
    /// The groups of who creates it.
    pub groups: Vec<Text>,
    /// Where.
    pub namespace: Option<Text>,
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
    /// Keys and finalizers that must not be there afterwards.
    pub absent: Vec<Text>,
    /// Globs, one a warning.
    pub warnings: Option<Vec<Text>>,
    /// Globs of field and message, one a cause.
    pub causes: Option<Vec<ExpectedCause>>,
}

/// A cause that must come out.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedCause {
    /// Glob of the field.
    pub field: Option<Text>,
    /// Glob of the message.
    pub message: Option<Text>,
}
