//! Compiles RunPolicies against what the rest of the set declares.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::context::{Context, quote, suggest_among};
use super::injections::{self, Injections};
use super::key_rules::absolute;
use super::places::{Places, related};
use super::reach::Condition;
use super::settings::{Surroundings, is_word, not_a_provider};
use super::{constraints, defaults, evasion, matching, reach, warnings};
use crate::domain::definition::{RunPolicyDefinition, Text, VariableDefinition};
use crate::domain::integration::{Integration, StateKey};
use crate::domain::policy::{RunPolicy, Variable};
use crate::domain::registry::{DeclaredKeyRef, KeyRegistry};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::suggest::{is_same_word, nearest};
use crate::domain::trigger_source::{FactOrigin, TriggerSource};
use crate::domain::words::{FactName, Place};

/// Providers that Git hosts are known to have; Settings and TriggerSources may name others.
const PROVIDERS: [&str; 7] = [
    "github",
    "gitlab",
    "gitea",
    "forgejo",
    "bitbucket-cloud",
    "bitbucket-server",
    "azure-devops",
];

/// What a RunPolicy can refer to.
pub(super) struct Known<'k> {
    /// Settings and identities.
    pub(super) surroundings: &'k Surroundings,
    /// What each key is.
    pub(super) registry: &'k KeyRegistry,
    /// Where everything is declared.
    pub(super) places: &'k Places<'k>,
    integrations: HashMap<&'k str, &'k Arc<Integration>>,
    sources: BTreeMap<&'k str, &'k TriggerSource>,
    providers: BTreeSet<&'k str>,
}

impl<'k> Known<'k> {
    /// Indexes what has been compiled.
    pub(super) fn new(
        surroundings: &'k Surroundings,
        integrations: &'k [Arc<Integration>],
        registry: &'k KeyRegistry,
        places: &'k Places<'k>,
        sources: &'k [Arc<TriggerSource>],
    ) -> Self {
        let facts = sources.iter().flat_map(|source| &source.facts);
        let of_sources = facts.filter(|fact| fact.fact == FactName::Provider).flat_map(|fact| {
            let literal = match &fact.origin {
                FactOrigin::Literal(value) => Some(value.as_str()),
                _ => None,
            };
            fact.map.values().map(String::as_str).chain(literal)
        });
        let of_hosts = surroundings.settings.hosts.values().map(String::as_str);
        Self {
            surroundings,
            registry,
            places,
            integrations: integrations
                .iter()
                .map(|integration| (&*integration.name, integration))
                .collect(),
            sources: sources.iter().map(|source| (&*source.name, &**source)).collect(),
            providers: PROVIDERS.into_iter().chain(of_hosts).chain(of_sources).collect(),
        }
    }

    /// The integration of that name; an unknown one is reported.
    pub(super) fn integration(&self, name: &Text, context: &mut Context) -> Option<&'k Arc<Integration>> {
        let integration = self.integrations.get(name.value.as_str()).copied();
        if integration.is_none() {
            let message = format!("there is no Integration named {}", quote(&name.value));
            let mut names: Vec<&str> = self.integrations.keys().copied().collect();
            names.sort_unstable();
            let problem = Problem::error(Code::UnknownIntegration, name.span, message).unresolved();
            context.report(suggest_among(problem, &name.value, names.into_iter()));
        }
        integration
    }

    /// The config key of an integration in any spelling, with the position of the spelling; an unknown one is reported.
    pub(super) fn config_key(
        &self,
        integration: &Integration,
        key: &Text,
        context: &mut Context,
    ) -> Option<(usize, usize)> {
        let spelling = absolute(integration.prefix.as_deref(), &key.value);
        let declared = spelling
            .as_deref()
            .and_then(|spelling| self.registry.annotation(spelling));
        let name = quote(&integration.name);
        let problem = match declared {
            Some(DeclaredKeyRef::Config {
                integration: owner,
                key,
                spelling,
            }) if owner.name == integration.name => return Some((key, spelling)),
            Some(DeclaredKeyRef::Config { integration: owner, .. }) => {
                let message = format!(
                    "expected a config key of integration {name}, found {}, which is one of integration {}",
                    quote(&key.value),
                    quote(&owner.name)
                );
                let problem = Problem::error(Code::MisplacedKey, key.span, message);
                let declared = spelling.as_deref().and_then(|key| self.places.config(&owner.name, key));
                related(
                    problem,
                    declared,
                    format!("integration {} declares it here", quote(&owner.name)),
                )
                .with_help(format!("write it under {}", owner.name))
            }
            Some(DeclaredKeyRef::State(state)) => {
                let message = format!(
                    "expected a config key of integration {name}, found {}, which is state of integration {}",
                    quote(&key.value),
                    quote(&state.integration)
                );
                let problem = Problem::error(Code::StateKey, key.span, message);
                self.with_state(problem, state)
                    .with_help("only the integration itself writes its state")
            }
            None if is_label(integration, spelling.as_deref()) => {
                let message = format!(
                    "expected an annotation of integration {name}, found {}, which is a label",
                    quote(&key.value)
                );
                Problem::error(Code::MisplacedKey, key.span, message)
                    .with_help("only annotations are named here; a label is injected by its whole key, under labels")
            }
            None => {
                let message = format!("integration {name} has no config key {}", quote(&key.value));
                let names = integration.config.iter().map(|config| config.name.as_str());
                // Another document may still be laid upon the built-in Integration of that name.
                let problem = Problem::error(Code::UnknownConfigKey, key.span, message).unresolved();
                let near = nearest(&key.value, names.clone());
                let near = near.and_then(|near| absolute(integration.prefix.as_deref(), near));
                let declared = near.and_then(|near| self.places.config(&integration.name, &near));
                related(
                    suggest_among(problem, &key.value, names),
                    declared,
                    "a key of nearly this name is declared here",
                )
            }
        };
        context.report(problem);
        None
    }

    /// Adds to a problem about a state key where that key is declared.
    pub(super) fn with_state(&self, problem: Problem, state: &StateKey) -> Problem {
        let declared = self.places.state(&state.integration, state.place, state.key.as_str());
        related(problem, declared, "declared as state here")
    }

    /// The trigger source of that name.
    pub(super) fn source(&self, name: &str) -> Option<&'k TriggerSource> {
        self.sources.get(name).copied()
    }

    /// Reports a trigger source that does not exist.
    pub(super) fn check_source(&self, source: &Text, context: &mut Context) {
        if !self.sources.contains_key(source.value.as_str()) {
            let message = format!("there is no TriggerSource named {}", quote(&source.value));
            let problem = Problem::error(Code::UnknownSource, source.span, message).unresolved();
            context.report(suggest_among(problem, &source.value, self.sources.keys().copied()));
        }
    }

    /// Reports what cannot be a provider, and warns about what is probably misspelt: a source may pass on any word.
    pub(super) fn check_provider(&self, provider: &Text, context: &mut Context) {
        if !is_word(&provider.value) {
            context.report(not_a_provider(provider));
        } else if !self.providers.contains(provider.value.as_str())
            && let Some(near) = nearest(&provider.value, self.providers.iter().copied())
        {
            let message = format!("no provider is known as {}", quote(&provider.value));
            let problem = Problem::warning(Code::UnknownProvider, provider.span, message)
                .with_text(near, is_same_word(&provider.value, near))
                .with_help(format!("did you mean {}?", quote(near)));
            context.report(problem);
        }
    }
}

/// Whether the integration reads this key among the labels.
fn is_label(integration: &Integration, key: Option<&str>) -> bool {
    let mut labels = integration.config.iter().filter(|config| config.place == Place::Label);
    key.is_some_and(|key| labels.any(|config| config.spellings.iter().any(|spelling| spelling == key)))
}

/// A compiled policy, with the places that warnings about it and another one need.
#[derive(Debug)]
pub(super) struct WrittenPolicy {
    /// The policy.
    pub(super) policy: RunPolicy,
    /// Everything that it writes.
    pub(super) writes: Vec<Write>,
    /// What its match asks of labels and fields.
    pub(super) conditions: Vec<Condition>,
}

/// One key that a policy writes.
#[derive(Debug)]
pub(super) struct Write {
    /// Annotation or label.
    pub(super) place: Place,
    /// The key in its first spelling.
    pub(super) key: String,
    /// Where it was written.
    pub(super) span: Span,
}

/// Compiles every RunPolicy, in the order in which they apply.
pub(super) fn compile(
    definitions: &[RunPolicyDefinition],
    known: &Known<'_>,
    context: &mut Context,
) -> Vec<WrittenPolicy> {
    let mut ordered: Vec<&RunPolicyDefinition> = definitions.iter().collect();
    ordered.sort_by(|a, b| {
        let names = || a.header.name.value.cmp(&b.header.name.value);
        priority(b).cmp(&priority(a)).then_with(names)
    });
    ordered
        .into_iter()
        .enumerate()
        .map(|(index, definition)| policy(index, definition, known, context))
        .collect()
}

fn priority(definition: &RunPolicyDefinition) -> i64 {
    definition
        .priority
        .as_ref()
        .map_or(defaults::PRIORITY, |written| written.value)
}

fn policy(index: usize, definition: &RunPolicyDefinition, known: &Known<'_>, context: &mut Context) -> WrittenPolicy {
    let name = &definition.header.name;
    let matcher = matching::compile(&definition.matches, name, known, context);
    let variables = variables(&definition.variables, context);
    let constraints = constraints::compile(&definition.constrain, &matcher.kinds, known, context);
    let scope = injections::Scope {
        kinds: &matcher.kinds,
        variables: definition
            .variables
            .iter()
            .map(|variable| variable.name.value.as_str())
            .collect(),
        constraints: &constraints,
        known,
    };
    let Injections {
        integrations,
        keys,
        writes,
        used_variables,
        reads_trigger,
        is_complete,
    } = injections::compile(&definition.inject, &scope, context);
    if is_complete {
        warn_about_unused(&definition.variables, &used_variables, context);
    }
    let require_integrations = constraints::required_integrations(&definition.require, &matcher.kinds, known, context);
    constraints::check_required_annotations(&definition.require, known, context);
    warnings::idle(definition, context);
    evasion::warn(definition, known, context);
    let conditions = reach::conditions(&definition.matches);
    reach::warn(&definition.matches, &conditions, &matcher, known, context);
    let policy = RunPolicy {
        index,
        name: name.value.as_str().into(),
        priority: priority(definition),
        mode: definition.mode.as_ref().map_or(defaults::MODE, |written| written.value),
        reads_trigger: reads_trigger || matcher.trigger.is_some(),
        matcher,
        variables,
        integrations,
        keys,
        require_integrations,
        require_annotations: definition
            .require
            .annotations
            .iter()
            .map(|key| key.value.clone())
            .collect(),
        constraints: constraints.into_iter().map(|(constraint, _)| constraint).collect(),
        validation_action: definition
            .validation_action
            .as_ref()
            .map_or(defaults::VALIDATION_ACTION, |written| written.value),
    };
    WrittenPolicy {
        policy,
        writes,
        conditions,
    }
}

fn variables(definitions: &[VariableDefinition], context: &mut Context) -> Vec<Variable> {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    let mut variables = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let name = &definition.name;
        if !is_variable_name(&name.value) {
            let message = format!("expected the name of a variable, found {}", quote(&name.value));
            context.report(
                Problem::error(Code::BadName, name.span, message)
                    .with_help("write letters, digits, '_' and '-', beginning with a letter or '_'"),
            );
        }
        if let Some(first) = seen.insert(&name.value, name.span) {
            let message = format!("there are two variables named {}", quote(&name.value));
            context.report(
                Problem::error(Code::DuplicateDeclaration, name.span, message).with_related(first, "the first one"),
            );
        }
        let path = context.path(&definition.path);
        let pattern = definition.pattern.as_ref().and_then(|pattern| context.pattern(pattern));
        variables.extend(path.map(|path| Variable {
            name: name.value.clone(),
            path,
            pattern,
            default: definition.default.as_ref().map(|default| default.value.clone()),
        }));
    }
    variables
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}

fn warn_about_unused(definitions: &[VariableDefinition], used: &HashSet<String>, context: &mut Context) {
    for definition in definitions
        .iter()
        .filter(|definition| !used.contains(&definition.name.value))
    {
        let name = &definition.name;
        let message = format!("no value uses the variable {}", quote(&name.value));
        context.report(
            Problem::warning(Code::UnusedVariable, name.span, message)
                .with_help(format!("write $(vars.{}) in a value, or remove it", name.value)),
        );
    }
}
