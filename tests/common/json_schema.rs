//! As much of JSON Schema 2020-12 as the schema of policy files uses; a keyword that is not known here is a failure, so that none goes unread.

use regex::Regex;
use serde_json::Value;

/// Everything that a value breaks, each with its place; `root` is the whole schema.
pub(crate) fn mistakes(root: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    judge(root, root, value, "", &mut found);
    found
}

fn holds(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut found = Vec::new();
    judge(root, schema, value, "", &mut found);
    found.is_empty()
}

fn judge(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let keywords = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return found.push(format!("{place}: must not be there")),
        _ => schema.as_object().expect("a schema is an object or a boolean"),
    };
    for (keyword, term) in keywords {
        let is_kept = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "then" | "else" => true,
            "$ref" => {
                let pointer = term.as_str().unwrap().strip_prefix('#').unwrap();
                judge(root, root.pointer(pointer).expect(pointer), value, place, found);
                true
            }
            "type" => match term {
                Value::Array(types) => types.iter().any(|name| is_of_type(name, value)),
                name => is_of_type(name, value),
            },
            "enum" => term.as_array().unwrap().contains(value),
            "const" => term == value,
            "pattern" => value
                .as_str()
                .is_none_or(|text| Regex::new(term.as_str().unwrap()).unwrap().is_match(text)),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= term.as_u64().unwrap()),
            "minimum" => value.as_i64().is_none_or(|number| number >= term.as_i64().unwrap()),
            "required" => are_written(term, value),
            "dependentRequired" => {
                let terms = term.as_object().unwrap();
                terms
                    .iter()
                    .all(|(field, needed)| value.get(field).is_none() || are_written(needed, value))
            }
            "properties" => {
                for (name, schema) in term.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        judge(root, schema, field, &format!("{place}/{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if schema.get("properties").and_then(|known| known.get(name)).is_none() {
                        judge(root, term, field, &format!("{place}/{name}"), found);
                    }
                }
                true
            }
            "propertyNames" => {
                for (name, _) in value.as_object().into_iter().flatten() {
                    judge(
                        root,
                        term,
                        &Value::String(name.clone()),
                        &format!("{place}/{name}"),
                        found,
                    );
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    judge(root, term, item, &format!("{place}/{index}"), found);
                }
                true
            }
            "allOf" => {
                for schema in term.as_array().unwrap() {
                    judge(root, schema, value, place, found);
                }
                true
            }
            "anyOf" => term.as_array().unwrap().iter().any(|schema| holds(root, schema, value)),
            "oneOf" => {
                let held = term
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|schema| holds(root, schema, value));
                held.count() == 1
            }
            "if" => {
                let branch = if holds(root, term, value) { "then" } else { "else" };
                if let Some(schema) = keywords.get(branch) {
                    judge(root, schema, value, place, found);
                }
                true
            }
            unknown => panic!("{place}: the keyword {unknown} is not known here"),
        };
        if !is_kept {
            found.push(format!("{place}: {keyword} {term}"));
        }
    }
}

fn are_written(names: &Value, value: &Value) -> bool {
    let names = names.as_array().unwrap();
    value
        .as_object()
        .is_none_or(|object| names.iter().all(|name| object.contains_key(name.as_str().unwrap())))
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not known here"),
    }
}
