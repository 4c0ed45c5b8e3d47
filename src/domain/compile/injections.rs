//! Compiles what a RunPolicy injects.

mod groups;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::context::{Context, quote};
use super::key_rules::{absolute, check_injectable, warn_if_undeclared};
use super::places::related;
use super::policies::{Known, Write};
use super::{constraints, defaults};
use crate::domain::definition::{InjectDefinition, InjectionDefinition, Text};
use crate::domain::integration::{ConfigKey, Integration};
use crate::domain::names::{LABEL_VALUE_SHAPE, is_label_value};
use crate::domain::policy::{Constraint, Injection, IntegrationInjection};
use crate::domain::registry::DeclaredKeyRef;
use crate::domain::schema::credential_in;
use crate::domain::source::{Code, Problem, Span};
use crate::domain::template::{Reference, Template};
use crate::domain::words::{Place, RunKind};

/// What the values of a policy can refer to, and what they must fit.
pub(super) struct Scope<'p> {
    /// The kinds that the policy is for.
    pub(super) kinds: &'p [RunKind],
    /// Names of its variables.
    pub(super) variables: Vec<&'p str>,
    /// Its own tighter schemas, each with its place.
    pub(super) constraints: &'p [(Constraint, Span)],
    /// The rest of the set.
    pub(super) known: &'p Known<'p>,
}

/// What a policy injects, compiled.
#[derive(Debug)]
pub(super) struct Injections {
    /// An entry an integration, in the order of their names.
    pub(super) integrations: Vec<IntegrationInjection>,
    /// Other annotations, then labels.
    pub(super) keys: Vec<Injection>,
    /// Every key, with its place.
    pub(super) writes: Vec<Write>,
    /// Names of the variables that values use.
    pub(super) used_variables: HashSet<String>,
    /// Whether any value reads the trigger context.
    pub(super) reads_trigger: bool,
    /// Whether every value could be read: only then is it known what they do not use.
    pub(super) is_complete: bool,
}

/// Compiles everything under `inject`.
pub(super) fn compile(definition: &InjectDefinition, scope: &Scope<'_>, context: &mut Context) -> Injections {
    let mut collector = Collector {
        scope,
        blocks: BTreeMap::new(),
        keys: Vec::new(),
        writes: Vec::new(),
        seen: HashMap::new(),
        used_variables: HashSet::new(),
        reads_trigger: false,
        is_complete: true,
    };
    for (name, keys) in &definition.integrations {
        let Some(integration) = scope.known.integration(name, context) else {
            collector.is_complete = false;
            continue;
        };
        constraints::warn_if_never_read(integration, scope.kinds, name, scope.known, context);
        for (key, injection) in keys {
            match scope.known.config_key(integration, key, context) {
                Some((position, _)) => collector.enter_config(integration, position, key, injection, context),
                None => collector.is_complete = false,
            }
        }
    }
    for (key, injection) in &definition.annotations {
        collector.enter_annotation(key, injection, context);
    }
    for (key, injection) in &definition.labels {
        collector.enter_label(key, injection, context);
    }
    collector.finish(context)
}

struct Collector<'p> {
    scope: &'p Scope<'p>,
    /// By the integrations' positions, which follow their names.
    blocks: BTreeMap<usize, Block>,
    keys: Vec<Injection>,
    writes: Vec<Write>,
    seen: HashMap<(Place, String), Span>,
    used_variables: HashSet<String>,
    reads_trigger: bool,
    is_complete: bool,
}

/// What is injected for one integration.
struct Block {
    integration: Arc<Integration>,
    keys: Vec<(usize, Injection)>,
    /// Where the first key was written.
    span: Span,
    /// Where each of the keys was written.
    places: Vec<Span>,
}

impl Collector<'_> {
    fn enter_config(
        &mut self,
        integration: &Arc<Integration>,
        position: usize,
        key: &Text,
        definition: &InjectionDefinition,
        context: &mut Context,
    ) {
        let Some(config) = integration.config.get(position) else {
            return;
        };
        self.claim(Place::Annotation, config.key(), key, context);
        let spelling = absolute(integration.prefix.as_deref(), &key.value).unwrap_or_else(|| key.value.clone());
        let Some(injection) = self.injection(Place::Annotation, spelling, definition, context) else {
            return;
        };
        if let Some(literal) = injection.value.literal() {
            self.check_literal(integration, position, config, literal, &definition.value, context);
        }
        let block = self.blocks.entry(integration.index).or_insert_with(|| Block {
            integration: Arc::clone(integration),
            keys: Vec::new(),
            span: key.span,
            places: Vec::new(),
        });
        block.keys.push((position, injection));
        block.places.push(key.span);
    }

    /// Reports a literal that could never be injected.
    fn check_literal(
        &self,
        integration: &Integration,
        position: usize,
        config: &ConfigKey,
        literal: &str,
        written: &Text,
        context: &mut Context,
    ) {
        let urls = &self.scope.known.surroundings.settings.urls;
        let name = quote(&config.name);
        if let Err(violation) = config.schema.check(literal, urls) {
            let message = format!(
                "the value breaks the schema of {name} of integration {}: {}",
                quote(&integration.name),
                violation.message
            );
            let mut problem = Problem::error(Code::BadValue, written.span, message);
            if let Some(suggestion) = violation.suggestion {
                problem = problem
                    .with_help(format!("did you mean {}?", quote(&suggestion)))
                    .with_text(suggestion, true);
            } else if let Some(example) = &config.example {
                problem = problem.with_help(format!("write a value that fits, such as {}", quote(example)));
            }
            let declared = self.scope.known.places.config(&integration.name, config.key());
            context.report(related(problem, declared, format!("{name} is declared here")));
            return;
        }
        let constraint =
            self.scope.constraints.iter().find(|(constraint, _)| {
                constraint.key == position && constraint.integration.index == integration.index
            });
        if let Some((Err(violation), place)) =
            constraint.map(|(constraint, place)| (constraint.schema.check(literal, urls), *place))
        {
            let message = format!(
                "the value breaks what this policy constrains {name} to: {}",
                violation.message
            );
            context.report(
                Problem::error(Code::BadValue, written.span, message)
                    .with_related(place, format!("{name} is constrained here"))
                    .with_help("change the value or the constraint"),
            );
        }
    }

    fn enter_annotation(&mut self, key: &Text, definition: &InjectionDefinition, context: &mut Context) {
        let known = self.scope.known;
        match known.registry.annotation(&key.value) {
            Some(DeclaredKeyRef::Config {
                integration,
                key: position,
                ..
            }) => {
                constraints::warn_if_never_read(integration, self.scope.kinds, key, self.scope.known, context);
                self.enter_config(integration, position, key, definition, context);
            }
            Some(DeclaredKeyRef::State(state)) => {
                let problem = state_key(Place::Annotation, key, &state.integration);
                self.refuse(known.with_state(problem, state), context);
            }
            None => {
                if let Err(problem) = check_injectable(Place::Annotation, key) {
                    self.refuse(problem, context);
                    return;
                }
                warn_if_undeclared(key, known, context);
                self.enter_key(Place::Annotation, key, definition, context);
            }
        }
    }

    fn enter_label(&mut self, key: &Text, definition: &InjectionDefinition, context: &mut Context) {
        match self.scope.known.registry.declared(Place::Label, &key.value) {
            Some(DeclaredKeyRef::State(state)) => {
                let problem = state_key(Place::Label, key, &state.integration);
                self.refuse(self.scope.known.with_state(problem, state), context);
                return;
            }
            Some(DeclaredKeyRef::Config {
                integration,
                key: position,
                ..
            }) => {
                constraints::warn_if_never_read(integration, self.scope.kinds, key, self.scope.known, context);
                if let Some(config) = integration.config.get(position) {
                    let template = Template::parse(&definition.value.value, &self.scope.variables).ok();
                    if let Some(literal) = template.as_ref().and_then(Template::literal) {
                        self.check_literal(integration, position, config, literal, &definition.value, context);
                    }
                }
            }
            None => {}
        }
        if let Err(problem) = check_injectable(Place::Label, key) {
            self.refuse(problem, context);
        } else {
            self.enter_key(Place::Label, key, definition, context);
        }
    }

    fn enter_key(&mut self, place: Place, key: &Text, definition: &InjectionDefinition, context: &mut Context) {
        self.claim(place, &key.value, key, context);
        let Some(injection) = self.injection(place, key.value.clone(), definition, context) else {
            return;
        };
        if let Some(literal) = injection.value.literal() {
            let span = definition.value.span;
            if place == Place::Label && !is_label_value(literal) {
                let message = format!(
                    "expected the value of a label ({LABEL_VALUE_SHAPE}), found {}",
                    quote(literal)
                );
                context.report(
                    Problem::error(Code::BadValue, span, message).with_help("put it into an annotation instead"),
                );
            } else if let Some(credential) = credential_in(literal) {
                let message = format!("expected a value that anybody may read, found {credential}");
                let help = "keep it in a Secret and name the Secret: annotations are copied to Pods and results";
                context.report(Problem::error(Code::Credential, span, message).with_help(help));
            }
        }
        self.keys.push(injection);
    }

    fn refuse(&mut self, problem: Problem, context: &mut Context) {
        context.report(problem);
        self.is_complete = false;
    }

    /// Notes that the policy writes a key, and reports a second time.
    fn claim(&mut self, place: Place, key: &str, written: &Text, context: &mut Context) {
        match self.seen.get(&(place, key.to_owned())) {
            Some(first) => {
                let message = format!("{place} {} is injected twice by this policy", quote(key));
                context.report(
                    Problem::error(Code::DuplicateInjection, written.span, message)
                        .with_related(*first, "first injected here")
                        .with_help("remove one of the two; an alias is the same key"),
                );
            }
            None => {
                self.seen.insert((place, key.to_owned()), written.span);
                self.writes.push(Write {
                    place,
                    key: key.to_owned(),
                    span: written.span,
                });
            }
        }
    }

    fn injection(
        &mut self,
        place: Place,
        key: String,
        definition: &InjectionDefinition,
        context: &mut Context,
    ) -> Option<Injection> {
        let Some(value) = context.template(&definition.value, &self.scope.variables) else {
            self.is_complete = false;
            return None;
        };
        self.note_references(&value);
        Some(Injection {
            place,
            key,
            value,
            on_conflict: definition
                .on_conflict
                .as_ref()
                .map_or(defaults::ON_CONFLICT, |written| written.value),
            on_missing: definition
                .on_missing
                .as_ref()
                .map_or(defaults::ON_MISSING, |written| written.value),
        })
    }

    fn note_references(&mut self, value: &Template) {
        for reference in value.references() {
            match reference {
                Reference::Trigger(_) => self.reads_trigger = true,
                Reference::Variable(name) => {
                    self.used_variables.insert(name.clone());
                }
                Reference::Run(_) => {}
            }
        }
    }

    fn finish(self, context: &mut Context) -> Injections {
        // A key that could not be read may be the very one that a group lacks.
        if self.is_complete {
            for block in self.blocks.values() {
                groups::check(block, self.scope.known.places, context);
            }
        }
        let blocks = self.blocks.into_values().map(|block| IntegrationInjection {
            integration: block.integration,
            keys: block.keys,
        });
        Injections {
            integrations: blocks.collect(),
            keys: self.keys,
            writes: self.writes,
            used_variables: self.used_variables,
            reads_trigger: self.reads_trigger,
            is_complete: self.is_complete,
        }
    }
}

fn state_key(place: Place, key: &Text, integration: &str) -> Problem {
    let message = format!(
        "expected {} {place} that a policy may write, found {}, which is state of integration {}",
        super::key_rules::article(place),
        quote(&key.value),
        quote(integration)
    );
    Problem::error(Code::StateKey, key.span, message).with_help("only the integration itself writes its state")
}
