//! Reads documents of kind Integration.

use super::document::{self, Document};
use super::fields::{Fields, fields};
use super::problems::Problems;
use super::schema;
use super::tree::Node;
use super::values;
use crate::domain::definition::{
    CreatorDefinition, IntegrationDefinition, RuleDefinition, RuleTerms, SchemaDefinition, StateDefinition, Text,
};
use crate::domain::source::{Code, Located, Problem};
use crate::domain::words::{OnChild, Reaction, ResetRule, RunKind, StateKeyUpdates};

/// The annotations, labels and finalizers that only the integration writes.
#[derive(Default)]
struct State {
    annotations: Vec<StateDefinition>,
    labels: Vec<StateDefinition>,
    finalizers: Vec<StateDefinition>,
}

/// The spec of an Integration.
pub(super) fn integration(document: Document, problems: &mut Problems) -> Option<IntegrationDefinition> {
    document::spec(document, "the spec of an Integration", problems, |header, fields| {
        let state = fields.section("state", "the state of an Integration", |fields| State {
            annotations: fields.list("annotations", "state keys", state_key),
            labels: fields.list("labels", "state keys", state_key),
            finalizers: fields.list("finalizers", "finalizers", finalizer),
        });
        IntegrationDefinition {
            header: document::replaceable(header, fields),
            description: fields.text("description"),
            prefix: fields.text("prefix"),
            kinds: fields.words("kinds", RunKind::WORDS),
            unknown_keys: fields.word(
                "unknownKeys",
                &reactions([Reaction::Allow, Reaction::Warn, Reaction::Deny]),
            ),
            validation_action: validation_action(fields),
            config: fields.map("config", "keys and their schemas", schema::config_schema),
            rules: fields.list("rules", "rules", rule),
            annotations: state.annotations,
            labels: state.labels,
            finalizers: state.finalizers,
        }
    })
}

/// The field `validationAction`.
pub(super) fn validation_action(fields: &mut Fields<'_>) -> Option<Located<Reaction>> {
    fields.word(
        "validationAction",
        &reactions([Reaction::Deny, Reaction::Warn, Reaction::Audit]),
    )
}

/// Reactions with their words.
pub(super) fn reactions(allowed: [Reaction; 3]) -> [(&'static str, Reaction); 3] {
    allowed.map(|reaction| (reaction.word(), reaction))
}

fn state_key(node: Node, problems: &mut Problems) -> Option<StateDefinition> {
    let read = |fields: &mut Fields<'_>| {
        let key = fields.required("key", values::text);
        let schema = schema::value_terms(fields);
        state_definition(key, schema, fields)
    };
    fields(node, "a state key", problems, read)?
}

fn finalizer(node: Node, problems: &mut Problems) -> Option<StateDefinition> {
    let read = |fields: &mut Fields<'_>| {
        let key = fields.required("key", values::text);
        let schema = schema::documentation(fields);
        state_definition(key, schema, fields)
    };
    fields(node, "a finalizer", problems, read)?
}

fn state_definition(key: Option<Text>, schema: SchemaDefinition, fields: &mut Fields<'_>) -> Option<StateDefinition> {
    let writers = fields.texts("writers").unwrap_or_default();
    let field_managers = fields.texts("fieldManagers").unwrap_or_default();
    let creators = fields.list("creators", "mappings with identity and values", creator);
    let kinds = fields.words("kinds", RunKind::WORDS);
    let namespaced = fields.boolean("namespaced");
    let reset = fields.word("reset", ResetRule::WORDS);
    let on_child = fields.word("onChild", OnChild::WORDS);
    let updates = fields.word("updates", StateKeyUpdates::WORDS);
    Some(StateDefinition {
        key: key?,
        writers,
        field_managers,
        creators,
        kinds,
        namespaced,
        reset,
        on_child,
        updates,
        schema,
    })
}

fn creator(node: Node, problems: &mut Problems) -> Option<CreatorDefinition> {
    fields(node, "a creator", problems, |fields| {
        let identity = fields.required("identity", values::text);
        let values = fields.text("values");
        Some(CreatorDefinition {
            identity: identity?,
            values,
        })
    })?
}

fn rule(node: Node, problems: &mut Problems) -> Option<RuleDefinition> {
    fields(node, "a rule", problems, |fields| {
        let span = fields.place();
        let together = fields.texts("together");
        let key = fields.text("key");
        let requires = fields.texts("requires");
        let exclusive = fields.texts("exclusive");
        let any_of = fields.texts("anyOf");
        if !fields.exactly_one_of(&["together", "requires", "exclusive", "anyOf"]) {
            return None;
        }
        if fields.has("requires") && !fields.has("key") {
            let problem = Problem::error(Code::MissingField, span, "a rule with requires needs the field \"key\"");
            fields.report(problem.with_help("write key: and the key that needs the others"));
        }
        if let (Some(key), false) = (&key, fields.has("requires")) {
            let problem = Problem::error(Code::MisplacedField, key.span, "a rule has a key only beside requires");
            fields.report(problem.with_help("write the key into the list of the rule"));
        }
        let rule = match (together, key.zip(requires), exclusive, any_of) {
            (Some(keys), ..) => RuleTerms::Together(keys),
            (_, Some((key, requires)), ..) => RuleTerms::Requires { key, requires },
            (_, _, Some(keys), _) => RuleTerms::Exclusive(keys),
            (.., Some(keys)) => RuleTerms::AnyOf(keys),
            _ => return None,
        };
        Some(RuleDefinition { span, rule })
    })?
}
