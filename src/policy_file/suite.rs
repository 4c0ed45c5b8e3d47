//! Reads documents of kind Suite: tests beside the policies.

use super::document::{self, Document};
use super::fields::{Fields, fields};
use super::inline;
use super::problems::Problems;
use super::tree::{Kind, Node};
use super::values::{self, Expected};
use crate::domain::definition::{CaseDefinition, ExpectDefinition, ExpectedCause, RunDefinition, SuiteDefinition};
use crate::domain::source::Located;

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
        let run = fields.required("run", run);
        let user = fields.text("user");
        let groups = fields.texts("groups").unwrap_or_default();
        let namespace = fields.text("namespace");
        let expect = fields.required("expect", |node, problems| {
            super::fields::fields(node, "what a case expects", problems, expect)
        });
        Some(CaseDefinition {
            name: name?,
            run: run?,
            user,
            groups,
            namespace,
            expect: expect?,
        })
    })?
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
        warnings: fields.texts("warnings"),
        causes: fields.with("causes", |node, problems| values::list(node, "causes", problems, cause)),
    }
}

fn cause(node: Node, problems: &mut Problems) -> Option<ExpectedCause> {
    fields(node, "an expected cause", problems, |fields| ExpectedCause {
        field: fields.text("field"),
        message: fields.text("message"),
    })
}
