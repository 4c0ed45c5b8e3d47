//! Where that stands which policies refer to, so that a problem between two places shows both.

use std::collections::HashMap;

use super::key_rules::absolute;
use crate::domain::definition::{IntegrationDefinition, RuleTerms, StateDefinition, Text};
use crate::domain::integration::{Integration, Rule};
use crate::domain::pattern::Glob;
use crate::domain::source::{Problem, Span};
use crate::domain::words::Place;

/// The declarations of all integrations, by name.
#[derive(Debug)]
pub(super) struct Places<'d> {
    integrations: HashMap<&'d str, &'d IntegrationDefinition>,
}

impl<'d> Places<'d> {
    /// Indexes the merged documents.
    pub(super) fn new(integrations: &'d [IntegrationDefinition]) -> Self {
        let by_name = integrations
            .iter()
            .map(|integration| (integration.header.name.value.as_str(), integration));
        Self {
            integrations: by_name.collect(),
        }
    }

    /// Where an integration says which kinds it reads.
    pub(super) fn kinds(&self, name: &str) -> Option<Span> {
        let kinds = self.integrations.get(name)?.kinds.as_ref()?;
        kinds.first().map(|kind| kind.span)
    }

    /// Where a config key is declared, by one of its spellings.
    pub(super) fn config(&self, name: &str, spelling: &str) -> Option<Span> {
        let integration = self.integrations.get(name)?;
        let is_meant = |written: &Text| absolute(prefix_of(integration), &written.value).as_deref() == Some(spelling);
        let mut keys = integration.config.iter();
        keys.find_map(|(key, schema)| {
            let mut spellings = std::iter::once(key).chain(&schema.aliases);
            spellings.find(|written| is_meant(written)).map(|written| written.span)
        })
    }

    /// Where a state key is declared.
    pub(super) fn state(&self, name: &str, place: Place, key: &str) -> Option<Span> {
        let integration = self.integrations.get(name)?;
        let states: &[StateDefinition] = match place {
            Place::Annotation => &integration.annotations,
            Place::Label => &integration.labels,
            Place::Finalizer => &integration.finalizers,
        };
        let is_meant = |state: &&StateDefinition| {
            state.key.value == key || Glob::parse(&state.key.value).is_ok_and(|glob| glob.matches(key))
        };
        states.iter().find(is_meant).map(|state| state.key.span)
    }

    /// Where a rule stands.
    pub(super) fn rule(&self, integration: &Integration, rule: &Rule) -> Option<Span> {
        let definition = self.integrations.get(&*integration.name)?;
        let positions = |keys: &[Text]| -> Vec<usize> {
            let spelt = keys
                .iter()
                .filter_map(|key| absolute(prefix_of(definition), &key.value));
            spelt.filter_map(|key| position(integration, &key)).collect()
        };
        let is_meant = |terms: &RuleTerms| match (terms, rule) {
            (RuleTerms::Together(keys), Rule::Together(group))
            | (RuleTerms::Exclusive(keys), Rule::Exclusive(group))
            | (RuleTerms::AnyOf(keys), Rule::AnyOf(group)) => positions(keys) == *group,
            (
                RuleTerms::Requires { key, requires },
                Rule::Requires {
                    key: needing,
                    requires: needed,
                },
            ) => positions(std::slice::from_ref(key)) == [*needing] && positions(requires) == *needed,
            _ => false,
        };
        let mut rules = definition.rules.iter();
        rules.find(|rule| is_meant(&rule.rule)).map(|rule| rule.span)
    }
}

/// Adds another place to a problem where that place is known.
pub(super) fn related(problem: Problem, place: Option<Span>, label: impl Into<String>) -> Problem {
    match place {
        Some(place) => problem.with_related(place, label),
        None => problem,
    }
}

fn prefix_of(integration: &IntegrationDefinition) -> Option<&str> {
    integration.prefix.as_ref().map(|prefix| prefix.value.as_str())
}

fn position(integration: &Integration, spelling: &str) -> Option<usize> {
    let mut config = integration.config.iter();
    config.position(|key| key.place == Place::Annotation && key.spellings.iter().any(|known| known == spelling))
}
