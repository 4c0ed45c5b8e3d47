//! The pieces that the schema of policy files is made of.

use serde_json::{Map, Value, json};

use crate::domain::words::Reaction;

/// A mapping with these fields and no others.
pub(super) fn object(fields: impl IntoIterator<Item = (&'static str, Value)>, required: &[&str]) -> Value {
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if required.is_empty() {
        object
    } else {
        with(object, [("required", json!(required))])
    }
}

/// A schema with further keywords; an empty description is none.
pub(super) fn with(mut schema: Value, keywords: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    if let Value::Object(schema) = &mut schema {
        let keywords = keywords.into_iter().filter(|(_, value)| *value != json!(""));
        schema.extend(keywords.map(|(name, value)| (name.to_owned(), value)));
    }
    schema
}

fn described(description: &str, schema: Value) -> Value {
    with(schema, [("description", json!(description))])
}

/// A schema with the value that holds where none is written.
pub(super) fn by_default(schema: Value, default: impl Into<Value>) -> Value {
    with(schema, [("default", default.into())])
}

/// A definition by its name.
pub(super) fn refer(definition: &str) -> Value {
    json!({"$ref": format!("#/$defs/{definition}")})
}

/// A string.
pub(super) fn text(description: &str) -> Value {
    described(description, json!({"type": "string"}))
}

/// A list of strings.
pub(super) fn texts(description: &str) -> Value {
    list(description, text(""))
}

/// `true` or `false`.
pub(super) fn flag(description: &str) -> Value {
    described(description, json!({"type": "boolean"}))
}

/// A whole number.
pub(super) fn integer(description: &str) -> Value {
    described(description, json!({"type": "integer"}))
}

/// A whole number that counts something.
pub(super) fn count(description: &str) -> Value {
    described(description, json!({"type": "integer", "minimum": 0}))
}

/// One of a closed list of words.
pub(super) fn word(description: &str, words: impl IntoIterator<Item = &'static str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    described(description, json!({"type": "string", "enum": words}))
}

/// The words of a table.
pub(super) fn words_of<T>(table: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(word, _)| *word)
}

/// One of three reactions.
pub(super) fn reactions(description: &str, reactions: [Reaction; 3]) -> Value {
    word(description, reactions.map(Reaction::word))
}

/// A list.
pub(super) fn list(description: &str, items: Value) -> Value {
    described(description, json!({"type": "array", "items": items}))
}

/// A mapping with keys of the author's own.
pub(super) fn map(description: &str, values: Value) -> Value {
    described(description, json!({"type": "object", "additionalProperties": values}))
}

/// The same with strings as values.
pub(super) fn text_map(description: &str) -> Value {
    map(description, text(""))
}

/// The keyword that exactly one of these fields is written.
pub(super) fn exactly_one(forms: &[&str]) -> (&'static str, Value) {
    let forms: Vec<Value> = forms.iter().map(|form| json!({"required": [form]})).collect();
    ("oneOf", json!(forms))
}
