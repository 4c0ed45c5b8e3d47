//! Reads documents of kind Suite: tests beside the policies.

use super::document::{self, Document};
use super::fields::{Fields, fields};
use super::inline;
use super::problems::{Problems, quoted};
use super::tree::{Kind, Node};
use super::values::{self, Expected};
use crate::domain::decision::Lineage;
use crate::domain::definition::{
    CaseDefinition, ExpectDefinition, ExpectedCause, ExpectedSkip, Mapping, RunDefinition, SubjectDefinition,
    SuiteDefinition, Text,
};
use crate::domain::request::Operation;
use crate::domain::source::{Code, Located, Problem, Span};
use crate::domain::suggest;
use crate::domain::words::FactName;

/// The spec of a Suite.
pub(super) fn suite(document: Document, problems: &mut Problems) -> Option<SuiteDefinition> {
    document::spec(document, "the spec of a Suite", problems, |header, fields| {
        SuiteDefinition {
            name: header.name,
            policies: fields.texts("policies").unwrap_or_default(),
            cases: fields.list("cases", "cases", case),
        }
    })
}

fn case(node: Node, problems: &mut Problems) -> Option<CaseDefinition> {
    fields(node, "a case", problems, |fields| {
        let name = fields.required("name", values::text);
        let subject = subject(fields);
        let user = fields.text("user");
        let groups = fields.texts("groups").unwrap_or_default();
        let namespace = fields.text("namespace");
        if let (Some(SubjectDefinition::Recorded(_)), Some(namespace)) = (&subject, &namespace) {
            fields.report(said_by_review(namespace.span, "namespace"));
        }
        let namespace_labels = fields.map("namespaceLabels", "labels of the namespace", values::text);
        let expect = fields.required("expect", |node, problems| {
            super::fields::fields(node, "what a case expects", problems, expect)
        });
        Some(CaseDefinition {
            name: name?,
            subject: subject?,
            user,
            groups,
            namespace,
            namespace_labels,
            expect: expect?,
        })
    })?
}

/// A Run with the operation and what it was before, or a recorded review that says all of that itself.
fn subject(fields: &mut Fields<'_>) -> Option<SubjectDefinition> {
    if fields.has("review") {
        let review = fields.text("review");
        for name in ["run", "operation", "old"] {
            if let Some(node) = fields.take(name) {
                fields.report(said_by_review(node.span, name));
            }
        }
        return review.map(SubjectDefinition::Recorded);
    }
    let run = fields.required("run", run);
    let operation = fields.word("operation", &OPERATIONS);
    let is_old_written = fields.has("old");
    let old = fields.with("old", self::run);
    match (operation, is_old_written) {
        (Some(operation), true) if operation.value == Operation::Create => {
            let message = "old is the Run before an UPDATE, and the operation is CREATE";
            fields.report(
                Problem::error(Code::ConflictingFields, operation.span, message)
                    .with_help("write operation: UPDATE, or remove old"),
            );
            None
        }
        (Some(operation), false) if operation.value == Operation::Update => {
            let message = "a case of an UPDATE needs the field \"old\"";
            let problem = Problem::error(Code::MissingField, operation.span, message);
            fields.report(problem.with_help("write the Run as it was before, or the path of its file"));
            None
        }
        (_, true) => Some(SubjectDefinition::Update { run: run?, old: old? }),
        (_, false) => run.map(SubjectDefinition::Create),
    }
}

const OPERATIONS: [(&str, Operation); 2] = [("CREATE", Operation::Create), ("UPDATE", Operation::Update)];

fn said_by_review(place: Span, name: &str) -> Problem {
    let message = format!("the recorded review says {name} itself");
    Problem::error(Code::ConflictingFields, place, message)
        .with_help(format!("remove {name}, or write run instead of review"))
}

fn run(node: Node, problems: &mut Problems) -> Option<RunDefinition> {
    let span = node.span;
    match node.kind {
        Kind::String(path) => Some(RunDefinition::File(Located::new(path, span))),
        Kind::Mapping(_) => {
            let object = inline::json(node, problems)?;
            Some(RunDefinition::Inline(Located::new(object, span)))
        }
        _ => {
            problems.push(
                Expected::TextOrMapping("a mapping, the path of a Run's file or the Run itself").but_found(&node),
            );
            None
        }
    }
}

fn expect(fields: &mut Fields<'_>) -> ExpectDefinition {
    ExpectDefinition {
        allowed: fields.boolean("allowed"),
        annotations: fields.map("annotations", "annotations and their values", values::text),
        labels: fields.map("labels", "labels and their values", values::text),
        absent: fields.texts("absent").unwrap_or_default(),
        lineage: fields.word("lineage", &LINEAGES),
        copied: fields.boolean("copied"),
        removed: fields.with("removed", located_texts),
        facts: facts(fields),
        injected: fields.with("injected", located_texts),
        skipped: fields.with("skipped", |node, problems| {
            let span = node.span;
            Some(Located::new(
                values::list(node, "mappings with key, policy and reason", problems, skip)?,
                span,
            ))
        }),
        warnings: fields.with("warnings", located_texts),
        causes: fields.with("causes", |node, problems| {
            let span = node.span;
            Some(Located::new(values::list(node, "causes", problems, cause)?, span))
        }),
        decision: fields.text("decision"),
    }
}

/// Facts by name; a name that is none could never be found, and its empty value would always hold.
fn facts(fields: &mut Fields<'_>) -> Mapping<Text> {
    let facts = fields.map("facts", "facts and their values", values::text);
    for (name, _) in &facts {
        if FactName::from_word(&name.value).is_none() {
            let words = || FactName::WORDS.iter().map(|(word, _)| *word);
            let help = match suggest::nearest(&name.value, words()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the facts are {}", values::listed(words())),
            };
            let message = format!("there is no fact {}", quoted(&name.value));
            fields.report(Problem::error(Code::UnknownFact, name.span, message).with_help(help));
        }
    }
    facts
}

const LINEAGES: [(&str, Lineage); 3] = [
    ("Root", Lineage::Root),
    ("Child", Lineage::Child),
    ("Mirror", Lineage::Mirror),
];

fn located_texts(node: Node, problems: &mut Problems) -> Option<Located<Vec<Text>>> {
    let span = node.span;
    Some(Located::new(values::texts(node, problems)?, span))
}

fn skip(node: Node, problems: &mut Problems) -> Option<ExpectedSkip> {
    let span = node.span;
    fields(node, "what is expected to be left out", problems, |fields| {
        ExpectedSkip {
            span,
            key: fields.text("key"),
            policy: fields.text("policy"),
            reason: fields.text("reason"),
        }
    })
}

fn cause(node: Node, problems: &mut Problems) -> Option<ExpectedCause> {
    let span = node.span;
    fields(node, "an expected cause", problems, |fields| ExpectedCause {
        span,
        field: fields.text("field"),
        message: fields.text("message"),
    })
}
