//! Parses a path with jsonpath-rust and compiles its syntax tree, refusing what the parser lets pass although
//! RFC 9535 does not, and what the policy language leaves out.

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model;
use jsonpath_rust::parser::parse_json_path;

use super::super::schema::quoted;
use super::super::text_problem::TextProblem;
use super::query::{Condition, Literal, Operand, Operator, Origin, Query, Segment, Selector, Singular, Slice, Step};

/// Parses a text that the guards have passed.
pub(super) fn parse(text: &str) -> Result<Vec<Segment>, TextProblem> {
    let query = parse_json_path(text).map_err(|error| unparsable(text, &error))?;
    segments(&query.segments).map_err(|refusal| refusal.at(text))
}

/// What is refused in a syntax tree, which knows no positions.
struct Refusal {
    message: String,
    /// What to look for in the text, to point at it.
    near: &'static str,
}

impl Refusal {
    fn new(near: &'static str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            near,
        }
    }

    fn at(self, text: &str) -> TextProblem {
        let range = match text.find(self.near) {
            Some(start) if !self.near.is_empty() => start..start + self.near.len(),
            _ => 0..text.len(),
        };
        TextProblem::new(range, self.message)
    }
}

type Lowered<T> = Result<T, Refusal>;

fn segments(segments: &[model::Segment]) -> Lowered<Vec<Segment>> {
    segments
        .iter()
        .map(|segment| match segment {
            model::Segment::Selector(one) => Ok(vec![selector(one)?]),
            model::Segment::Selectors(union) => union.iter().map(selector).collect(),
            model::Segment::Descendant(_) => Err(Refusal::new("..", "expected a path without \"..\"")),
        })
        .collect()
}

fn selector(selector: &model::Selector) -> Lowered<Selector> {
    Ok(match selector {
        model::Selector::Name(name) => Selector::Name(name.clone()),
        model::Selector::Index(index) => Selector::Index(*index),
        model::Selector::Wildcard => Selector::Wildcard,
        model::Selector::Slice(start, end, step) => Selector::Slice(Slice {
            start: *start,
            end: *end,
            step: step.unwrap_or(1),
        }),
        model::Selector::Filter(filter) => Selector::Filter(condition(filter)?),
    })
}

fn condition(filter: &model::Filter) -> Lowered<Condition> {
    match filter {
        model::Filter::Or(filters) => Ok(Condition::Any(filters.iter().map(condition).collect::<Lowered<_>>()?)),
        model::Filter::And(filters) => Ok(Condition::All(filters.iter().map(condition).collect::<Lowered<_>>()?)),
        model::Filter::Atom(model::FilterAtom::Filter { expr, not }) => Ok(negated(*not, condition(expr)?)),
        model::Filter::Atom(model::FilterAtom::Test { expr, not }) => Ok(negated(*not, existence(expr)?)),
        model::Filter::Atom(model::FilterAtom::Comparison(comparison)) => {
            let operator = match comparison.as_ref() {
                model::Comparison::Eq(..) => Operator::Equal,
                model::Comparison::Ne(..) => Operator::NotEqual,
                model::Comparison::Lt(..) => Operator::Less,
                model::Comparison::Lte(..) => Operator::LessOrEqual,
                model::Comparison::Gt(..) => Operator::Greater,
                model::Comparison::Gte(..) => Operator::GreaterOrEqual,
            };
            let (left, right) = comparison.vals();
            Ok(Condition::Compare(comparable(left)?, operator, comparable(right)?))
        }
    }
}

fn negated(not: bool, condition: Condition) -> Condition {
    if not {
        Condition::Not(Box::new(condition))
    } else {
        condition
    }
}

fn existence(test: &model::Test) -> Lowered<Condition> {
    match test {
        model::Test::Function(function) => {
            let name = function_name(function);
            Err(Refusal::new(
                name,
                format!("expected a comparison of {name}(), such as {name}(…) > 0, found it as a condition"),
            ))
        }
        model::Test::RelQuery(_) | model::Test::AbsQuery(_) => query(test, "").map(Condition::Exists),
    }
}

fn comparable(comparable: &model::Comparable) -> Lowered<Operand> {
    match comparable {
        model::Comparable::Literal(value) => literal(value).map(Operand::Literal),
        model::Comparable::Function(call) => function(call),
        model::Comparable::SingularQuery(path) => {
            let (origin, steps) = match path {
                model::SingularQuery::Current(steps) => (Origin::Current, steps),
                model::SingularQuery::Root(steps) => (Origin::Root, steps),
            };
            let steps = steps
                .iter()
                .map(|step| match step {
                    model::SingularQuerySegment::Index(index) => Step::Index(*index),
                    model::SingularQuerySegment::Name(name) => Step::Name(name.clone()),
                })
                .collect();
            Ok(Operand::Node(Singular { origin, steps }))
        }
    }
}

fn literal(literal: &model::Literal) -> Lowered<Literal> {
    Ok(match literal {
        model::Literal::Int(value) => Literal::Integer(*value),
        model::Literal::Float(value) if !value.is_finite() => {
            return Err(Refusal::new(
                "",
                "expected a number that fits a 64-bit float, found a larger one",
            ));
        }
        model::Literal::Float(value) => Literal::Float(*value),
        model::Literal::String(text) => Literal::Text(text.clone()),
        model::Literal::Bool(value) => Literal::Boolean(*value),
        model::Literal::Null => Literal::Null,
    })
}

fn function(call: &model::TestFunction) -> Lowered<Operand> {
    let name = function_name(call);
    match call {
        model::TestFunction::Length(argument) => Ok(Operand::Length(Box::new(value_argument(argument, name)?))),
        model::TestFunction::Count(argument) => path_argument(argument, name).map(Operand::Count),
        model::TestFunction::Value(argument) => path_argument(argument, name).map(Operand::Only),
        model::TestFunction::Custom(..) | model::TestFunction::Search(..) | model::TestFunction::Match(..) => Err(
            Refusal::new(name, "expected length(), count() or value(), found another function"),
        ),
    }
}

/// The argument of `length()`: one value.
fn value_argument(argument: &model::FnArg, name: &'static str) -> Lowered<Operand> {
    match argument {
        model::FnArg::Literal(value) => literal(value).map(Operand::Literal),
        model::FnArg::Test(test) => match test.as_ref() {
            model::Test::Function(call) => function(call),
            model::Test::RelQuery(_) | model::Test::AbsQuery(_) => {
                let path = query(test, name)?;
                Singular::of(path.origin, &path.segments).map(Operand::Node).ok_or_else(|| {
                    Refusal::new(
                        name,
                        format!("expected a path to one value in {name}(), found one that may have several; count() counts them"),
                    )
                })
            }
        },
        model::FnArg::Filter(_) => Err(Refusal::new(
            name,
            format!("expected a path to one value in {name}(), found a condition"),
        )),
    }
}

/// The argument of `count()` and `value()`: any path.
fn path_argument(argument: &model::FnArg, name: &'static str) -> Lowered<Query> {
    match argument {
        model::FnArg::Test(test) => query(test, name),
        model::FnArg::Literal(_) | model::FnArg::Filter(_) => Err(Refusal::new(
            name,
            format!("expected a path in {name}(), found something else"),
        )),
    }
}

fn query(test: &model::Test, name: &'static str) -> Lowered<Query> {
    let (origin, path) = match test {
        model::Test::RelQuery(path) => (Origin::Current, path),
        model::Test::AbsQuery(path) => (Origin::Root, &path.segments),
        model::Test::Function(_) => {
            return Err(Refusal::new(
                name,
                format!("expected a path in {name}(), found another function"),
            ));
        }
    };
    Ok(Query {
        origin,
        segments: segments(path)?,
    })
}

fn function_name(function: &model::TestFunction) -> &'static str {
    match function {
        model::TestFunction::Length(_) => "length",
        model::TestFunction::Count(_) => "count",
        model::TestFunction::Value(_) => "value",
        model::TestFunction::Search(..) => "search",
        model::TestFunction::Match(..) => "match",
        model::TestFunction::Custom(..) => "",
    }
}

fn unparsable(text: &str, error: &JsonPathError) -> TextProblem {
    let JsonPathError::PestError(syntax) = error else {
        // The other errors speak of one number, string or function, and know no position.
        return TextProblem::new(0..text.len(), format!("expected a JSONPath (RFC 9535): {error}"));
    };
    let start = furthest(&format!("{:?}", syntax.location)).filter(|start| text.is_char_boundary(*start));
    let rest = start.and_then(|start| text.get(start..)).unwrap_or(text);
    let start = text.len() - rest.len();
    let message = if rest.is_empty() {
        "expected more of a JSONPath (RFC 9535), found its end".to_owned()
    } else {
        format!("expected a JSONPath (RFC 9535), cannot read on at {}", quoted(rest))
    };
    TextProblem::new(start..text.len(), message)
}

/// The position that the parser reached. Its type belongs to a crate that is not ours to name, so it is read off
/// the debug form, `Pos(7)` or `Span((7, 9))`; should that change, the whole text is marked.
fn furthest(location: &str) -> Option<usize> {
    let digits = location.split(|character: char| !character.is_ascii_digit());
    digits.into_iter().find(|digits| !digits.is_empty())?.parse().ok()
}
