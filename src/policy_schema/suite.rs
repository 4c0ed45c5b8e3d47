//! The schema of documents of kind Suite.

use serde_json::{Value, json};

use super::terms::{by_default, flag, list, object, refer, text, text_map, texts, with, word, words_of};
use crate::domain::decision::Lineage;
use crate::domain::request::Operation;
use crate::domain::words::FactName;

/// The spec.
pub(super) fn spec() -> Value {
    let fields = [
        (
            "policies",
            texts("Files and folders, relative to this file, as all paths are."),
        ),
        ("cases", list("At least one.", refer("case"))),
    ];
    object(fields, &[])
}

/// A case: a Run, or a recorded review that says operation, old object and namespace itself.
pub(super) fn case() -> Value {
    let says = |schema: Value, description: &str| with(schema, [("description", json!(description))]);
    let operations = [Operation::Create, Operation::Update].map(Operation::word);
    let fields = [
        ("name", text("What the case shows.")),
        ("run", says(refer("run"), "A Run, or the path of its file.")),
        (
            "operation",
            by_default(word("What is done with it.", operations), Operation::Create.word()),
        ),
        (
            "old",
            says(refer("run"), "The Run before an UPDATE, or the path of its file."),
        ),
        ("review", text("Path of a recorded AdmissionReview.")),
        ("user", text("Who sends it.")),
        ("groups", texts("Groups of the user.")),
        ("namespace", text("Where.")),
        (
            "namespaceLabels",
            text_map("Labels of the namespace; unknown without any."),
        ),
        (
            "expect",
            says(refer("expect"), "What must come out; at least one thing."),
        ),
    ];
    let is_written = |field: &str| json!({"required": [field]});
    let is_operation = |operation: Operation| {
        let word = operation.word();
        json!({"properties": {"operation": {"const": word}}, "required": ["operation"]})
    };
    let forbid = |fields: &[&str]| {
        let forbidden = fields.iter().map(|field| ((*field).to_owned(), Value::Bool(false)));
        json!({"properties": forbidden.collect::<serde_json::Map<_, _>>()})
    };
    let conditions = json!([
        {
            "if": is_written("review"),
            "then": forbid(&["run", "operation", "old", "namespace"]),
            "else": is_written("run")
        },
        {"if": is_operation(Operation::Update), "then": is_written("old")},
        {"if": is_operation(Operation::Create), "then": forbid(&["old"])}
    ]);
    with(object(fields, &["name", "expect"]), [("allOf", conditions)])
}

/// A Run, written there or in a file.
pub(super) fn run() -> Value {
    json!({"type": ["string", "object"]})
}

/// What must come out.
pub(super) fn expect() -> Value {
    let names: Vec<&str> = words_of(FactName::WORDS).collect();
    let facts = with(
        text_map("These facts have exactly these values; an empty one is not known."),
        [("propertyNames", json!({"enum": names}))],
    );
    let skip = object(
        [
            ("key", text("Glob of the key.")),
            ("policy", text("Glob of the policy's name.")),
            ("reason", text("Glob of the reason.")),
        ],
        &[],
    );
    let cause = object(
        [
            ("field", text("Glob of the field.")),
            ("message", text("Glob of the message.")),
        ],
        &[],
    );
    let lineages = [Lineage::Root, Lineage::Child, Lineage::Mirror].map(Lineage::word);
    let fields = [
        ("allowed", flag("The verdict of both webhooks.")),
        ("lineage", word("Who stands behind the Run.", lineages)),
        ("copied", flag("Whether the Run is recognised as a copy.")),
        (
            "annotations",
            text_map("The admitted Run has these, with these values."),
        ),
        ("labels", text_map("The admitted Run has these, with these values.")),
        ("absent", texts("Globs: the admitted Run has no such key or finalizer.")),
        ("facts", facts),
        (
            "removed",
            texts("Globs of the keys, finalizers and fields that are taken away."),
        ),
        ("injected", texts("Globs of the keys that are put in.")),
        ("skipped", list("What policies leave out.", skip)),
        ("warnings", texts("Globs of what the client is told.")),
        ("causes", list("Why the Run is refused.", cause)),
        (
            "decision",
            text("File with everything that comes out, within the suite's folder; runstamp test --update writes it."),
        ),
    ];
    object(fields, &[])
}
