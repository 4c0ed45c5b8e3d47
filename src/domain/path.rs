//! JSONPath (RFC 9535) within limits that are checked when a policy is loaded, and bounded when it runs.
//!
//! The parser and its syntax tree are jsonpath-rust's. The evaluation is ours, for four reasons that were tried:
//! the library copies the path text of every node that it visits (a key of 100 kB above a list of 2,000 elements
//! costs 200 MB, and the key comes from the Run), has no budget, finds that `count()` of nothing is not 0, and
//! holds that 1e-17 equals 0. `tests/jsonpath.rs` compares the result with another implementation.

mod evaluate;
mod guard;
mod lower;
mod query;

use std::fmt;

use super::document::{Document, Node};
use super::text_problem::TextProblem;
use evaluate::{Evaluation, OverBudget};
use query::{Condition, Literal, Operand, Operator, Origin, Query, Segment, Selector, Singular, Step};

pub use evaluate::MAX_STEPS;
pub use guard::MAX_LENGTH;

/// A JSONPath that has been checked and compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    text: String,
    query: Compiled,
    fast_form: Option<FastForm>,
}

#[derive(Debug, Clone, PartialEq)]
enum Compiled {
    /// Names and indexes only: at most one node.
    Singular(Singular),
    /// Anything else.
    General(Query),
}

/// A path that the metadata and params of a Run answer, without a [`Document`].
///
/// Whoever answers it so must say what [`Path::lookup`] would: in particular, two params of one name are
/// mistyped, and so is a param whose value is a list or an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FastForm {
    /// `$.metadata.annotations['key']`
    Annotation(String),
    /// `$.metadata.labels['key']`
    Label(String),
    /// `$.spec.params[?@.name=='name'].value`
    Param(String),
    /// `$.metadata.name`
    Name,
    /// `$.metadata.namespace`
    Namespace,
    /// `$.metadata.generateName`
    GenerateName,
}

/// What a path finds when one value is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'d> {
    /// No node at all.
    Absent,
    /// One string, or one number or boolean as it stands in the JSON.
    Text(&'d str),
    /// Something that is no single text.
    Mistyped(Shape),
    /// The document, or the path on it, exceeds the bounds.
    TooLarge,
}

/// What stood there instead of one text; shown as in "found a list".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `null`
    Null,
    /// A list.
    List,
    /// An object.
    Object,
    /// So many nodes.
    Values(usize),
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::List => formatter.write_str("a list"),
            Self::Object => formatter.write_str("an object"),
            Self::Values(count) => write!(formatter, "{count} values"),
        }
    }
}

/// What a path finds when the question is whether there is anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// One node or more, `null` included.
    Present,
    /// No node.
    Absent,
    /// The document, or the path on it, exceeds the bounds.
    TooLarge,
}

impl Path {
    /// Checks and compiles a path; the problem points at the first mistake in the text.
    pub fn parse(text: &str) -> Result<Self, TextProblem> {
        guard::check(text)?;
        let segments = lower::parse(text)?;
        let fast_form = fast_form_of(&segments);
        let query = match Singular::of(Origin::Root, &segments) {
            Some(singular) => {
                check_metadata(text, &singular)?;
                Compiled::Singular(singular)
            }
            None => Compiled::General(Query {
                origin: Origin::Root,
                segments,
            }),
        };
        Ok(Self {
            text: text.to_owned(),
            query,
            fast_form,
        })
    }

    /// The path as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same path as a look-up in the metadata or params, where it is one.
    pub fn fast_form(&self) -> Option<&FastForm> {
        self.fast_form.as_ref()
    }

    /// The names of the first steps, up to the first step that is no name.
    pub fn leading_names(&self) -> Vec<&str> {
        match &self.query {
            Compiled::Singular(singular) => (singular.steps.iter())
                .map_while(|step| match step {
                    Step::Name(name) => Some(name.as_str()),
                    Step::Index(_) => None,
                })
                .collect(),
            Compiled::General(query) => (query.segments.iter())
                .map_while(|segment| match segment.as_slice() {
                    [Selector::Name(name)] => Some(name.as_str()),
                    _ => None,
                })
                .collect(),
        }
    }

    /// The path as a value.
    pub fn lookup<'d>(&self, document: &'d Document<'_>) -> Lookup<'d> {
        match self.select(document) {
            Err(OverBudget) => Lookup::TooLarge,
            Ok(Selected::One(None)) => Lookup::Absent,
            Ok(Selected::One(Some(node))) => lookup_of(node),
            Ok(Selected::Many(nodes)) => match nodes.as_slice() {
                [] => Lookup::Absent,
                [node] => lookup_of(node),
                _ => Lookup::Mistyped(Shape::Values(nodes.len())),
            },
        }
    }

    /// Whether there is any node at the path.
    pub fn exists(&self, document: &Document<'_>) -> Presence {
        let is_present = match self.select(document) {
            Err(OverBudget) => return Presence::TooLarge,
            Ok(Selected::One(node)) => node.is_some(),
            Ok(Selected::Many(nodes)) => !nodes.is_empty(),
        };
        if is_present {
            Presence::Present
        } else {
            Presence::Absent
        }
    }

    fn select<'d>(&self, document: &'d Document<'_>) -> Result<Selected<'d>, OverBudget> {
        let root = document.root().map_err(|_| OverBudget)?;
        let mut evaluation = Evaluation::new(root);
        match &self.query {
            Compiled::Singular(singular) => evaluation.singular(singular, root).map(Selected::One),
            Compiled::General(query) => evaluation.nodes(query, root).map(Selected::Many),
        }
    }
}

enum Selected<'d> {
    One(Option<&'d Node<'d>>),
    Many(Vec<&'d Node<'d>>),
}

fn lookup_of<'d>(node: &'d Node<'_>) -> Lookup<'d> {
    match node {
        Node::Null => Lookup::Mistyped(Shape::Null),
        Node::Boolean(true) => Lookup::Text("true"),
        Node::Boolean(false) => Lookup::Text("false"),
        Node::Number(token) => Lookup::Text(token),
        Node::Text(text) => Lookup::Text(text),
        Node::List(_) => Lookup::Mistyped(Shape::List),
        Node::Object(_) => Lookup::Mistyped(Shape::Object),
    }
}

/// The mistake that everybody makes: the dots of a key are read as steps, and then there is never a value.
fn check_metadata(text: &str, singular: &Singular) -> Result<(), TextProblem> {
    let [Step::Name(metadata), Step::Name(map), Step::Name(first), below @ ..] = singular.steps.as_slice() else {
        return Ok(());
    };
    if below.is_empty() || metadata != "metadata" || !matches!(map.as_str(), "annotations" | "labels") {
        return Ok(());
    }
    let key = below.iter().fold(first.clone(), |key, step| match step {
        Step::Name(name) => format!("{key}.{name}"),
        Step::Index(index) => format!("{key}.{index}"),
    });
    Err(TextProblem::new(
        0..text.len(),
        format!("expected one key below metadata.{map}, found a path of several steps, which never has a value"),
    )
    .with_help(format!("write $.metadata.{map}[{}]", guard::single_quoted(&key))))
}

fn fast_form_of(segments: &[Segment]) -> Option<FastForm> {
    let selectors: Option<Vec<&Selector>> = segments
        .iter()
        .map(|segment| match segment.as_slice() {
            [selector] => Some(selector),
            _ => None,
        })
        .collect();
    match selectors?.as_slice() {
        [Selector::Name(metadata), Selector::Name(field)] if metadata == "metadata" => match field.as_str() {
            "name" => Some(FastForm::Name),
            "namespace" => Some(FastForm::Namespace),
            "generateName" => Some(FastForm::GenerateName),
            _ => None,
        },
        [Selector::Name(metadata), Selector::Name(map), Selector::Name(key)] if metadata == "metadata" => {
            match map.as_str() {
                "annotations" => Some(FastForm::Annotation(key.clone())),
                "labels" => Some(FastForm::Label(key.clone())),
                _ => None,
            }
        }
        [
            Selector::Name(spec),
            Selector::Name(params),
            Selector::Filter(condition),
            Selector::Name(value),
        ] if spec == "spec" && params == "params" && value == "value" => param_name(condition).map(FastForm::Param),
        _ => None,
    }
}

/// The text that a filter compares `@.name` with, whichever side it stands on.
fn param_name(condition: &Condition) -> Option<String> {
    let Condition::Compare(left, Operator::Equal, right) = condition else {
        return None;
    };
    let (compared, literal) = match (left, right) {
        (Operand::Node(compared), Operand::Literal(literal)) | (Operand::Literal(literal), Operand::Node(compared)) => {
            (compared, literal)
        }
        _ => return None,
    };
    match (compared.origin, compared.steps.as_slice(), literal) {
        (Origin::Current, [Step::Name(name)], Literal::Text(wanted)) if name == "name" => Some(wanted.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
