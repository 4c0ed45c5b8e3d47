//! Compiles what a RunPolicy constrains and requires.

use std::collections::HashMap;
use std::sync::Arc;

use super::context::{Context, listed, quote};
use super::key_rules::{check_syntax, warn_if_undeclared};
use super::policies::Known;
use super::schemas;
use crate::domain::definition::{Mapping, RequireDefinition, SchemaDefinition, Text};
use crate::domain::integration::Integration;
use crate::domain::policy::Constraint;
use crate::domain::source::{Problem, Span};
use crate::domain::words::{Place, RunKind};

/// Compiles tighter schemas.
pub(super) fn compile(
    definitions: &Mapping<Mapping<SchemaDefinition>>,
    kinds: &[RunKind],
    known: &Known<'_>,
    context: &mut Context,
) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for (name, keys) in definitions {
        let Some(integration) = known.integration(name, context) else {
            continue;
        };
        warn_if_never_read(integration, kinds, name, context);
        let mut seen: HashMap<usize, Span> = HashMap::new();
        for (key, definition) in keys {
            let Some((position, _)) = known.config_key(integration, key, context) else {
                continue;
            };
            if let Some(first) = seen.insert(position, key.span) {
                let message = format!("the key {} is constrained twice, in two spellings", quote(&key.value));
                context.report(Problem::error(key.span, message).with_related(first, "first constrained here"));
            }
            let base = integration.config.get(position).map(|config| &config.schema);
            let schema = schemas::compile(definition, base, &known.surroundings.settings.urls, context);
            constraints.push(Constraint {
                integration: Arc::clone(integration),
                key: position,
                schema,
            });
        }
    }
    constraints
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
            warn_if_never_read(integration, kinds, name, context);
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
            let problem = Problem::error(key.span, message);
            context.report(problem.with_help("it is removed from every new Run, so none could ever be admitted"));
        } else {
            warn_if_undeclared(key, known, context);
        }
    }
}

/// Warns where an integration reads none of the kinds that a policy is for.
pub(super) fn warn_if_never_read(integration: &Integration, kinds: &[RunKind], name: &Text, context: &mut Context) {
    if !kinds.is_empty() && !integration.kinds.is_empty() && !kinds.iter().any(|kind| integration.kinds.contains(kind))
    {
        let words = |kinds: &[RunKind]| listed(&kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>());
        let message = format!(
            "integration {} reads {}, and this policy is for {}: it has no effect there",
            quote(&integration.name),
            words(&integration.kinds),
            words(kinds)
        );
        context.report(Problem::warning(name.span, message).with_help("change the kinds of the match"));
    }
}
