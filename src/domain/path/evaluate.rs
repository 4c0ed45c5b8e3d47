//! Walks a compiled path over a document, within a budget of steps.
//!
//! Without the budget, unions multiply (`[*,*,*][*,*,*]` visits nine times each grandchild) and filters do too
//! (`[?count($.spec.*) > 1]` visits the document once a child). With it, the cost of a path is bounded whatever
//! the path and the document are: every node visited, every value compared and every 64 bytes of text looked at
//! is a step. A path without unions and filters visits no node twice, so the budget suffices for every document.

use super::super::document::{MAX_NODES, Node};
use super::query::{Condition, Literal, Operand, Operator, Origin, Query, Segment, Selector, Singular, Slice, Step};

/// Most steps of one path on one document: to every node, from every node to its children, and one a segment.
pub const MAX_STEPS: usize = 2 * MAX_NODES + super::guard::MAX_LENGTH;

/// The budget did not suffice, or there is no tree to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBudget;

type Bounded<T> = Result<T, OverBudget>;

/// One walk over one document.
pub(super) struct Evaluation<'d> {
    root: &'d Node<'d>,
    steps_left: usize,
}

impl<'d> Evaluation<'d> {
    pub(super) fn new(root: &'d Node<'d>) -> Self {
        Self {
            root,
            steps_left: MAX_STEPS,
        }
    }

    /// The nodes at a path, in the order of the document.
    pub(super) fn nodes(&mut self, query: &Query, current: &'d Node<'d>) -> Bounded<Vec<&'d Node<'d>>> {
        self.spend(1)?;
        let mut nodes = vec![self.start(query.origin, current)];
        for segment in &query.segments {
            nodes = self.children(segment, &nodes)?;
        }
        Ok(nodes)
    }

    /// The node at a path that has one at most.
    pub(super) fn singular(&mut self, singular: &Singular, current: &'d Node<'d>) -> Bounded<Option<&'d Node<'d>>> {
        self.spend(singular.steps.len())?;
        let start = self.start(singular.origin, current);
        Ok(singular.steps.iter().try_fold(start, |node, step| match step {
            Step::Name(name) => node.get(name),
            Step::Index(index) => node.at(*index),
        }))
    }

    fn start(&self, origin: Origin, current: &'d Node<'d>) -> &'d Node<'d> {
        match origin {
            Origin::Root => self.root,
            Origin::Current => current,
        }
    }

    fn children(&mut self, segment: &Segment, parents: &[&'d Node<'d>]) -> Bounded<Vec<&'d Node<'d>>> {
        let mut children = Vec::new();
        for parent in parents {
            for selector in segment {
                self.spend(1)?;
                match selector {
                    Selector::Name(name) => children.extend(parent.get(name)),
                    Selector::Index(index) => children.extend(parent.at(*index)),
                    Selector::Wildcard => {
                        self.spend(width(parent))?;
                        children.extend(members(parent));
                    }
                    Selector::Slice(slice) => {
                        if let Node::List(elements) = parent {
                            let taken = slice.positions(elements.len());
                            self.spend(taken.len())?;
                            children.extend(taken.into_iter().filter_map(|position| elements.get(position)));
                        }
                    }
                    Selector::Filter(condition) => {
                        for child in members(parent) {
                            self.spend(1)?;
                            if self.holds(condition, child)? {
                                children.push(child);
                            }
                        }
                    }
                }
            }
        }
        Ok(children)
    }

    fn holds(&mut self, condition: &Condition, current: &'d Node<'d>) -> Bounded<bool> {
        match condition {
            Condition::All(conditions) => {
                for condition in conditions {
                    if !self.holds(condition, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Any(conditions) => {
                for condition in conditions {
                    if self.holds(condition, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Not(condition) => Ok(!self.holds(condition, current)?),
            Condition::Exists(query) => Ok(!self.nodes(query, current)?.is_empty()),
            Condition::Compare(left, operator, right) => {
                let left = self.operand(left, current)?;
                let right = self.operand(right, current)?;
                match operator {
                    Operator::Equal => self.equal(&left, &right),
                    Operator::NotEqual => Ok(!self.equal(&left, &right)?),
                    Operator::Less => self.less(&left, &right),
                    Operator::LessOrEqual => Ok(self.less(&left, &right)? || self.equal(&left, &right)?),
                    Operator::Greater => self.less(&right, &left),
                    Operator::GreaterOrEqual => Ok(self.less(&right, &left)? || self.equal(&left, &right)?),
                }
            }
        }
    }

    fn operand<'v>(&mut self, operand: &'v Operand, current: &'d Node<'d>) -> Bounded<Value<'v>>
    where
        'd: 'v,
    {
        match operand {
            Operand::Literal(Literal::Null) => Ok(Value::Null),
            Operand::Literal(Literal::Boolean(value)) => Ok(Value::Boolean(*value)),
            Operand::Literal(Literal::Integer(value)) => Ok(Value::Number(Number::Integer((*value).into()))),
            Operand::Literal(Literal::Float(value)) => Ok(Value::Number(Number::Float(*value))),
            Operand::Literal(Literal::Text(text)) => Ok(Value::Text(text)),
            Operand::Node(singular) => match self.singular(singular, current)? {
                None => Ok(Value::Nothing),
                Some(node) => self.value(node),
            },
            Operand::Only(query) => match self.nodes(query, current)?.as_slice() {
                [node] => self.value(node),
                _ => Ok(Value::Nothing),
            },
            Operand::Count(query) => Ok(Value::counted(self.nodes(query, current)?.len())),
            Operand::Length(of) => match self.operand(of, current)? {
                Value::Text(text) => {
                    self.spend_on_text(text.len())?;
                    Ok(Value::counted(text.chars().count()))
                }
                Value::Tree(node) => Ok(Value::counted(width(node))),
                Value::Nothing | Value::Null | Value::Boolean(_) | Value::Number(_) => Ok(Value::Nothing),
            },
        }
    }

    fn value<'v>(&mut self, node: &'v Node<'v>) -> Bounded<Value<'v>> {
        Ok(match node {
            Node::Null => Value::Null,
            Node::Boolean(value) => Value::Boolean(*value),
            Node::Number(token) => {
                self.spend_on_text(token.len())?;
                Value::Number(Number::of(token))
            }
            Node::Text(text) => Value::Text(text),
            Node::List(_) | Node::Object(_) => Value::Tree(node),
        })
    }

    fn equal(&mut self, left: &Value<'_>, right: &Value<'_>) -> Bounded<bool> {
        self.spend(1)?;
        match (left, right) {
            (Value::Nothing, Value::Nothing) | (Value::Null, Value::Null) => Ok(true),
            (Value::Boolean(left), Value::Boolean(right)) => Ok(left == right),
            (Value::Number(left), Value::Number(right)) => Ok(left.compare(*right).is_some_and(|order| order.is_eq())),
            (Value::Text(left), Value::Text(right)) => {
                self.spend_on_text(left.len().min(right.len()))?;
                Ok(left == right)
            }
            (Value::Tree(left), Value::Tree(right)) => self.equal_trees(left, right),
            _ => Ok(false),
        }
    }

    /// Recurses no deeper than a document is nested.
    fn equal_trees(&mut self, left: &Node<'_>, right: &Node<'_>) -> Bounded<bool> {
        match (left, right) {
            (Node::List(left), Node::List(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (left, right) in left.iter().zip(right) {
                    if !self.equal_nodes(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Node::Object(left), Node::Object(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                // Both are sorted by key and hold each key once, so that equal objects agree member by member.
                for ((left_key, left), (right_key, right)) in left.iter().zip(right) {
                    self.spend_on_text(left_key.len().min(right_key.len()))?;
                    if left_key != right_key || !self.equal_nodes(left, right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn equal_nodes(&mut self, left: &Node<'_>, right: &Node<'_>) -> Bounded<bool> {
        let left = self.value(left)?;
        let right = self.value(right)?;
        self.equal(&left, &right)
    }

    fn less(&mut self, left: &Value<'_>, right: &Value<'_>) -> Bounded<bool> {
        self.spend(1)?;
        match (left, right) {
            (Value::Number(left), Value::Number(right)) => Ok(left.compare(*right).is_some_and(|order| order.is_lt())),
            (Value::Text(left), Value::Text(right)) => {
                self.spend_on_text(left.len().min(right.len()))?;
                Ok(left < right)
            }
            _ => Ok(false),
        }
    }

    fn spend_on_text(&mut self, bytes: usize) -> Bounded<()> {
        const BYTES_PER_STEP: usize = 64;
        self.spend(bytes / BYTES_PER_STEP)
    }

    fn spend(&mut self, steps: usize) -> Bounded<()> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(OverBudget)?;
        Ok(())
    }
}

/// One side of a comparison while it is compared.
enum Value<'v> {
    Nothing,
    Null,
    Boolean(bool),
    Number(Number),
    Text(&'v str),
    /// A list or an object.
    Tree(&'v Node<'v>),
}

impl Value<'_> {
    fn counted(count: usize) -> Self {
        // A count never exceeds the budget; where `usize` were wider than `i128`, the largest number would do.
        Value::Number(Number::Integer(i128::try_from(count).unwrap_or(i128::MAX)))
    }
}

/// Integers are compared exactly, everything else as floating point.
#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    fn of(token: &str) -> Self {
        match token.parse() {
            Ok(integer) => Self::Integer(integer),
            Err(_) => Self::Float(token.parse().unwrap_or(f64::NAN)),
        }
    }

    fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (left, right) => left.as_float().partial_cmp(&right.as_float()),
        }
    }

    fn as_float(self) -> f64 {
        match self {
            // Rounded to the nearest float, which is what the other side is.
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }
}

impl Slice {
    /// The positions in a list of this length, as RFC 9535 section 2.3.4.2 defines them.
    fn positions(self, length: usize) -> Vec<usize> {
        let Ok(length) = i64::try_from(length) else {
            return Vec::new();
        };
        let from_front = |index: i64| if index < 0 { length.saturating_add(index) } else { index };
        let mut positions = Vec::new();
        if self.step > 0 {
            let mut position = from_front(self.start.unwrap_or(0)).clamp(0, length);
            let end = from_front(self.end.unwrap_or(length)).clamp(0, length);
            while position < end {
                positions.extend(usize::try_from(position));
                position = position.saturating_add(self.step);
            }
        } else if self.step < 0 {
            let mut position = self.start.map_or(length - 1, from_front).clamp(-1, length - 1);
            let end = self.end.map_or(-1, from_front).clamp(-1, length - 1);
            while position > end {
                positions.extend(usize::try_from(position));
                position = position.saturating_add(self.step);
            }
        }
        positions
    }
}

fn width(node: &Node<'_>) -> usize {
    match node {
        Node::List(elements) => elements.len(),
        Node::Object(members) => members.len(),
        Node::Null | Node::Boolean(_) | Node::Number(_) | Node::Text(_) => 0,
    }
}

fn members<'d>(node: &'d Node<'d>) -> impl Iterator<Item = &'d Node<'d>> {
    let (elements, members): (&[Node<'d>], &[_]) = match node {
        Node::List(elements) => (elements, &[]),
        Node::Object(members) => (&[], members),
        Node::Null | Node::Boolean(_) | Node::Number(_) | Node::Text(_) => (&[], &[]),
    };
    elements.iter().chain(members.iter().map(|(_, value)| value))
}
