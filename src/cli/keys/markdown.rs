//! The reference of all keys, `docs/keys.md`.

use std::fmt::Write as _;

use super::text::written_by;
use crate::domain::integration::Integration;
use crate::domain::key_facts::{KeyClass, KeyFacts};
use crate::domain::policy_set::PolicySet;
use crate::domain::words::Reaction;

const INTRODUCTION: &str = "\
# Every key that Runstamp knows

Written by `runstamp keys -o markdown`; do not edit it by hand. `runstamp keys KEY` tells the same of one key, with the users
behind each identity.

- **config**: users and policies set it. **state**: only its integration writes it, and a copy must not carry it on.
- A **Root** is a Run that a person or a trigger creates. A **Child** is one that the pipelines controller creates for a
  PipelineRun; it is never refused.
- Runs of exempt users (Settings `exempt`) are never touched.
- An **update** is one by somebody who is not a writer; what a writer changes always passes.
";

/// The keys, a section an integration; they are sorted by integration.
pub(super) fn reference(keys: &[KeyFacts<'_>], set: &PolicySet) -> String {
    let mut text = INTRODUCTION.to_owned();
    for group in keys.chunk_by(|left, right| left.integration == right.integration) {
        let Some(first) = group.first() else { continue };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n## {}", escaped(&first.integration));
        let integration = set.integrations.iter().find(|known| known.name == first.integration);
        text.push_str(&integration.map_or_else(String::new, |integration| about(integration)));
        for class in [KeyClass::Config, KeyClass::State] {
            let of_class: Vec<&KeyFacts<'_>> = group.iter().filter(|facts| facts.class == class).collect();
            if !of_class.is_empty() {
                text.push_str(&table(class, &of_class));
            }
        }
    }
    text
}

fn about(integration: &Integration) -> String {
    let mut text = String::new();
    if !integration.description.is_empty() {
        let _ = writeln!(text, "\n{}", escaped(&integration.description));
    }
    if let Some(prefix) = &integration.prefix {
        let unknown = match integration.unknown_keys {
            Reaction::Deny => "is refused",
            Reaction::Warn => "is warned about",
            Reaction::Allow | Reaction::Audit => "passes",
        };
        let _ = writeln!(text, "\nPrefix `{prefix}`; another key under it {unknown}.");
    }
    text
}

type Column = (&'static str, fn(&KeyFacts<'_>) -> String);

/// What may differ from key to key; what does not is said once, above the table.
const COLUMNS: [Column; 6] = [
    ("value", value),
    ("written by", writers),
    ("new Root", |facts| escaped(&facts.on_root)),
    ("new Child", |facts| escaped(&facts.on_child)),
    ("update", |facts| escaped(&facts.on_update)),
    ("source", |facts| escaped(facts.source.as_deref().unwrap_or_default())),
];

fn table(class: KeyClass, keys: &[&KeyFacts<'_>]) -> String {
    let mut text = format!("\n### {}\n", class.word());
    let (mut columns, mut shared): (Vec<Column>, Vec<String>) = (Vec::new(), Vec::new());
    for (name, cell) in COLUMNS {
        let mut cells = keys.iter().map(|facts| cell(facts));
        let first = cells.next().unwrap_or_default();
        if keys.len() == 1 || cells.any(|cell| cell != first) {
            columns.push((name, cell));
        } else if !first.is_empty() {
            shared.push(format!("- {name}: {first}"));
        }
    }
    if !shared.is_empty() {
        let _ = writeln!(text, "\nAll of them:\n\n{}", shared.join("\n"));
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(
        text,
        "\n| key | {} |\n|---|{}",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for facts in keys {
        let cells: Vec<String> = columns.iter().map(|(_, cell)| cell(facts)).collect();
        let _ = writeln!(text, "| {} | {} |", key(facts), cells.join(" | "));
    }
    text
}

fn key(facts: &KeyFacts<'_>) -> String {
    let mut text = format!("`{}` ({})", facts.key, facts.place.word());
    if !facts.description.is_empty() {
        let _ = write!(text, "<br>{}", escaped(&facts.description));
    }
    for alias in &facts.aliases {
        let _ = write!(text, "<br>also `{alias}`");
    }
    text
}

fn value(facts: &KeyFacts<'_>) -> String {
    let mut text = facts
        .schema
        .map(|schema| escaped(&schema.describe()))
        .unwrap_or_default();
    if facts.required {
        text.push_str("; required");
    }
    text
}

fn writers(facts: &KeyFacts<'_>) -> String {
    let mut text = escaped(&written_by(facts));
    for creator in &facts.creators {
        let _ = write!(text, "; at creation {}", escaped(&creator.who.identity));
    }
    for policy in &facts.injected_by {
        let _ = write!(text, "; injected by {}", escaped(policy));
    }
    text
}

/// Text in which nothing means anything to Markdown, in a cell of a table too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '~' => escaped.extend(['\\', character]),
            '\n' | '\r' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_cell_means_anything_to_markdown() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("[a-z]|\\d*", "\\[a-z\\]\\|\\\\d\\*");
        check("two\nlines", "two lines");
        check("<b>snake_case</b>", "\\<b\\>snake\\_case\\</b\\>");
    }
}
