//! Compiles the rules of an Integration.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::context::{Context, listed, quote, suggest_among};
use super::key_rules::absolute;
use crate::domain::definition::{RuleDefinition, RuleTerms, Text};
use crate::domain::integration::{ConfigKey, Rule};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::words::Place;

/// Most rules of one kind that each other rule is compared with.
const MOST_COMPARED: usize = 64;

/// Compiles the rules over these config keys; keys are named in any spelling.
pub(super) fn compile(
    definitions: &[RuleDefinition],
    integration: &str,
    prefix: Option<&str>,
    config: &[ConfigKey],
    context: &mut Context,
) -> Vec<Rule> {
    let mut positions: HashMap<&str, usize> = HashMap::new();
    let annotations = config
        .iter()
        .enumerate()
        .filter(|(_, key)| key.place == Place::Annotation);
    for (position, key) in annotations {
        for spelling in &key.spellings {
            positions.entry(spelling).or_insert(position);
        }
    }
    let keys = Keys {
        integration,
        prefix,
        config,
        positions,
    };
    let rules: Vec<(Rule, Span)> = definitions
        .iter()
        .filter_map(|definition| Some((keys.rule(definition, context)?, definition.span)))
        .collect();
    keys.warn_about_contradictions(&rules, context);
    rules.into_iter().map(|(rule, _)| rule).collect()
}

/// The config keys of one integration.
struct Keys<'i> {
    integration: &'i str,
    prefix: Option<&'i str>,
    config: &'i [ConfigKey],
    /// By spelling.
    positions: HashMap<&'i str, usize>,
}

impl Keys<'_> {
    /// Warns about keys that one rule wants beside each other and another one does not.
    fn warn_about_contradictions(&self, rules: &[(Rule, Span)], context: &mut Context) {
        let exclusive = rules.iter().filter_map(|(rule, place)| match rule {
            Rule::Exclusive(group) => Some((group, *place)),
            _ => None,
        });
        let exclusive: Vec<(&Vec<usize>, Span)> = exclusive.take(MOST_COMPARED).collect();
        for (rule, place) in rules {
            let (wanted, key) = match rule {
                Rule::Together(group) => (group.clone(), None),
                Rule::Requires { key, requires } => {
                    let with_key = std::iter::once(*key).chain(requires.iter().copied());
                    (with_key.collect(), Some(*key))
                }
                Rule::Exclusive(_) | Rule::AnyOf(_) => continue,
            };
            for (group, other) in &exclusive {
                let both: Vec<usize> = wanted.iter().copied().filter(|key| group.contains(key)).collect();
                if both.len() < 2 {
                    continue;
                }
                let names = |keys: &[usize]| {
                    let names = keys.iter().filter_map(|key| self.config.get(*key));
                    listed(&names.map(|config| config.name.as_str()).collect::<Vec<_>>())
                };
                let never = key.map_or_else(|| names(&wanted), |key| names(&[key]));
                let message = format!(
                    "two rules of integration {} contradict each other: {never} can never be set",
                    quote(self.integration)
                );
                let (first, second) = if place < other { (place, other) } else { (other, place) };
                let label = |span: &Span| {
                    let verb = if span == other {
                        "exclude each other"
                    } else {
                        "must be set together"
                    };
                    format!("{} {verb}", names(&both))
                };
                context.report(
                    Problem::warning(Code::ContradictingRules, *second, message)
                        .with_label(label(second))
                        .with_related(*first, label(first))
                        .with_help("remove one of the two rules, or take the keys out of one of them"),
                );
            }
        }
    }

    fn rule(&self, definition: &RuleDefinition, context: &mut Context) -> Option<Rule> {
        let span = definition.span;
        match &definition.rule {
            RuleTerms::Together(keys) => self.several("together", 2, keys, span, context).map(Rule::Together),
            RuleTerms::Exclusive(keys) => self.several("exclusive", 2, keys, span, context).map(Rule::Exclusive),
            RuleTerms::AnyOf(keys) => self.several("anyOf", 1, keys, span, context).map(Rule::AnyOf),
            RuleTerms::Requires { key, requires } => {
                let position = self.position(key, context);
                let requires_positions = self.several("requires", 1, requires, span, context)?;
                let position = position?;
                if let Some(itself) = requires.iter().find(|other| self.find(other) == Some(position)) {
                    let message = format!("the key {} is said to require itself", quote(&key.value));
                    context.report(
                        Problem::error(Code::ContradictingRules, itself.span, message)
                            .with_related(key.span, "the key"),
                    );
                }
                Some(Rule::Requires {
                    key: position,
                    requires: requires_positions,
                })
            }
        }
    }

    /// The positions of a list of keys, which must be of at least this length.
    fn several(
        &self,
        rule: &str,
        least: usize,
        keys: &[Text],
        span: Span,
        context: &mut Context,
    ) -> Option<Vec<usize>> {
        let mut found: Vec<usize> = Vec::with_capacity(keys.len());
        let mut seen: HashMap<usize, Span> = HashMap::new();
        let mut is_complete = true;
        for key in keys {
            let Some(position) = self.position(key, context) else {
                is_complete = false;
                continue;
            };
            match seen.entry(position) {
                Entry::Occupied(first) => {
                    let message = format!("the key {} stands in {rule} twice", quote(&key.value));
                    let problem = Problem::error(Code::DuplicateEntry, key.span, message);
                    context.report(problem.with_related(*first.get(), "first listed here"));
                }
                Entry::Vacant(entry) => {
                    entry.insert(key.span);
                    found.push(position);
                }
            }
        }
        if keys.len() < least {
            let message = format!("expected at least {least} keys in {rule}, found {}", keys.len());
            let message = if least == 1 {
                format!("expected a key in {rule}, found an empty list")
            } else {
                message
            };
            let place = keys.first().map_or(span, |key| key.span);
            context.report(Problem::error(Code::EmptyList, place, message).with_help("add a key, or remove the rule"));
            return None;
        }
        is_complete.then_some(found)
    }

    fn find(&self, key: &Text) -> Option<usize> {
        let spelling = absolute(self.prefix, &key.value)?;
        self.positions.get(spelling.as_str()).copied()
    }

    fn position(&self, key: &Text, context: &mut Context) -> Option<usize> {
        let position = self.find(key);
        if position.is_none() {
            let integration = quote(self.integration);
            let spelling = absolute(self.prefix, &key.value).unwrap_or_default();
            let is_label = self.config.iter().any(|config| config.spellings.contains(&spelling));
            context.report(if is_label {
                let message = format!("rules speak of annotations, and {} is a label", quote(&key.value));
                Problem::error(Code::MisplacedKey, key.span, message).with_help("remove it from the rule")
            } else {
                let annotations = self.config.iter().filter(|config| config.place == Place::Annotation);
                let names = annotations.map(|config| config.name.as_str());
                let message = format!("integration {integration} has no config key {}", quote(&key.value));
                let problem = Problem::error(Code::UnknownConfigKey, key.span, message);
                suggest_among(problem, &key.value, names)
            });
        }
        position
    }
}
