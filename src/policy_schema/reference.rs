//! The reference of policy files as a page: every field, its type, its default and what it says, from the schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::policy_schema;

/// A kind of document: its heading, an example of it, and the definitions that say what it holds.
struct Kind {
    heading: &'static str,
    example: Option<&'static str>,
    definitions: &'static [(&'static str, &'static str)],
}

/// What the page tells, in this order: each definition with its heading.
const KINDS: [Kind; 6] = [
    Kind {
        heading: "Every document",
        example: None,
        definitions: &[("document", "Document"), ("metadata", "Metadata")],
    },
    Kind {
        heading: "Integration",
        example: Some(include_str!("examples/integration.yaml")),
        definitions: &[
            ("integration", "Spec of an Integration"),
            ("configKey", "Config key"),
            ("rule", "Rule"),
            ("stateKey", "State key"),
            ("finalizer", "Finalizer"),
            ("creator", "Creator"),
        ],
    },
    Kind {
        heading: "TriggerSource",
        example: Some(include_str!("examples/trigger-source.yaml")),
        definitions: &[
            ("triggerSource", "Spec of a TriggerSource"),
            ("when", "Condition of when"),
            ("fact", "Fact"),
        ],
    },
    Kind {
        heading: "RunPolicy",
        example: Some(include_str!("examples/run-policy.yaml")),
        definitions: &[
            ("runPolicy", "Spec of a RunPolicy"),
            ("selector", "Selector"),
            ("condition", "Condition of where"),
            ("variable", "Variable"),
            ("injection", "Value to inject"),
            ("constraint", "Constraint"),
        ],
    },
    Kind {
        heading: "Settings",
        example: Some(include_str!("examples/settings.yaml")),
        definitions: &[("settings", "Spec of Settings")],
    },
    Kind {
        heading: "Suite",
        example: Some(include_str!("examples/suite.yaml")),
        definitions: &[
            ("suite", "Spec of a Suite"),
            ("case", "Case"),
            ("run", "Run"),
            ("expect", "Expectation"),
        ],
    },
];

const INTRODUCTION: &str = "\
# The fields of policy files

<!-- Written by the program: runstamp schema -o markdown -->

Every field of `runstamp.dev/v1alpha1`: its type, what holds without it, and what it says.
Why it is so, what is refused and what happens when something is absent stands in [the reference of the policy language](policy-language.md); what `runstamp check` says about a field, in [the diagnostics](diagnostics.md).
Editors read the same from [the JSON Schema](policy.schema.json).

A dot leads into a mapping, `[]` into the entries of a list, `KEY` stands for a key of your own.
";

/// The page.
pub fn policy_reference() -> String {
    let schema = policy_schema();
    let mut page = INTRODUCTION.to_owned();
    for kind in KINDS {
        let _ = write!(page, "\n## {}\n", kind.heading);
        if let Some(example) = kind.example {
            let _ = write!(page, "\n```yaml\n{example}```\n");
        }
        for (name, heading) in kind.definitions {
            if let Some(definition) = schema.pointer(&format!("/$defs/{name}")) {
                page.push_str(&section(heading, definition));
            }
        }
    }
    page
}

fn section(heading: &str, definition: &Value) -> String {
    let mut section = format!("\n### {heading}\n\n");
    // One form of several may be a mapping: that is the one with fields.
    let forms = definition.get("anyOf").and_then(Value::as_array);
    let with_fields = forms.and_then(|forms| forms.iter().find(|form| form.get("properties").is_some()));
    if forms.is_some() || definition.get("properties").is_none() {
        let _ = writeln!(section, "{}.\n", capitalised(&type_of(definition)));
    }
    let mut rows = Vec::new();
    fields(with_fields.unwrap_or(definition), "", &mut rows);
    if !rows.is_empty() {
        section.push_str("| field | type | default | |\n|---|---|---|---|\n");
        section.extend(rows.iter().map(|row| format!("{row}\n")));
    }
    for condition in conditions(definition) {
        let _ = write!(section, "\n{condition}\n");
    }
    section.trim_end().to_owned() + "\n"
}

/// A row a field, those of mappings within it among them.
fn fields(schema: &Value, above: &str, rows: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    for (name, field) in properties {
        let path = format!("{above}{name}");
        let default = match field.get("default") {
            Some(Value::String(word)) => format!("`{word}`"),
            Some(value) => format!("`{value}`"),
            None if is_required(name) => "must be written".to_owned(),
            None => String::new(),
        };
        let description = field.get("description").and_then(Value::as_str).unwrap_or_default();
        rows.push(format!(
            "| `{path}` | {} | {default} | {} |",
            type_of(field),
            escaped(description)
        ));
        fields(field, &format!("{path}."), rows);
        if let Some(items) = field.get("items") {
            fields(items, &format!("{path}[]."), rows);
        }
    }
}

/// The type of a field in words, with a link where it has a section of its own.
fn type_of(schema: &Value) -> String {
    if let Some(heading) = reference(schema) {
        return format!(
            "[{}](#{})",
            heading.to_lowercase(),
            heading.to_lowercase().replace(' ', "-")
        );
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        return match words.as_slice() {
            [only] => only.clone(),
            words => format!("one of {}", words.join(", ")),
        };
    }
    if let Some(only) = schema.get("const").and_then(Value::as_str) {
        return format!("`{only}`");
    }
    if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
        return forms.iter().map(type_of).collect::<Vec<_>>().join(", or ");
    }
    match schema.get("type") {
        Some(Value::Array(types)) => {
            let types: Vec<String> = types.iter().map(|name| plain_type(name.as_str(), schema)).collect();
            types.join(", or ")
        }
        Some(name) => plain_type(name.as_str(), schema),
        None => "anything".to_owned(),
    }
}

fn plain_type(name: Option<&str>, schema: &Value) -> String {
    match name {
        Some("string") => "text".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") if schema.get("minimum").is_some() => "whole number, 0 or more".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("array") => match schema.get("items") {
            Some(items) => format!("list: {}", type_of(items)),
            None => "list".to_owned(),
        },
        Some("object") => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => {
                let keys = schema.get("propertyNames").map_or("`KEY`".to_owned(), type_of);
                format!("mapping of {keys} to {}", type_of(values))
            }
            _ => "mapping".to_owned(),
        },
        _ => "anything".to_owned(),
    }
}

/// The heading of the section that a schema refers to.
fn reference(schema: &Value) -> Option<&'static str> {
    let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    let mut definitions = KINDS.into_iter().flat_map(|kind| kind.definitions);
    definitions
        .find(|(known, _)| *known == name)
        .map(|(_, heading)| *heading)
}

/// What holds between the fields of a mapping.
fn conditions(schema: &Value) -> Vec<String> {
    let listed = |names: Vec<&str>, and: &str| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(and)
    };
    let mut conditions = Vec::new();
    if let Some(forms) = schema.get("oneOf").and_then(Value::as_array) {
        let names = forms.iter().filter_map(|form| form.pointer("/required/0")?.as_str());
        conditions.push(format!("Exactly one of {} is written.", listed(names.collect(), ", ")));
    }
    if let Some(together) = schema.get("dependentRequired").and_then(Value::as_object) {
        conditions.push(format!("{} are written together.", listed(names_of(together), " and ")));
    }
    conditions
}

fn names_of(fields: &Map<String, Value>) -> Vec<&str> {
    fields.keys().map(String::as_str).collect()
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + characters.as_str()
}

/// A text within a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::builtin;
    use crate::diagnostics::one_line;
    use crate::domain::compile::compile;
    use crate::policy_file::{PolicyText, read_texts};

    #[test]
    fn every_definition_has_a_section() {
        let schema = policy_schema();
        let defined: BTreeSet<&str> = schema["$defs"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let told: BTreeSet<&str> = KINDS
            .iter()
            .flat_map(|kind| kind.definitions)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(told, defined);
    }

    #[test]
    fn the_examples_load_together_without_a_word() {
        let examples = KINDS.iter().filter_map(|kind| {
            Some(PolicyText {
                name: kind.heading.to_owned(),
                content: kind.example?.as_bytes().to_vec(),
                builtin: false,
            })
        });
        let (files, loaded) = read_texts(builtin::policies().into_iter().chain(examples));
        let compiled = compile(loaded.definitions);
        let problems = loaded.problems.iter().chain(&compiled.problems);
        let said: Vec<String> = problems.map(|problem| one_line(problem, &files)).collect();
        assert_eq!(said, Vec::<String>::new());
        assert_eq!(loaded.suites.len(), 1);
    }

    #[test]
    fn every_field_stands_in_the_example_of_its_kind() {
        let schema = policy_schema();
        let mut missing = Vec::new();
        for kind in KINDS {
            let Some(example) = kind.example else { continue };
            // The terms of a constraint are those of a config key.
            for (name, _) in kind.definitions.iter().filter(|(name, _)| *name != "constraint") {
                let mut rows = Vec::new();
                let definition = schema.pointer(&format!("/$defs/{name}")).unwrap();
                let form = definition.pointer("/anyOf/1").unwrap_or(definition);
                fields(form, "", &mut rows);
                for row in rows {
                    let path = row.split('`').nth(1).unwrap().to_owned();
                    let field = path.rsplit('.').next().unwrap();
                    let written = [format!("{field}:"), format!("{field}\":")];
                    // One document cannot both lie upon a built-in one and replace it.
                    if field != "replaceBuiltin" && !written.iter().any(|field| example.contains(field)) {
                        missing.push(format!("{}: {path}", kind.heading));
                    }
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }
}
