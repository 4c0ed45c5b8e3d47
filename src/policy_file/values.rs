//! Reads single values out of nodes: strings, booleans, integers, words of a closed list, lists and mappings.

use super::problems::{Problems, quoted};
use super::scalar::Plain;
use super::tree::{Kind, Node};
use crate::domain::definition::{Mapping, Text};
use crate::domain::source::{Code, Located, Problem};
use crate::domain::suggest;

/// Bytes of a text that is repeated as an example of what to write.
const LONGEST_EXAMPLE: usize = 40;

/// What should have stood where something else was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected<'a> {
    /// A string.
    Text,
    /// A string, or else a mapping of this description.
    TextOrMapping(&'static str),
    /// `true` or `false`.
    Boolean,
    /// An integer.
    Integer,
    /// One of these words.
    Word(&'a str),
    /// A list of these.
    List(&'static str),
    /// A mapping of this description, with keys of the user's own.
    Mapping(&'static str),
    /// A mapping with known fields: a rule, a case.
    Fields(&'static str),
}

impl Expected<'_> {
    /// The problem: expected and found, and what to do about it.
    pub(super) fn but_found(self, node: &Node) -> Problem {
        let expected = match self {
            Self::Text => "a string".to_owned(),
            Self::TextOrMapping(mapping) => format!("a string or {mapping}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer => "an integer".to_owned(),
            Self::Word(words) => format!("one of {words}"),
            Self::List(items) => format!("a list of {items}"),
            Self::Mapping(entries) => format!("a mapping of {entries}"),
            Self::Fields(owner) => format!("a mapping for {owner}"),
        };
        let message = format!("expected {expected}, found {}", found(&node.kind));
        let problem = Problem::error(Code::WrongType, node.span, message).with_optional_help(self.help(&node.kind));
        match self.source(&node.kind) {
            Some(source) => problem.with_source(source),
            None => problem,
        }
    }

    /// What should stand there, where only the notation is wrong.
    fn source(self, kind: &Kind) -> Option<String> {
        match (self, kind) {
            (Self::Boolean, Kind::Plain(Plain::OldBoolean, text)) => {
                let is_yes = text.starts_with(['y', 'Y']) || text.eq_ignore_ascii_case("on");
                Some(is_yes.to_string())
            }
            (Self::Boolean, Kind::String(text)) if matches!(text.as_str(), "true" | "false") => Some(text.clone()),
            (Self::Integer, Kind::String(text)) => text.parse::<i64>().ok().map(|number| number.to_string()),
            (Self::Text | Self::TextOrMapping(_), Kind::Plain(plain, text)) if *plain != Plain::Null => {
                double_quoted(text)
            }
            // With a comma in it, it may be several.
            (Self::List("strings"), Kind::String(text)) if !text.contains(',') => {
                Some(format!("[{}]", double_quoted(text)?))
            }
            _ => None,
        }
    }

    fn help(self, kind: &Kind) -> Option<String> {
        let help = match (self, kind) {
            (Self::Text | Self::TextOrMapping(_), Kind::Plain(Plain::Null, _)) => {
                "leave it out, or write \"\" for an empty string"
            }
            (Self::List(_), Kind::Plain(Plain::Null, _)) => "leave it out, or write [] for an empty list",
            (Self::Mapping(_) | Self::Fields(_), Kind::Plain(Plain::Null, _)) => {
                "leave it out, or write {} for an empty mapping"
            }
            (_, Kind::Plain(Plain::Null, _)) => "leave it out, or give it a value",
            (Self::Boolean, Kind::Plain(Plain::OldBoolean, _)) => "write true or false",
            (Self::Boolean, Kind::String(text)) if matches!(text.as_str(), "true" | "false") => {
                "remove the quotation marks"
            }
            (Self::Integer, Kind::String(text)) if text.parse::<i64>().is_ok() => "remove the quotation marks",
            (Self::Text | Self::TextOrMapping(_), Kind::Plain(_, text)) => {
                return Some(quoting_advice(text));
            }
            (Self::List("strings"), Kind::String(text)) => {
                return Some(match text.len() {
                    0..=LONGEST_EXAMPLE if text.contains(',') => {
                        let entries: Vec<String> = text.split(',').map(|entry| quoted(entry.trim())).collect();
                        format!("put it in brackets, each entry on its own: [{}]", entries.join(", "))
                    }
                    0..=LONGEST_EXAMPLE => format!("put it in brackets: [{}]", quoted(text)),
                    _ => "put it in brackets".to_owned(),
                });
            }
            (Self::Text, _) => "write a single text",
            (Self::Word(_), _) => "write one of these words",
            (Self::Boolean, _) => "write true or false",
            (Self::Integer, _) => "write a whole number",
            (Self::List(_), _) => {
                "write a list: each entry on a line of its own behind a dash, or all of them in brackets"
            }
            (Self::Mapping(_) | Self::Fields(_), _) => {
                "write fields: each on a line of its own as name: value, or all in braces"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }
}

/// A string; numbers, booleans and nothing are told to be quoted.
pub(super) fn text(node: Node, problems: &mut Problems) -> Option<Text> {
    match node.kind {
        Kind::String(value) => Some(Located::new(value, node.span)),
        _ => {
            problems.push(Expected::Text.but_found(&node));
            None
        }
    }
}

/// A list of strings.
pub(super) fn texts(node: Node, problems: &mut Problems) -> Option<Vec<Text>> {
    list(node, "strings", problems, text)
}

/// `true` or `false`.
pub(super) fn boolean(node: Node, problems: &mut Problems) -> Option<Located<bool>> {
    match &node.kind {
        Kind::Plain(Plain::Boolean(value), _) => Some(Located::new(*value, node.span)),
        _ => {
            problems.push(Expected::Boolean.but_found(&node));
            None
        }
    }
}

/// A decimal integer of 64 bits.
pub(super) fn integer(node: Node, problems: &mut Problems) -> Option<Located<i64>> {
    let Kind::Plain(Plain::Integer, text) = &node.kind else {
        problems.push(Expected::Integer.but_found(&node));
        return None;
    };
    let digits = text.trim_start_matches(['+', '-']);
    // 0755 is 493 to some readers and 755 to others.
    let is_decimal = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match text.parse() {
        Ok(value) if is_decimal => Some(Located::new(value, node.span)),
        _ => {
            let message = format!("expected a decimal integer of 64 bits, found {}", clipped(text));
            problems.push(Problem::error(Code::BadNumber, node.span, message));
            None
        }
    }
}

/// One of a closed list of words.
pub(super) fn word<T: Copy>(node: Node, words: &[(&'static str, T)], problems: &mut Problems) -> Option<Located<T>> {
    let names = || words.iter().map(|(name, _)| *name);
    let Kind::String(found) = &node.kind else {
        problems.push(Expected::Word(&listed(names())).but_found(&node));
        return None;
    };
    if let Some((_, value)) = words.iter().find(|(name, _)| name == found) {
        return Some(Located::new(*value, node.span));
    }
    if !problems.is_full() {
        let message = format!("expected one of {}, found {}", listed(names()), quoted(found));
        let mut problem = Problem::error(Code::UnknownWord, node.span, message);
        if let Some(near) = suggest::nearest(found, names()) {
            problem = problem
                .with_text(near, suggest::is_same_word(found, near))
                .with_help(format!("did you mean {near}?"));
        }
        problems.push(problem);
    }
    None
}

/// A list whose items have a reader of their own; the items that cannot be read are left out.
pub(super) fn list<T>(
    node: Node,
    items: &'static str,
    problems: &mut Problems,
    mut read: impl FnMut(Node, &mut Problems) -> Option<T>,
) -> Option<Vec<T>> {
    let Kind::Sequence(nodes) = node.kind else {
        problems.push(Expected::List(items).but_found(&node));
        return None;
    };
    Some(nodes.into_iter().filter_map(|item| read(item, problems)).collect())
}

/// A mapping with keys of the user's own; the entries that cannot be read are left out.
pub(super) fn map<T>(
    node: Node,
    entries: &'static str,
    problems: &mut Problems,
    mut read: impl FnMut(Node, &mut Problems) -> Option<T>,
) -> Option<Mapping<T>> {
    let Kind::Mapping(nodes) = node.kind else {
        problems.push(Expected::Mapping(entries).but_found(&node));
        return None;
    };
    let read_entry = |(key, value): (Text, Node)| Some((key, read(value, problems)?));
    Some(nodes.into_iter().filter_map(read_entry).collect())
}

/// How to write a scalar that lost its type for want of quotation marks.
pub(super) fn quoting_advice(text: &str) -> String {
    match text.len() {
        0..=LONGEST_EXAMPLE => format!("quote it: {}", quoted(text)),
        _ => "put it in quotation marks".to_owned(),
    }
}

/// A text in double quotes, as JSON and YAML write it alike.
fn double_quoted(text: &str) -> Option<String> {
    serde_json::to_string(text).ok()
}

/// What a value is, in words.
fn found(kind: &Kind) -> String {
    match kind {
        Kind::Mapping(_) => "a mapping".to_owned(),
        Kind::Sequence(_) => "a list".to_owned(),
        Kind::String(text) => format!("the string {}", quoted(text)),
        Kind::Plain(Plain::Null, _) => "nothing".to_owned(),
        Kind::Plain(Plain::Boolean(_), text) => format!("the boolean {text}"),
        Kind::Plain(Plain::OldBoolean, text) => {
            format!("{text} without quotes, which some YAML readers take for a boolean")
        }
        Kind::Plain(Plain::Integer | Plain::Float, text) => format!("the number {}", clipped(text)),
    }
}

/// Words with commas between them.
pub(super) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// A text without quotation marks of its own, as short and printable as a quoted one.
pub(super) fn clipped(text: &str) -> String {
    quoted(text).trim_matches('"').to_owned()
}
