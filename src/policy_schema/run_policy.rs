//! The schema of documents of kind RunPolicy.

use serde_json::{Value, json};

use super::terms::{by_default, flag, integer, list, map, object, refer, text, text_map, texts, with, word, words_of};
use super::{event, kinds, template, validation_action, value_terms};
use crate::domain::compile::defaults;
use crate::domain::selector::Operator as SelectorOperator;
use crate::domain::words::{Mode, OnConflict, OnMissing, Operator};

/// The spec.
pub(super) fn spec() -> Value {
    let inject = object(
        [
            (
                "integrations",
                map("Keys of Integrations, in any spelling.", map("", refer("injection"))),
            ),
            ("annotations", map("Annotations by absolute key.", refer("injection"))),
            ("labels", map("Labels by absolute key.", refer("injection"))),
        ],
        &[],
    );
    let require = object(
        [
            ("integrations", texts("Integrations whose required keys must be set.")),
            ("annotations", texts("Annotations that must be set, in any spelling.")),
        ],
        &[],
    );
    let constrain = object(
        [(
            "integrations",
            map("Integrations and their keys.", map("", refer("constraint"))),
        )],
        &[],
    );
    let say = |schema: Value, description: &str| with(schema, [("description", json!(description))]);
    let fields = [
        ("priority", by_default(integer("Higher first."), defaults::PRIORITY)),
        (
            "mode",
            by_default(
                word("Shadow decides and counts, and changes nothing.", words_of(Mode::WORDS)),
                defaults::MODE.word(),
            ),
        ),
        ("match", say(matches(), "Which Runs: all that is written must hold.")),
        ("variables", list("Named values out of the Run.", refer("variable"))),
        ("inject", say(inject, "What to put in.")),
        ("require", say(require, "What must be there.")),
        (
            "constrain",
            say(constrain, "A tighter schema for keys of an integration."),
        ),
        validation_action("What a breach of require or constrain meets."),
    ];
    object(fields, &[])
}

fn matches() -> Value {
    let trigger = object(
        [
            (
                "sources",
                texts("The repository facts come from one of these TriggerSources."),
            ),
            ("providers", texts("The fact provider is one of these.")),
            ("hosts", texts("The fact host is one of these.")),
            ("events", list("The fact event is one of these.", event())),
            ("trusted", flag("The source of the repository facts trusts the user.")),
        ],
        &[],
    );
    let selects = |description: &str| with(refer("selector"), [("description", json!(description))]);
    let fields = [
        kinds(),
        ("namespaces", texts("Globs of namespaces.")),
        ("excludeNamespaces", texts("Globs of namespaces that are out.")),
        ("namespaceSelector", selects("The labels of the namespace.")),
        ("selector", selects("The labels of the Run.")),
        ("users", texts("Globs of the names of users who create the Run.")),
        (
            "trigger",
            with(trigger, [("description", json!("What triggered the Run."))]),
        ),
        ("where", list("Conditions on any field.", refer("condition"))),
    ];
    object(fields, &[])
}

/// A label selector of Kubernetes.
pub(super) fn selector() -> Value {
    let expression = object(
        [
            ("key", text("Key of a label.")),
            (
                "operator",
                word("How it is compared.", SelectorOperator::ALL.map(SelectorOperator::name)),
            ),
            ("values", texts("With In and NotIn.")),
        ],
        &["key", "operator"],
    );
    let fields = [
        ("matchLabels", text_map("Labels and their values.")),
        ("matchExpressions", list("Expressions that all hold.", expression)),
    ];
    object(fields, &[])
}

/// A condition of `where`.
pub(super) fn condition() -> Value {
    let fields = [
        ("path", text("JSONPath of RFC 9535 over the whole Run.")),
        ("operator", word("How it is compared.", words_of(Operator::WORDS))),
        ("values", texts("With In, NotIn and Matches.")),
    ];
    object(fields, &["path", "operator"])
}

/// A variable.
pub(super) fn variable() -> Value {
    let fields = [
        ("name", text("For $(vars.NAME).")),
        ("path", text("JSONPath of RFC 9535 over the whole Run.")),
        ("pattern", text("Cuts out group 1.")),
        ("default", text("Instead of an absent value.")),
    ];
    object(fields, &["name", "path"])
}

/// A value to inject, in its short or its long form.
pub(super) fn injection() -> Value {
    let fields = [
        (
            "value",
            text("A template: $(trigger.FACT), $(vars.NAME), $(run.FIELD); $$( for a literal $(."),
        ),
        (
            "onConflict",
            by_default(
                word("When the user set another value.", words_of(OnConflict::WORDS)),
                defaults::ON_CONFLICT.word(),
            ),
        ),
        (
            "onMissing",
            by_default(
                word("When something it needs is absent.", words_of(OnMissing::WORDS)),
                defaults::ON_MISSING.word(),
            ),
        ),
    ];
    json!({"anyOf": [{"type": "string"}, object(fields, &["value"])]})
}

/// A tighter schema for one key.
pub(super) fn constraint() -> Value {
    let mut fields = value_terms();
    fields.push(template());
    object(fields, &[])
}
