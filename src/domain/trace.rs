//! The trace: what happened and why, and what did not happen and why not. Built only where somebody asks.

use std::fmt;
use std::sync::Arc;

use super::schema::quoted;

/// One line of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step of the decision that belongs to no policy and no fact.
    Note(String),
    /// A fact was found: its name, source, field and value.
    FactFound {
        /// Name of the fact.
        fact: &'static str,
        /// Name of the source.
        source: Arc<str>,
        /// The field it came from.
        from: String,
        /// Its value.
        value: String,
    },
    /// A candidate for a fact was refused.
    FactRefused {
        /// Name of the fact.
        fact: &'static str,
        /// Name of the source.
        source: Arc<str>,
        /// The field it came from.
        from: String,
        /// What was found and why it will not do.
        reason: String,
    },
    /// A policy is for this Run.
    PolicyMatched {
        /// Name of the policy.
        policy: Arc<str>,
    },
    /// A policy is not for this Run: the first condition that failed, with what was found.
    PolicySkipped {
        /// Name of the policy.
        policy: Arc<str>,
        /// The condition and what was found.
        reason: String,
    },
    /// A policy put a value in.
    KeyInjected {
        /// Name of the policy.
        policy: Arc<str>,
        /// The field.
        field: String,
        /// The value.
        value: String,
    },
    /// A policy left a value out.
    KeySkipped {
        /// Name of the policy.
        policy: Arc<str>,
        /// The field.
        field: String,
        /// Why.
        reason: String,
    },
}

/// What happened, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The lines.
    pub events: Vec<Event>,
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(text) => formatter.write_str(text),
            Self::FactFound {
                fact,
                source,
                from,
                value,
            } => {
                write!(
                    formatter,
                    "trigger.{fact} is {} from {from} (trigger source {source})",
                    quoted(value)
                )
            }
            Self::FactRefused {
                fact,
                source,
                from,
                reason,
            } => {
                write!(
                    formatter,
                    "trigger.{fact} is not {from} (trigger source {source}): {reason}"
                )
            }
            Self::PolicyMatched { policy } => write!(formatter, "policy {policy} is for this Run"),
            Self::PolicySkipped { policy, reason } => {
                write!(formatter, "policy {policy} is not for this Run: {reason}")
            }
            Self::KeyInjected { policy, field, value } => {
                write!(formatter, "policy {policy} sets {field} to {}", quoted(value))
            }
            Self::KeySkipped { policy, field, reason } => {
                write!(formatter, "policy {policy} does not set {field}: {reason}")
            }
        }
    }
}
