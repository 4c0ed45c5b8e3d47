//! Reads the terms of a value schema.

use super::fields::{Fields, fields};
use super::problems::Problems;
use super::tree::Node;
use crate::domain::definition::SchemaDefinition;
use crate::domain::words::ConfigPlace;

/// The schema of a config key.
pub(super) fn config_schema(node: Node, problems: &mut Problems) -> Option<SchemaDefinition> {
    fields(node, "a config key", problems, |fields| SchemaDefinition {
        required: fields.boolean("required"),
        template: fields.boolean("template"),
        aliases: fields.texts("aliases").unwrap_or_default(),
        place: fields.word("place", ConfigPlace::WORDS),
        ..value_terms(fields)
    })
}

/// The tighter schema that a RunPolicy sets on a key.
pub(super) fn constraint(node: Node, problems: &mut Problems) -> Option<SchemaDefinition> {
    fields(node, "a constraint on a key", problems, |fields| SchemaDefinition {
        template: fields.boolean("template"),
        ..value_terms(fields)
    })
}

/// The terms that say what a value is, among the fields of whatever carries them.
pub(super) fn value_terms(fields: &mut Fields<'_>) -> SchemaDefinition {
    SchemaDefinition {
        format: fields.text("format"),
        pattern: fields.text("pattern"),
        pattern_message: fields.text("patternMessage"),
        enum_values: fields.texts("enum"),
        min_length: fields.count("minLength"),
        max_length: fields.count("maxLength"),
        minimum: fields.integer("minimum"),
        maximum: fields.integer("maximum"),
        schemes: fields.texts("schemes"),
        hosts: fields.text("hosts"),
        ..documentation(fields)
    }
}

/// The terms that are for people alone.
pub(super) fn documentation(fields: &mut Fields<'_>) -> SchemaDefinition {
    SchemaDefinition {
        span: fields.place(),
        description: fields.text("description"),
        source: fields.text("source"),
        example: fields.text("example"),
        ..SchemaDefinition::default()
    }
}
