//! Rules over several keys of one integration: what is broken, given which keys are set.

use super::cause::{Cause, CauseKind};
use super::field_path::FieldPath;
use super::integration::{Integration, Rule};

/// One broken rule. Keys are positions in [`Integration::config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach<'i> {
    /// A required key is not set, though others of the integration are.
    Required {
        /// The key that is missing.
        missing: usize,
    },
    /// Some keys of a group are set, but not this one.
    Together {
        /// The key that is missing.
        missing: usize,
        /// All keys of the group.
        group: &'i [usize],
    },
    /// A key is set that needs another.
    Requires {
        /// The key that needs the other.
        key: usize,
        /// The key that is missing.
        missing: usize,
    },
    /// A key is set besides another of an exclusive list.
    Exclusive {
        /// The key that is too many.
        key: usize,
        /// All keys of the list.
        group: &'i [usize],
    },
    /// None of a list is set, though other keys of the integration are.
    AnyOf {
        /// All keys of the list.
        group: &'i [usize],
    },
}

/// Every broken rule of an integration, in the order declared.
pub fn breaches(integration: &Integration, is_set: impl Fn(usize) -> bool) -> Vec<Breach<'_>> {
    let mut breaches = Vec::new();
    if !(0..integration.config.len()).any(&is_set) {
        return breaches;
    }
    for (key, config) in integration.config.iter().enumerate() {
        if config.required && !is_set(key) {
            breaches.push(Breach::Required { missing: key });
        }
    }
    for rule in &integration.rules {
        match rule {
            Rule::Together(group) if group.iter().any(|key| is_set(*key)) => {
                let missing = group.iter().filter(|key| !is_set(**key));
                breaches.extend(missing.map(|missing| Breach::Together {
                    missing: *missing,
                    group,
                }));
            }
            Rule::Requires { key, requires } if is_set(*key) => {
                let missing = requires.iter().filter(|required| !is_set(**required));
                breaches.extend(missing.map(|missing| Breach::Requires {
                    key: *key,
                    missing: *missing,
                }));
            }
            Rule::Exclusive(group) => {
                let too_many = group.iter().filter(|key| is_set(**key)).skip(1);
                breaches.extend(too_many.map(|key| Breach::Exclusive { key: *key, group }));
            }
            Rule::AnyOf(group) if !group.iter().any(|key| is_set(*key)) => breaches.push(Breach::AnyOf { group }),
            Rule::Together(_) | Rule::Requires { .. } | Rule::AnyOf(_) => {}
        }
    }
    breaches
}

impl Breach<'_> {
    /// The key whose absence or presence breaks the rule.
    pub fn key(&self) -> Option<usize> {
        match self {
            Self::Required { missing } | Self::Together { missing, .. } | Self::Requires { missing, .. } => {
                Some(*missing)
            }
            Self::Exclusive { key, .. } => Some(*key),
            Self::AnyOf { group } => group.first().copied(),
        }
    }

    /// Every key that the rule speaks of.
    pub fn keys(&self) -> Vec<usize> {
        match self {
            Self::Required { missing } => vec![*missing],
            Self::Together { group, .. } | Self::Exclusive { group, .. } | Self::AnyOf { group } => group.to_vec(),
            Self::Requires { key, missing } => vec![*key, *missing],
        }
    }

    /// The cause that tells a user what to do.
    pub fn cause(&self, integration: &Integration) -> Cause {
        let key_text = |key: usize| integration.config.get(key).map_or("", |config| config.key());
        let names = |keys: &[usize]| keys.iter().map(|key| key_text(*key)).collect::<Vec<_>>().join(", ");
        let (kind, message) = match self {
            Self::Required { .. } => (
                CauseKind::Required,
                format!("required by integration {}", integration.name),
            ),
            Self::Together { group, .. } => (
                CauseKind::Required,
                format!("required together with the others: set all of {} or none", names(group)),
            ),
            Self::Requires { key, .. } => (CauseKind::Required, format!("required where {} is set", key_text(*key))),
            Self::Exclusive { group, .. } => (
                CauseKind::Forbidden,
                format!("may not be set besides the others: set at most one of {}", names(group)),
            ),
            Self::AnyOf { group } => (CauseKind::Required, format!("set at least one of {}", names(group))),
        };
        let field = FieldPath::annotation(self.key().map_or("", key_text));
        Cause {
            field,
            kind,
            message,
            suggestion: None,
        }
    }
}
