//! A Run written inside a Suite, as JSON.

use serde_json::{Map, Number, Value};

use super::problems::{Problems, quoted};
use super::scalar::Plain;
use super::tree::{Kind, Node};
use crate::domain::source::{Code, Problem};

/// The JSON value that a node stands for; what YAML readers disagree about is a problem.
///
/// The depth of recursion is bounded by the reader's limit on nesting.
pub(super) fn json(node: Node, problems: &mut Problems) -> Option<Value> {
    Some(match node.kind {
        Kind::String(text) => Value::String(text),
        Kind::Sequence(items) => Value::Array(items.into_iter().filter_map(|item| json(item, problems)).collect()),
        Kind::Mapping(entries) => {
            let entries = entries.into_iter();
            let read = entries.filter_map(|(key, value)| Some((key.value, json(value, problems)?)));
            Value::Object(read.collect::<Map<String, Value>>())
        }
        Kind::Plain(Plain::Null, _) => Value::Null,
        Kind::Plain(Plain::Boolean(value), _) => Value::Bool(value),
        Kind::Plain(Plain::OldBoolean, text) => {
            let message = format!("{text} is a boolean to some YAML readers and a string to others");
            let help = format!("write true or false, or quote it: {}", quoted(&text));
            problems.push(Problem::error(Code::WrongType, node.span, message).with_help(help));
            return None;
        }
        Kind::Plain(Plain::Integer | Plain::Float, text) => match number(&text) {
            Some(number) => Value::Number(number),
            None => {
                let message = format!("{} is not a number in JSON", quoted(&text));
                problems.push(
                    Problem::error(Code::BadNumber, node.span, message).with_help("write it in decimal, or quote it"),
                );
                return None;
            }
        },
    })
}

/// The number that a text is in JSON's grammar.
fn number(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok()
}
