//! The JSON Schema of policy files, for editors: what the reader of policy files accepts, as far as a schema can say it.
//!
//! Words come from where the reader has them. A test holds the fields against those that the readers ask for.

mod reference;
mod run_policy;
mod settings;
mod suite;
mod terms;

pub use self::reference::policy_reference;

use serde_json::{Value, json};

use self::terms::{
    by_default, count, exactly_one, flag, integer, list, map, object, reactions, refer, text, texts, with, word,
    words_of,
};
use crate::domain::compile::defaults;
use crate::domain::schema::Format;
use crate::domain::words::{ConfigPlace, EVENTS, FactName, OnChild, Reaction, ResetRule, RunKind, StateKeyUpdates};

const API_VERSION: &str = "runstamp.dev/v1alpha1";

/// The kinds of document: name, the definition of their spec, and what they say.
const KINDS: [(&str, &str, &str); 5] = [
    (
        "Integration",
        "integration",
        "The keys of one integration: configuration and state.",
    ),
    (
        "TriggerSource",
        "triggerSource",
        "Where facts about the trigger come from.",
    ),
    (
        "RunPolicy",
        "runPolicy",
        "What to inject, require and constrain, for which Runs.",
    ),
    (
        "Settings",
        "settings",
        "Who the controllers are, who is exempt, how strict to be.",
    ),
    ("Suite", "suite", "Tests beside the policies."),
];

/// The schema of one document of a policy file, whatever its kind.
///
/// Documents of other API groups pass, as the reader passes over them.
pub fn policy_schema() -> Value {
    let is_ours = json!({
        "type": "object",
        "properties": {"apiVersion": {"type": "string", "pattern": "^runstamp\\.dev(/|$)"}},
        "required": ["apiVersion"]
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Runstamp policies, runstamp.dev/v1alpha1",
        "type": ["object", "null"],
        "required": ["apiVersion"],
        "properties": {
            "apiVersion": {"type": "string", "default": API_VERSION},
            "kind": {"description": "What the document says."}
        },
        "if": is_ours,
        "then": {"$ref": "#/$defs/document"},
        "$defs": definitions()
    })
}

fn definitions() -> Value {
    json!({
        "document": document(),
        "metadata": metadata(),
        "integration": integration(),
        "configKey": config_key(),
        "rule": rule(),
        "stateKey": state_key(),
        "finalizer": finalizer(),
        "creator": creator(),
        "triggerSource": trigger_source(),
        "when": when(),
        "fact": fact(),
        "runPolicy": run_policy::spec(),
        "selector": run_policy::selector(),
        "condition": run_policy::condition(),
        "variable": run_policy::variable(),
        "injection": run_policy::injection(),
        "constraint": run_policy::constraint(),
        "settings": settings::spec(),
        "suite": suite::spec(),
        "case": suite::case(),
        "run": suite::run(),
        "expect": suite::expect()
    })
}

fn document() -> Value {
    let kinds: Vec<&str> = KINDS.iter().map(|(kind, ..)| *kind).collect();
    let branches: Vec<Value> = KINDS
        .iter()
        .map(|(kind, definition, description)| {
            json!({
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {
                    "properties": {
                        "spec": {"description": description, "$ref": format!("#/$defs/{definition}")}
                    }
                }
            })
        })
        .collect();
    let fields = [
        ("apiVersion", json!({"const": API_VERSION})),
        ("kind", json!({"description": "What the document says.", "enum": kinds})),
        ("metadata", json!({"$ref": "#/$defs/metadata"})),
        ("spec", json!({"description": "What it says."})),
    ];
    with(
        object(fields, &["apiVersion", "kind", "metadata", "spec"]),
        [("allOf", json!(branches))],
    )
}

fn metadata() -> Value {
    let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let name = json!({
        "description": "A DNS name in lower case: it appears in metrics and audit records.",
        "type": "string",
        "pattern": format!("^{label}(\\.{label})*$"),
        "maxLength": 253
    });
    let ignored = json!({"description": "For other tools; not read."});
    let annotations = json!({
        "description": "For other tools, but one: runstamp.dev/accept lists the codes of warnings that are meant, with commas."
    });
    let fields = [("name", name), ("labels", ignored), ("annotations", annotations)];
    object(fields, &["name"])
}

fn replace_builtin() -> (&'static str, Value) {
    let description = "This document instead of the built-in one of its kind and name, which must exist.";
    ("replaceBuiltin", by_default(flag(description), false))
}

fn kinds() -> (&'static str, Value) {
    let kind = word("", words_of(RunKind::WORDS));
    ("kinds", list("Kinds of Run; all without it.", kind))
}

fn integration() -> Value {
    let state = object(
        [
            ("annotations", list("Annotations.", refer("stateKey"))),
            ("labels", list("Labels.", refer("stateKey"))),
            ("finalizers", list("Finalizers.", refer("finalizer"))),
        ],
        &[],
    );
    let fields = [
        replace_builtin(),
        ("description", text("What the integration does, for people.")),
        (
            "prefix",
            text("DNS name before the slash of its keys; one integration a prefix."),
        ),
        kinds(),
        (
            "unknownKeys",
            by_default(
                reactions(
                    "What an undeclared annotation under the prefix meets.",
                    [Reaction::Allow, Reaction::Warn, Reaction::Deny],
                ),
                defaults::UNKNOWN_KEYS.word(),
            ),
        ),
        validation_action("What a malformed value or a broken rule meets."),
        (
            "config",
            map(
                "What users and policies set: keys and their values.",
                refer("configKey"),
            ),
        ),
        ("rules", list("What must hold between several keys.", refer("rule"))),
        (
            "state",
            with(state, [("description", json!("What only the integration writes."))]),
        ),
    ];
    object(fields, &[])
}

fn validation_action(description: &str) -> (&'static str, Value) {
    let words = [Reaction::Deny, Reaction::Warn, Reaction::Audit];
    let action = reactions(description, words);
    (
        "validationAction",
        by_default(action, defaults::VALIDATION_ACTION.word()),
    )
}

/// What says of a value what it is for.
fn documentation() -> Vec<(&'static str, Value)> {
    vec![
        ("description", text("What the value is, for people.")),
        ("source", text("The file or report that says so, for people.")),
        ("example", text("A value that fits.")),
    ]
}

/// What says which values fit.
fn value_terms() -> Vec<(&'static str, Value)> {
    let mut terms = documentation();
    terms.extend([
        (
            "format",
            word("What a value is.", Format::ALL.into_iter().map(Format::name)),
        ),
        (
            "pattern",
            text("A regular expression for the whole value; anchors are implied."),
        ),
        ("patternMessage", text("What the pattern means: the refusal says it.")),
        ("enum", texts("The only values.")),
        ("minLength", count("Least number of characters.")),
        ("maxLength", count("Greatest number of characters.")),
        ("minimum", integer("Least whole number; only with format int64.")),
        ("maximum", integer("Greatest whole number; only with format int64.")),
        ("schemes", texts("Of a URL; only with format uri or git-url.")),
        ("hosts", word("any lets a uri lead to internal hosts.", ["any"])),
    ]);
    terms
}

fn template() -> (&'static str, Value) {
    let description = "Lets $(…) and {{…}} stand in the value.";
    ("template", by_default(flag(description), false))
}

fn config_key() -> Value {
    let mut fields = value_terms();
    fields.extend([
        template(),
        (
            "required",
            by_default(flag("Must be set once any key of the integration is."), false),
        ),
        ("aliases", texts("Other spellings of this key.")),
        (
            "place",
            by_default(
                word("Where it stands.", words_of(ConfigPlace::WORDS)),
                defaults::PLACE.word(),
            ),
        ),
    ]);
    object(fields, &[])
}

fn rule() -> Value {
    let fields = [
        ("together", texts("All are set, or none.")),
        ("key", text("The key that needs others; only with requires.")),
        ("requires", texts("Where key is set, so are these.")),
        ("exclusive", texts("At most one is set.")),
        (
            "anyOf",
            texts("At least one is set, once any key of the integration is."),
        ),
    ];
    with(
        object(fields, &[]),
        [
            exactly_one(&["together", "requires", "exclusive", "anyOf"]),
            ("dependentRequired", json!({"requires": ["key"], "key": ["requires"]})),
        ],
    )
}

fn state_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("key", text("Absolute; one * may stand after the slash.")),
        ("writers", texts("Identities that may change it later.")),
        ("fieldManagers", texts("Names of the writers in managedFields.")),
        ("creators", list("Who may set it at creation.", refer("creator"))),
        kinds(),
        (
            "namespaced",
            by_default(flag("A value begins with a namespace and a slash."), false),
        ),
        (
            "reset",
            by_default(
                word("When a Root loses it.", words_of(ResetRule::WORDS)),
                defaults::RESET.word(),
            ),
        ),
        (
            "onChild",
            by_default(
                word("Whether a Child keeps it.", words_of(OnChild::WORDS)),
                defaults::ON_CHILD.word(),
            ),
        ),
        (
            "updates",
            word(
                "What a change by others than the writers meets; as Settings say without it.",
                words_of(StateKeyUpdates::WORDS),
            ),
        ),
    ]
}

fn state_key() -> Value {
    let mut fields = state_fields();
    fields.extend(value_terms());
    object(fields, &["key"])
}

fn finalizer() -> Value {
    let mut fields = state_fields();
    fields.extend(documentation());
    object(fields, &["key"])
}

fn creator() -> Value {
    let fields = [
        ("identity", text("Name of an identity of Settings.")),
        ("values", text("Pattern of the values that it sets.")),
    ];
    object(fields, &["identity"])
}

fn trigger_source() -> Value {
    let names: Vec<&str> = words_of(FactName::WORDS).collect();
    let facts = with(
        map("Facts and where they come from.", refer("fact")),
        [("propertyNames", json!({"enum": names}))],
    );
    let fields = [
        replace_builtin(),
        (
            "precedence",
            by_default(integer("Higher speaks first."), defaults::PRECEDENCE),
        ),
        ("users", texts("Identities whose word is trusted.")),
        (
            "when",
            list("The source speaks where all of these hold.", refer("when")),
        ),
        ("facts", facts),
    ];
    object(fields, &[])
}

fn places() -> [(&'static str, Value); 3] {
    [
        ("annotation", text("Key of an annotation.")),
        ("label", text("Key of a label.")),
        ("path", text("JSONPath of RFC 9535 over the whole Run.")),
    ]
}

fn when() -> Value {
    let mut fields = places().to_vec();
    fields.push(("values", texts("It has one of these values; without it, it is there.")));
    with(object(fields, &[]), [exactly_one(&["annotation", "label", "path"])])
}

fn fact() -> Value {
    let mut fields = places().to_vec();
    fields.extend([
        ("params", texts("Names of params, in order.")),
        ("value", text("A value of the source's own.")),
        ("pattern", text("Cuts out group 1.")),
        ("map", map("Words and their translations.", text(""))),
        ("when", list("Only where all of these hold.", refer("when"))),
    ]);
    let forms = ["annotation", "label", "params", "path", "value"];
    with(object(fields, &[]), [exactly_one(&forms)])
}

/// The canonical events.
fn event() -> Value {
    word("", EVENTS)
}
