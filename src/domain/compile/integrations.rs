//! Compiles Integrations: config keys, rules and state keys.

use std::sync::Arc;

use super::context::{Context, quote};
use super::declarations::Declarations;
use super::key_rules::absolute;
use super::settings::Surroundings;
use super::{defaults, rules, schemas, state_keys};
use crate::domain::definition::{IntegrationDefinition, SchemaDefinition, Text};
use crate::domain::integration::{ConfigKey, Integration};
use crate::domain::schema::ValueSchema;
use crate::domain::source::{Code, Located, Problem};
use crate::domain::words::{Place, RunKind};

/// The config key that every prefix knows (community PR #147).
const VERSION_KEY: &str = "version";

/// Compiles every Integration; the definitions are sorted by name, and so is what comes out.
pub(super) fn compile(
    definitions: &[IntegrationDefinition],
    surroundings: &Surroundings,
    context: &mut Context,
) -> Vec<Arc<Integration>> {
    let declarations = Declarations::new(definitions, context);
    definitions
        .iter()
        .enumerate()
        .map(|(index, definition)| Arc::new(integration(index, definition, &declarations, surroundings, context)))
        .collect()
}

fn integration(
    index: usize,
    definition: &IntegrationDefinition,
    declarations: &Declarations,
    surroundings: &Surroundings,
    context: &mut Context,
) -> Integration {
    let name: Arc<str> = definition.header.name.value.as_str().into();
    let prefix = definition.prefix.as_ref().map(|prefix| prefix.value.clone());
    let mut config: Vec<ConfigKey> = definition
        .config
        .iter()
        .flat_map(|(key, schema)| config_keys(prefix.as_deref(), key, schema, surroundings, context))
        .collect();
    config.extend(prefix.as_deref().and_then(|prefix| version_key(prefix, declarations)));
    let rules = rules::compile(&definition.rules, &name, prefix.as_deref(), &config, context);
    check_purpose(definition, context);
    Integration {
        index,
        description: text_or_empty(&definition.description),
        kinds: kinds(definition.kinds.as_deref(), &definition.header.name, context),
        unknown_keys: definition
            .unknown_keys
            .as_ref()
            .map_or(defaults::UNKNOWN_KEYS, |written| written.value),
        validation_action: definition
            .validation_action
            .as_ref()
            .map_or(defaults::VALIDATION_ACTION, |written| written.value),
        rules,
        state: state_keys::compile(index, &name, definition, surroundings, context),
        config,
        prefix,
        name,
    }
}

/// What is written, or an empty string.
pub(super) fn text_or_empty(written: &Option<Text>) -> String {
    written.as_ref().map(|text| text.value.clone()).unwrap_or_default()
}

/// The kinds as written, each once and in the order of the documentation; all of them where none was written.
pub(super) fn kinds(written: Option<&[Located<RunKind>]>, name: &Text, context: &mut Context) -> Vec<RunKind> {
    if written.is_some_and(<[_]>::is_empty) {
        let message = format!(
            "expected at least one kind of Run for {}, found an empty list",
            quote(&name.value)
        );
        context
            .report(Problem::error(Code::EmptyList, name.span, message).with_help("remove kinds to mean all of them"));
    }
    let is_meant = |kind: RunKind| written.is_none_or(|written| written.iter().any(|written| written.value == kind));
    RunKind::WORDS
        .iter()
        .map(|(_, kind)| *kind)
        .filter(|kind| is_meant(*kind))
        .collect()
}

/// One key for each place where it stands.
fn config_keys(
    prefix: Option<&str>,
    key: &Text,
    definition: &SchemaDefinition,
    surroundings: &Surroundings,
    context: &mut Context,
) -> Vec<ConfigKey> {
    let place = definition.place.as_ref().map_or(defaults::PLACE, |place| place.value);
    if let (Some(required), false) = (&definition.required, place.places().contains(&Place::Annotation)) {
        let problem = Problem::error(
            Code::MisplacedField,
            required.span,
            "a label cannot be required: rules speak of annotations",
        );
        context.report(problem.with_help("remove required"));
    }
    let schema = schemas::compile(definition, None, &surroundings.settings.urls, context);
    let spelling = |written: &Text| absolute(prefix, &written.value).unwrap_or_else(|| written.value.clone());
    let in_place = |place: &Place| ConfigKey {
        place: *place,
        name: key.value.clone(),
        spellings: std::iter::once(key).chain(&definition.aliases).map(spelling).collect(),
        schema: schema.clone(),
        required: *place == Place::Annotation && definition.required.as_ref().is_some_and(|required| required.value),
        description: text_or_empty(&definition.description),
        example: definition.example.as_ref().map(|example| example.value.clone()),
        source: definition.source.as_ref().map(|source| source.value.clone()),
    };
    place.places().iter().map(in_place).collect()
}

/// The key that every prefix knows, unless somebody declares it.
fn version_key(prefix: &str, declarations: &Declarations) -> Option<ConfigKey> {
    let key = format!("{prefix}/{VERSION_KEY}");
    if declarations.has_annotation(&key) {
        return None;
    }
    Some(ConfigKey {
        name: VERSION_KEY.to_owned(),
        spellings: vec![key],
        place: Place::Annotation,
        schema: ValueSchema::default(),
        required: false,
        description: "Version of the integration that the Run is written for.".to_owned(),
        example: None,
        source: Some("tektoncd/community#147".to_owned()),
    })
}

/// Reports an Integration that declares nothing, and terms that have nothing to work on.
fn check_purpose(definition: &IntegrationDefinition, context: &mut Context) {
    let has_state = [&definition.annotations, &definition.labels, &definition.finalizers]
        .iter()
        .any(|states| !states.is_empty());
    let name = &definition.header.name;
    if definition.prefix.is_none() && definition.config.is_empty() && !has_state {
        let message = format!("integration {} declares no key", quote(&name.value));
        context.report(
            Problem::warning(Code::IdleDocument, name.span, message).with_help("give it a prefix, config or state"),
        );
    }
    if let (Some(unknown_keys), None) = (&definition.unknown_keys, &definition.prefix) {
        let message = "unknownKeys speaks of the keys under a prefix, and there is none";
        let problem = Problem::error(Code::MisplacedField, unknown_keys.span, message);
        context.report(problem.with_help("give the integration a prefix, or remove unknownKeys"));
    }
}
