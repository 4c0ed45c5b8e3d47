//! The keys of mappings: strings, each once, and `<<`, which takes in another mapping.

use std::collections::HashMap;

use super::problems::{Problems, quoted};
use super::scalar::Plain;
use super::tree::{Kind, Node};
use super::values::{clipped, quoting_advice};
use crate::domain::definition::Text;
use crate::domain::source::{Code, Located, Problem, Span};

/// A key that waits for its value.
pub(super) enum Key {
    /// An ordinary key.
    Text(Text),
    /// `<<`: the value's entries join the mapping.
    Merge(Span),
    /// Already reported; its value is read and dropped.
    Refused,
}

/// The key that a node is; one that is none, or that stands there already, is reported.
pub(super) fn read_key(node: Node, places: &mut HashMap<String, Span>, soft: &mut Problems) -> Key {
    let text = match node.kind {
        Kind::String(text) => text,
        Kind::Plain(Plain::Null, _) => {
            soft.push(Problem::error(
                Code::WrongType,
                node.span,
                "a key must be a string, found nothing",
            ));
            return Key::Refused;
        }
        Kind::Plain(_, text) => {
            let message = format!("a key must be a string, found {} without quotes", clipped(&text));
            soft.push(Problem::error(Code::WrongType, node.span, message).with_help(quoting_advice(&text)));
            text
        }
        Kind::Mapping(_) => {
            let help = "if it was meant as a placeholder such as {{name}}, quote the whole value";
            soft.push(
                Problem::error(Code::WrongType, node.span, "a key must be a string, found a mapping").with_help(help),
            );
            return Key::Refused;
        }
        Kind::Sequence(_) => {
            soft.push(Problem::error(
                Code::WrongType,
                node.span,
                "a key must be a string, found a list",
            ));
            return Key::Refused;
        }
    };
    if let Some(first) = places.get(&text) {
        soft.push(duplicate(&text, node.span, *first));
        return Key::Refused;
    }
    places.insert(text.clone(), node.span);
    Key::Text(Located::new(text, node.span))
}

/// The problem of a key that stands in a mapping twice.
pub(super) fn duplicate(key: &str, again: Span, first: Span) -> Problem {
    Problem::error(
        Code::DuplicateKey,
        again,
        format!("the key {} stands here twice", quoted(key)),
    )
    .with_label("and here again")
    .with_related(first, "first here")
    .with_help("keep one of them")
}

/// Takes what stands behind a merge key: a mapping or a list of mappings.
pub(super) fn collect_merged(node: Node, place: Span, merged: &mut Vec<Node>, soft: &mut Problems) {
    match node.kind {
        Kind::Mapping(_) => merged.push(node),
        Kind::Sequence(items) if items.iter().all(|item| matches!(item.kind, Kind::Mapping(_))) => merged.extend(items),
        _ => soft.push(
            Problem::error(
                Code::WrongType,
                place,
                "the merge key << takes a mapping or a list of mappings",
            )
            .with_help("write an alias of a mapping after it, such as <<: *base"),
        ),
    }
}

/// A mapping with the entries of the merged ones whose keys are not written in the mapping itself.
pub(super) fn merge(mut entries: Vec<(Text, Node)>, mut places: HashMap<String, Span>, merged: Vec<Node>) -> Kind {
    for node in merged {
        let Kind::Mapping(others) = node.kind else { continue };
        for (key, value) in others {
            if !places.contains_key(&key.value) {
                places.insert(key.value.clone(), key.span);
                entries.push((key, value));
            }
        }
    }
    Kind::Mapping(entries)
}
