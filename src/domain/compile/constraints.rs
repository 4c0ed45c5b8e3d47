//! Compiles what a RunPolicy constrains and requires.

use std::collections::HashMap;
use std::sync::Arc;

use super::context::{Context, listed, quote};
use super::key_rules::{check_syntax, warn_if_undeclared};
use super::places::related;
use super::policies::Known;
use super::schemas;
use crate::domain::definition::{Mapping, RequireDefinition, SchemaDefinition, Text};
use crate::domain::integration::{ConfigKey, Integration};
use crate::domain::policy::Constraint;
use crate::domain::schema::ValueSchema;
use crate::domain::source::{Code, Problem, Span};
use crate::domain::words::{Place, RunKind};

/// Compiles tighter schemas, each with the place of its key.
pub(super) fn compile(
    definitions: &Mapping<Mapping<SchemaDefinition>>,
    kinds: &[RunKind],
    known: &Known<'_>,
    context: &mut Context,
) -> Vec<(Constraint, Span)> {
    let mut constraints = Vec::new();
    for (name, keys) in definitions {
        let Some(integration) = known.integration(name, context) else {
            continue;
        };
        warn_if_never_read(integration, kinds, name, known, context);
        let mut seen: HashMap<usize, Span> = HashMap::new();
        for (key, definition) in keys {
            let Some((position, _)) = known.config_key(integration, key, context) else {
                continue;
            };
            if let Some(first) = seen.insert(position, key.span) {
                let message = format!("the key {} is constrained twice, in two spellings", quote(&key.value));
                context.report(
                    Problem::error(Code::DuplicateEntry, key.span, message)
                        .with_related(first, "first constrained here"),
                );
            }
            let base = integration.config.get(position).map(|config| &config.schema);
            let schema = schemas::compile(definition, base, &known.surroundings.settings.urls, context);
            if let Some(config) = integration.config.get(position) {
                warn_if_impossible(definition, &schema, config, integration, (key, known), context);
            }
            let constraint = Constraint {
                integration: Arc::clone(integration),
                key: position,
                schema,
            };
            constraints.push((constraint, key.span));
        }
    }
    constraints
}

/// Warns about a constraint that admits nothing of what the schema of the key admits.
fn warn_if_impossible(
    definition: &SchemaDefinition,
    schema: &ValueSchema,
    config: &ConfigKey,
    integration: &Integration,
    (key, known): (&Text, &Known<'_>),
    context: &mut Context,
) {
    let urls = &known.surroundings.settings.urls;
    let base = &config.schema;
    let none_fits = |values: &[String], schema: &ValueSchema| {
        !values.is_empty() && values.iter().all(|value| schema.check(value, urls).is_err())
    };
    let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let is_above = |least: Option<i64>, most: Option<i64>| least.zip(most).is_some_and(|(least, most)| least > most);
    let lengths = |schema: &ValueSchema| (schema.min_length.map(length), schema.max_length.map(length));
    let ((least, most), (base_least, base_most)) = (lengths(schema), lengths(base));
    let written = |term: Option<Span>| term.unwrap_or(key.span);
    let (place, why) = if none_fits(&schema.enum_values, base) {
        let values = definition.enum_values.as_ref().and_then(|values| values.first());
        let place = written(values.map(|value| value.span));
        (place, "the integration admits none of these values")
    } else if none_fits(&base.enum_values, schema) {
        (
            key.span,
            "the constraint admits none of the values that the integration admits",
        )
    } else if is_above(least, base_most) {
        let place = written(definition.min_length.as_ref().map(|term| term.span));
        (place, "a value may not be as long as that")
    } else if is_above(base_least, most) {
        let place = written(definition.max_length.as_ref().map(|term| term.span));
        (place, "a value may not be as short as that")
    } else if is_above(schema.minimum, base.maximum) {
        let place = written(definition.minimum.as_ref().map(|term| term.span));
        (place, "a value may not be as great as that")
    } else if is_above(base.minimum, schema.maximum) {
        let place = written(definition.maximum.as_ref().map(|term| term.span));
        (place, "a value may not be as small as that")
    } else {
        return;
    };
    let message = format!(
        "no value of {} of integration {} fits this constraint: every Run that sets it would be refused",
        quote(&config.name),
        quote(&integration.name)
    );
    let problem = Problem::warning(Code::ImpossibleConstraint, place, message).with_label(why);
    let declared = known.places.config(&integration.name, config.key());
    context.report(
        related(problem, declared, format!("{} is declared here", quote(&config.name)))
            .with_help("constrain to something that the integration admits"),
    );
}

/// The integrations whose keys must be complete.
pub(super) fn required_integrations(
    definition: &RequireDefinition,
    kinds: &[RunKind],
    known: &Known<'_>,
    context: &mut Context,
) -> Vec<Arc<Integration>> {
    context.refuse_repeats("integration", &definition.integrations);
    let mut integrations = Vec::new();
    for name in &definition.integrations {
        if let Some(integration) = known.integration(name, context) {
            warn_if_never_read(integration, kinds, name, known, context);
            integrations.push(Arc::clone(integration));
        }
    }
    integrations
}

/// Reports annotations that no Run could ever have.
pub(super) fn check_required_annotations(definition: &RequireDefinition, known: &Known<'_>, context: &mut Context) {
    context.refuse_repeats("annotation", &definition.annotations);
    for key in &definition.annotations {
        if let Err(problem) = check_syntax(Place::Annotation, &key.value, key) {
            context.report(problem);
        } else if let Some(state) = known.registry.state(Place::Annotation, &key.value) {
            let message = format!(
                "expected an annotation that a user can set, found {}, which is state of integration {}",
                quote(&key.value),
                quote(&state.integration)
            );
            let problem = known.with_state(Problem::error(Code::StateKey, key.span, message), state);
            context.report(problem.with_help("it is removed from every new Run, so none could ever be admitted"));
        } else {
            warn_if_undeclared(key, known, context);
        }
    }
}

/// Warns where an integration reads none of the kinds that a policy is for.
pub(super) fn warn_if_never_read(
    integration: &Integration,
    kinds: &[RunKind],
    name: &Text,
    known: &Known<'_>,
    context: &mut Context,
) {
    if !kinds.is_empty() && !integration.kinds.is_empty() && !kinds.iter().any(|kind| integration.kinds.contains(kind))
    {
        let words = |kinds: &[RunKind]| listed(&kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>());
        let message = format!(
            "integration {} reads {}, and this policy is for {}: it has no effect there",
            quote(&integration.name),
            words(&integration.kinds),
            words(kinds)
        );
        let problem = Problem::warning(Code::UnreadKind, name.span, message).with_help("change the kinds of the match");
        let declared = known.places.kinds(&integration.name);
        context.report(related(problem, declared, "the kinds that it reads"));
    }
}
