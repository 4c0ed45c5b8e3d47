//! Reads documents of kind TriggerSource.

use super::document::{self, Document};
use super::fields::fields;
use super::problems::Problems;
use super::tree::Node;
use super::values;
use crate::domain::definition::{FactDefinition, TriggerSourceDefinition, WhenDefinition};

/// The spec of a TriggerSource.
pub(super) fn trigger_source(document: Document, problems: &mut Problems) -> Option<TriggerSourceDefinition> {
    document::spec(document, "the spec of a TriggerSource", problems, |header, fields| {
        TriggerSourceDefinition {
            header: document::replaceable(header, fields),
            precedence: fields.integer("precedence"),
            users: fields.texts("users").unwrap_or_default(),
            when: fields.list("when", "conditions", when),
            facts: fields.map("facts", "facts and where they come from", fact),
        }
    })
}

fn when(node: Node, problems: &mut Problems) -> Option<WhenDefinition> {
    fields(node, "a condition of when", problems, |fields| {
        let definition = WhenDefinition {
            span: fields.place(),
            annotation: fields.text("annotation"),
            label: fields.text("label"),
            path: fields.text("path"),
            values: fields.texts("values"),
        };
        fields
            .exactly_one_of(&["annotation", "label", "path"])
            .then_some(definition)
    })?
}

fn fact(node: Node, problems: &mut Problems) -> Option<FactDefinition> {
    fields(node, "a fact", problems, |fields| {
        let definition = FactDefinition {
            span: fields.place(),
            annotation: fields.text("annotation"),
            label: fields.text("label"),
            params: fields.texts("params"),
            path: fields.text("path"),
            value: fields.text("value"),
            pattern: fields.text("pattern"),
            map: fields.map("map", "words and their translations", values::text),
            when: fields.list("when", "conditions", when),
        };
        fields
            .exactly_one_of(&["annotation", "label", "params", "path", "value"])
            .then_some(definition)
    })?
}
