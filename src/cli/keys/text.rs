//! Keys for people: a table of all, and everything about one.

use std::fmt::Write as _;

use crate::domain::key_facts::{KeyClass, KeyFacts, KnownUsers, UnknownKey};
use crate::domain::schema::quoted;

/// Every key on a line, its other spellings on lines of their own.
pub(super) fn table(keys: &[KeyFacts<'_>]) -> String {
    let mut rows = vec![
        [
            "KEY",
            "PLACE",
            "CLASS",
            "INTEGRATION",
            "WRITTEN BY",
            "WHEN A RUN IS CREATED",
        ]
        .map(str::to_owned),
    ];
    for facts in keys {
        let row = |key: &str, fate: String| {
            [
                key.to_owned(),
                facts.place.word().to_owned(),
                facts.class.word().to_owned(),
                facts.integration.to_string(),
                written_by(facts),
                fate,
            ]
        };
        rows.push(row(&facts.key, facts.on_root.clone()));
        rows.extend(
            facts
                .aliases
                .iter()
                .map(|alias| row(alias, format!("as {}", facts.key))),
        );
    }
    aligned(&rows)
}

/// Everything about each of these keys.
pub(super) fn details(asked: &str, keys: &[KeyFacts<'_>]) -> String {
    let details: Vec<String> = keys.iter().map(|facts| detail(asked, facts)).collect();
    details.join("\n")
}

/// What is known of a key that nobody declares.
pub(super) fn unknown(asked: &str, unknown: &UnknownKey) -> String {
    let mut text = format!("{}: {}\n", quoted(asked), unknown.verdict);
    if let Some(suggestion) = &unknown.suggestion {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "did you mean {suggestion}?");
    }
    text
}

/// Who sets a key, in a word or the names of identities.
pub(super) fn written_by(facts: &KeyFacts<'_>) -> String {
    match facts.class {
        KeyClass::Config => "users, policies".to_owned(),
        KeyClass::State if facts.rules.is_none() => "runstamp".to_owned(),
        KeyClass::State if facts.writers.is_empty() => "nobody after creation".to_owned(),
        KeyClass::State => {
            let names: Vec<&str> = facts.writers.iter().map(|writer| writer.identity.as_str()).collect();
            names.join(", ")
        }
    }
}

fn detail(asked: &str, facts: &KeyFacts<'_>) -> String {
    let mut text = format!("{}\n", facts.key);
    if !facts.description.is_empty() {
        let _ = writeln!(text, "  {}", facts.description);
    }
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    if facts.aliases.iter().any(|alias| alias == asked) {
        field("asked for", &format!("{asked}, another spelling of it"));
    } else if facts.key.contains('*') && facts.key != asked && asked.contains('/') {
        field("asked for", &format!("{asked}, which this pattern matches"));
    }
    field(
        "class",
        &format!("{} of integration {}", facts.class.word(), facts.integration),
    );
    let kinds: Vec<&str> = facts.kinds.iter().map(|kind| kind.word()).collect();
    field("place", &format!("{} of {}", facts.place.word(), kinds.join(", ")));
    if !facts.aliases.is_empty() {
        field("also spelt", &facts.aliases.join(", "));
    }
    if let Some(schema) = facts.schema {
        let required = if facts.required { "; required" } else { "" };
        field("value", &format!("{}{required}", schema.describe()));
    }
    if let Some(example) = &facts.example {
        field("example", example);
    }
    field("written by", &written_by(facts));
    for writer in &facts.writers {
        users(writer, &mut field);
    }
    for creator in &facts.creators {
        let values = match &creator.values {
            Some(values) => format!(", to a value that matches {values}"),
            None => String::new(),
        };
        field("created by", &format!("{}{values}", creator.who.identity));
        users(&creator.who, &mut field);
    }
    for policy in &facts.injected_by {
        field("injected by", &format!("policy {policy}"));
    }
    field("new Root", &facts.on_root);
    field("new Child", &facts.on_child);
    field("update", &facts.on_update);
    if let Some(source) = &facts.source {
        field("source", source);
    }
    text
}

fn users(known: &KnownUsers, field: &mut impl FnMut(&str, &str)) {
    if known.users.is_empty() {
        field("", &format!("  {}: no user", known.identity));
    }
    for user in &known.users {
        field("", &format!("  {}: {user}", known.identity));
    }
}

/// Columns as wide as their widest cell; the last one as it comes.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
        let rows = [row("KEY", "PLACE"), row("über/lang", "x"), row("a", "")];
        assert_eq!(aligned(&rows), "KEY        PLACE\nüber/lang  x\na\n");
    }
}
