//! Causes: what is wrong with a Run, one mistake each, in the shape of Kubernetes' `StatusCause`.

use super::field_path::FieldPath;

/// The kinds of mistake; each equals a cause type of the Kubernetes API.
///
/// Source: `k8s.io/apimachinery/pkg/util/validation/field`, `ErrorType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// The value does not have the right shape.
    Invalid,
    /// A value that must be there is not.
    Required,
    /// The value is none of a closed list.
    NotSupported,
    /// The field may not be set, by anyone or by this user.
    Forbidden,
    /// The value is longer than the limit.
    TooLong,
    /// The value is there twice.
    Duplicate,
}

impl CauseKind {
    /// The word of the Kubernetes API.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::Duplicate => "FieldValueDuplicate",
        }
    }
}

/// One mistake in a Run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// Where.
    pub field: FieldPath,
    /// Which kind of mistake.
    pub kind: CauseKind,
    /// What was expected and what was found; one line, no full stop, no control characters, no backticks.
    pub message: String,
    /// The likely fix, where one is near: a value or a key, ready to be pasted.
    pub suggestion: Option<String>,
}
