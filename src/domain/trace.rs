//! The trace: what happened and why, and what did not happen and why not. Built only where somebody asks.

use std::fmt;
use std::sync::Arc;

use super::schema::quoted;

/// Most fields of one trigger source that a line names; params go by many names.
const MAX_FIELDS_SHOWN: usize = 6;

/// One line of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Who stands behind the Run, and what that means for it.
    Lineage {
        /// `Root`, `Child` or `Mirror`; absent where the request is no creation.
        lineage: Option<&'static str>,
        /// A sentence without its end.
        reason: String,
    },
    /// The Run is a copy of another.
    Copied {
        /// The fields that tell.
        evidence: Vec<String>,
    },
    /// A trigger source says nothing of this Run: the first of its conditions that failed.
    SourceSilent {
        /// Name of the source.
        source: Arc<str>,
        /// What it wants.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A fact was found: its name, source, field and value.
    FactFound {
        /// Name of the fact.
        fact: &'static str,
        /// Name of the source.
        source: Arc<str>,
        /// The field it came from, or the fact that it follows from.
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
    /// A fact that somebody asked for is not known.
    FactAbsent {
        /// Name of the fact.
        fact: &'static str,
        /// Where it was looked for: trigger sources and the fields that they read.
        looked: Vec<(Arc<str>, Vec<String>)>,
        /// The fact that it would follow from, and what that one is.
        follows: Option<(&'static str, Option<String>)>,
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
        /// The condition: `match.namespaces`.
        condition: &'static str,
        /// What it wants.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A policy put a value in, or would, were it not in Shadow mode.
    KeyInjected {
        /// Name of the policy.
        policy: Arc<str>,
        /// The field.
        field: String,
        /// The value.
        value: String,
        /// Whether it only would.
        shadow: bool,
        /// What the value is made of; empty where the policy spells it out.
        origins: Vec<Origin>,
    },
    /// A policy has nothing to do for a key: the value is there.
    KeySatisfied {
        /// Name of the policy.
        policy: Arc<str>,
        /// The field.
        field: String,
        /// The value that the policy would have put in.
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

/// A part of a value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The placeholder without its brackets: `trigger.sha`, `vars.app`.
    pub reference: String,
    /// What stands in its place.
    pub value: String,
    /// Where that came from, in words: `spec.params[revision] (trigger source params)`.
    pub from: String,
}

/// What happened, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The lines.
    pub events: Vec<Event>,
}

impl Event {
    /// The word for this kind of line in data.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Lineage { .. } => "Lineage",
            Self::Copied { .. } => "Copied",
            Self::SourceSilent { .. } => "SourceSilent",
            Self::FactFound { .. } => "FactFound",
            Self::FactRefused { .. } => "FactRefused",
            Self::FactAbsent { .. } => "FactAbsent",
            Self::PolicyMatched { .. } => "PolicyMatched",
            Self::PolicySkipped { .. } => "PolicySkipped",
            Self::KeyInjected { .. } => "KeyInjected",
            Self::KeySatisfied { .. } => "KeySatisfied",
            Self::KeySkipped { .. } => "KeySkipped",
        }
    }

    /// How much a reader with little room learns from the line, the most first: what became of keys, then policies that came close,
    /// then facts, then everything that is about other Runs.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Lineage { .. } | Self::Copied { .. } => 0,
            Self::KeySkipped { .. } => 1,
            Self::KeyInjected { .. } => 2,
            Self::PolicySkipped { condition, .. } if !is_about_other_runs(condition) => 3,
            Self::FactRefused { .. } => 4,
            Self::FactAbsent { .. } => 5,
            Self::FactFound { .. } => 6,
            Self::KeySatisfied { .. } => 7,
            Self::PolicyMatched { .. } => 8,
            Self::PolicySkipped { .. } => 9,
            Self::SourceSilent { .. } => 10,
        }
    }
}

/// Whether a policy that fails here was never meant for Runs of this kind or namespace.
fn is_about_other_runs(condition: &str) -> bool {
    matches!(
        condition,
        "match.kinds" | "match.namespaces" | "match.excludeNamespaces" | "match.namespaceSelector"
    )
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lineage { lineage, reason } => match lineage {
                Some(lineage) => write!(formatter, "this Run is a {lineage}: {reason}"),
                None => formatter.write_str(reason),
            },
            Self::Copied { evidence } => write!(
                formatter,
                "this Run is a copy of another ({}): facts that only its metadata claims come after those in spec",
                listed(evidence)
            ),
            Self::SourceSilent {
                source,
                expected,
                found,
            } => write!(
                formatter,
                "trigger source {source} says nothing: expected {expected}, found {found}"
            ),
            Self::FactFound {
                fact,
                source,
                from,
                value,
            } => write!(
                formatter,
                "trigger.{fact} is {} from {}",
                quoted(value),
                place(from, source)
            ),
            Self::FactRefused {
                fact,
                source,
                from,
                reason,
            } => write!(formatter, "trigger.{fact} is not {}: {reason}", place(from, source)),
            Self::FactAbsent { fact, looked, follows } => {
                write!(formatter, "trigger.{fact} is absent: ")?;
                write_looked(formatter, looked)?;
                match follows {
                    None => Ok(()),
                    Some((from, value)) => {
                        let joint = if looked.is_empty() { "" } else { "; " };
                        match value {
                            None => write!(formatter, "{joint}it would follow from trigger.{from}, which is absent"),
                            Some(value) => write!(
                                formatter,
                                "{joint}it does not follow from trigger.{from}, which is {}",
                                quoted(value)
                            ),
                        }
                    }
                }
            }
            Self::PolicyMatched { policy } => write!(formatter, "policy {policy} is for this Run"),
            Self::PolicySkipped {
                policy,
                condition,
                expected,
                found,
            } => write!(
                formatter,
                "policy {policy} is not for this Run: {condition} expects {expected}, found {found}"
            ),
            Self::KeyInjected {
                policy,
                field,
                value,
                shadow,
                origins,
            } => {
                let verb = if *shadow {
                    "is in Shadow mode and would set"
                } else {
                    "sets"
                };
                write!(formatter, "policy {policy} {verb} {field} to {}", quoted(value))?;
                for (position, origin) in origins.iter().enumerate() {
                    let joint = if position == 0 { ":" } else { ";" };
                    write!(formatter, "{joint} {} is {}", origin.reference, origin.from)?;
                }
                Ok(())
            }
            Self::KeySatisfied { policy, field, value } => {
                write!(
                    formatter,
                    "policy {policy} leaves {field} as it is: the value is {} already",
                    quoted(value)
                )
            }
            Self::KeySkipped { policy, field, reason } => {
                write!(formatter, "policy {policy} does not set {field}: {reason}")
            }
        }
    }
}

/// A field and the source that reads it; a literal stands in the source itself.
fn place(from: &str, source: &str) -> String {
    let whose = format!("trigger source {source}");
    if from == whose {
        return format!("{whose} itself");
    }
    format!("{from} ({whose})")
}

fn write_looked(formatter: &mut fmt::Formatter<'_>, looked: &[(Arc<str>, Vec<String>)]) -> fmt::Result {
    for (position, (source, fields)) in looked.iter().enumerate() {
        let joint = if position == 0 {
            "nothing usable at "
        } else {
            ", nor at "
        };
        write!(formatter, "{joint}{} (trigger source {source})", listed(fields))?;
    }
    Ok(())
}

/// Some of the items, and how many more there are.
fn listed(items: &[String]) -> String {
    let shown = items.get(..MAX_FIELDS_SHOWN).unwrap_or(items);
    let more = items.len() - shown.len();
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}
