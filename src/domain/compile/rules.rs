//! Compiles the rules of an Integration.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::context::{Context, alternatives, quote};
use super::key_rules::absolute;
use crate::domain::definition::{RuleDefinition, RuleTerms, Text};
use crate::domain::integration::{ConfigKey, Rule};
use crate::domain::source::{Problem, Span};
use crate::domain::words::Place;

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
    definitions
        .iter()
        .filter_map(|definition| keys.rule(definition, context))
        .collect()
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
                    context.report(Problem::error(itself.span, message).with_related(key.span, "the key"));
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
                    let problem = Problem::error(key.span, message);
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
            context.report(Problem::error(place, message).with_help("add a key, or remove the rule"));
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
            let (message, help) = if is_label {
                let message = format!("rules speak of annotations, and {} is a label", quote(&key.value));
                (message, Some("remove it from the rule".to_owned()))
            } else {
                let annotations = self.config.iter().filter(|config| config.place == Place::Annotation);
                let names = annotations.map(|config| config.name.as_str());
                let message = format!("integration {integration} has no config key {}", quote(&key.value));
                (message, alternatives(&key.value, names))
            };
            context.report(Problem::error(key.span, message).with_optional_help(help));
        }
        position
    }
}
