//! Violations: a cause, who says so, and what it meets.

use std::sync::Arc;

use super::cause::Cause;
use super::words::Reaction;

/// Something that breaks a rule, and what it meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub cause: Cause,
    /// Who says so.
    pub author: Author,
    /// What it meets; on a Child or where nobody may be refused, less than the rule would have it.
    pub reaction: Reaction,
}

/// Who a removal, a cause or a violation is attributed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Author {
    /// A declared integration: its name, and its position in the policy set.
    Integration(Arc<str>, usize),
    /// A RunPolicy: its name, and its position in the policy set.
    Policy(Arc<str>, usize),
    /// Settings of the policy set.
    Settings,
    /// The rules that hold without any policy.
    Runstamp,
}

impl Author {
    /// `integration github`, `policy github-status`, `settings`; nothing for the rules that hold always.
    pub fn describe(&self) -> Option<String> {
        match self {
            Self::Integration(name, _) => Some(format!("integration {name}")),
            Self::Policy(name, _) => Some(format!("policy {name}")),
            Self::Settings => Some("settings".to_owned()),
            Self::Runstamp => None,
        }
    }

    /// The policy's name where it is one.
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Policy(name, _) => Some(name),
            _ => None,
        }
    }

    /// The integration's name where it is one.
    pub fn integration(&self) -> Option<&str> {
        match self {
            Self::Integration(name, _) => Some(name),
            _ => None,
        }
    }
}
