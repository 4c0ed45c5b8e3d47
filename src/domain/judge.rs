//! Judging what stands on a Run: values, unknown keys, rules over several keys, and what policies require.

mod keys;
mod required;
mod trial;

use std::sync::Arc;

use super::cause::{Cause, CauseKind};
use super::decision::{Author, Violation};
use super::field_path::FieldPath;
use super::integration::{ConfigKey, Integration};
use super::policy::RunPolicy;
use super::policy_set::PolicySet;
use super::registry::DeclaredKeyRef;
use super::rules::breaches;
use super::schema;
use super::words::{Mode, Place, Reaction, RunKind};

pub use required::judge_requirements;
pub use trial::{has_trial, would_find_fault};

/// What judging needs to know besides the keys.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'s> {
    /// The policy set.
    pub set: &'s PolicySet,
    /// The kind of the Run.
    pub kind: RunKind,
    /// The policies that are for the Run.
    pub policies: &'s [&'s Arc<RunPolicy>],
    /// Which of them judge: those that act, or in a trial those that do not.
    pub acting: Mode,
}

impl<'s> Bench<'s> {
    /// The policies that judge the Run.
    fn judges(&self) -> impl Iterator<Item = &'s Arc<RunPolicy>> {
        let acting = self.acting;
        self.policies
            .iter()
            .copied()
            .filter(move |policy| policy.mode == acting)
    }

    /// Whether only policies judge: what integrations find fault with is told already.
    fn is_trial(&self) -> bool {
        self.acting == Mode::Shadow
    }

    /// Judges one annotation or label: its value if it is declared as configuration; the very key of an annotation if nobody declares it.
    /// `field` is where it stands.
    pub fn judge(
        &self,
        place: Place,
        key: &str,
        value: &str,
        field: &dyn Fn() -> FieldPath,
        found: &mut Vec<Violation>,
    ) {
        self.judge_declared(place, self.set.registry.declared(place, key), key, value, field, found);
    }

    /// The same for a key that has been looked up.
    pub fn judge_declared(
        &self,
        place: Place,
        declared: Option<DeclaredKeyRef<'_>>,
        key: &str,
        value: &str,
        field: &dyn Fn() -> FieldPath,
        found: &mut Vec<Violation>,
    ) {
        match declared {
            Some(DeclaredKeyRef::State(_)) => {}
            None if place == Place::Annotation && !self.is_trial() => {
                keys::judge_undeclared(self, key, value, field, found)
            }
            None => {}
            Some(DeclaredKeyRef::Config { integration, key, .. }) => {
                if let Some(config) = integration.config.get(key) {
                    self.judge_value(integration, key, config, value, field, found);
                }
            }
        }
    }

    fn judge_value(
        &self,
        integration: &Integration,
        key: usize,
        config: &ConfigKey,
        value: &str,
        field: &dyn Fn() -> FieldPath,
        found: &mut Vec<Violation>,
    ) {
        if !self.is_trial() {
            self.judge_as_declared(integration, config, value, field, found);
        }
        self.judge_constraints(integration, key, value, field, found);
    }

    fn judge_as_declared(
        &self,
        integration: &Integration,
        config: &ConfigKey,
        value: &str,
        field: &dyn Fn() -> FieldPath,
        found: &mut Vec<Violation>,
    ) {
        let author = || integration.author();
        let urls = &self.set.settings.urls;
        let reads_kind = integration.kinds.contains(&self.kind);
        if let Err(violation) = config.schema.check(value, urls) {
            let reaction = if reads_kind {
                integration.validation_action
            } else {
                at_most_warn(integration.validation_action)
            };
            found.push(violation_at(field(), violation, author(), reaction));
        } else if !reads_kind {
            let kinds: Vec<&str> = integration.kinds.iter().map(|kind| kind.word()).collect();
            let message = format!(
                "integration {} reads {} only, not {}",
                integration.name,
                kinds.join(" and "),
                self.kind
            );
            let cause = Cause {
                field: field(),
                kind: CauseKind::Forbidden,
                message,
                suggestion: None,
            };
            found.push(Violation {
                cause,
                author: author(),
                reaction: at_most_warn(integration.validation_action),
            });
        }
    }

    fn judge_constraints(
        &self,
        integration: &Integration,
        key: usize,
        value: &str,
        field: &dyn Fn() -> FieldPath,
        found: &mut Vec<Violation>,
    ) {
        for policy in self.judges() {
            let constraints = policy
                .constraints
                .iter()
                .filter(|constraint| constraint.integration.index == integration.index && constraint.key == key);
            for constraint in constraints {
                if let Err(violation) = constraint.schema.check(value, &self.set.settings.urls) {
                    found.push(violation_at(
                        field(),
                        violation,
                        policy.author(),
                        policy.validation_action,
                    ));
                }
            }
        }
    }

    /// Judges the rules of every integration that has a key among `keys`.
    ///
    /// `is_changed` says which keys an UPDATE changed: a rule none of whose keys changed is not judged.
    /// A rule that holds once the values that Runstamp put in are left out of account is never more than a warning.
    pub fn judge_rules<'k>(
        &self,
        keys: impl Iterator<Item = &'k str>,
        value_of: &dyn Fn(&str) -> Option<&'k str>,
        is_ours: &dyn Fn(&str) -> bool,
        is_changed: &dyn Fn(&str) -> bool,
        found: &mut Vec<Violation>,
    ) {
        for integration in self.touched(keys) {
            let any = |key: usize, holds: &dyn Fn(&str) -> bool| {
                integration
                    .config
                    .get(key)
                    .is_some_and(|config| config.spellings.iter().any(|spelling| holds(spelling)))
            };
            let is_set = |key: usize| any(key, &|spelling| value_of(spelling).is_some());
            let all = breaches(&integration, is_set);
            if !all.is_empty() {
                let without_ours = breaches(&integration, |key| {
                    any(key, &|spelling| value_of(spelling).is_some() && !is_ours(spelling))
                });
                for breach in all
                    .iter()
                    .filter(|breach| breach.keys().iter().any(|key| any(*key, is_changed)))
                {
                    let reaction = if without_ours.contains(breach) {
                        integration.validation_action
                    } else {
                        at_most_warn(integration.validation_action)
                    };
                    let cause = breach.cause(&integration);
                    found.push(Violation {
                        cause,
                        author: integration.author(),
                        reaction,
                    });
                }
            }
            self.judge_spellings(&integration, value_of, is_changed, found);
        }
    }

    /// A key in two spellings must have one value.
    fn judge_spellings<'k>(
        &self,
        integration: &Integration,
        value_of: &dyn Fn(&str) -> Option<&'k str>,
        is_changed: &dyn Fn(&str) -> bool,
        found: &mut Vec<Violation>,
    ) {
        for config in integration.config.iter().filter(|config| config.spellings.len() > 1) {
            let mut set = config
                .spellings
                .iter()
                .filter_map(|spelling| Some((spelling, value_of(spelling)?)));
            let Some((first, value)) = set.next() else {
                continue;
            };
            for (other, other_value) in set.filter(|(_, other_value)| *other_value != value) {
                if is_changed(first) || is_changed(other) {
                    let message = format!(
                        "expected {}, the value of {first}, found {}: both are the same key",
                        schema::quoted(value),
                        schema::quoted(other_value)
                    );
                    let kind = CauseKind::Duplicate;
                    let cause = Cause {
                        field: FieldPath::annotation(other),
                        kind,
                        message,
                        suggestion: None,
                    };
                    found.push(Violation {
                        cause,
                        author: integration.author(),
                        reaction: integration.validation_action,
                    });
                }
            }
        }
    }

    /// The integrations that have a config key among these, each once, in the order of the policy set.
    fn touched<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Vec<Arc<Integration>> {
        let mut touched: Vec<Arc<Integration>> = Vec::new();
        for key in keys {
            if let Some(DeclaredKeyRef::Config { integration, .. }) = self.set.registry.annotation(key)
                && !touched.iter().any(|known| known.index == integration.index)
            {
                touched.push(Arc::clone(integration));
            }
        }
        touched.sort_by_key(|integration| integration.index);
        touched
    }
}

/// Less than a refusal.
pub fn at_most_warn(reaction: Reaction) -> Reaction {
    if reaction == Reaction::Deny {
        Reaction::Warn
    } else {
        reaction
    }
}

fn violation_at(field: FieldPath, violation: schema::Violation, author: Author, reaction: Reaction) -> Violation {
    let schema::Violation {
        kind,
        message,
        suggestion,
    } = violation;
    Violation {
        cause: Cause {
            field,
            kind,
            message,
            suggestion,
        },
        author,
        reaction,
    }
}
