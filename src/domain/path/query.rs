//! What a JSONPath is once it is compiled: only what the policy language allows can be written down here.

/// A path from somewhere, with any number of results.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) origin: Origin,
    pub(super) segments: Vec<Segment>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// `$`
    Root,
    /// `@`, the value that a filter looks at.
    Current,
}

/// One step of a path: the union of its selectors, mostly a single one.
pub(super) type Segment = Vec<Selector>;

/// Which children of a value are taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selector {
    Name(String),
    Index(i64),
    Wildcard,
    Slice(Slice),
    Filter(Condition),
}

/// `[start:end:step]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) step: i64,
}

/// What a filter asks of each child.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Exists(Query),
    Compare(Operand, Operator, Operand),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Literal(Literal),
    Node(Singular),
    Length(Box<Operand>),
    Count(Query),
    /// `value()`: the node, if the path has exactly one.
    Only(Query),
}

/// A value that is written in a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

/// How two operands are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A path of names and indexes: it has one result at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Singular {
    pub(super) origin: Origin,
    pub(super) steps: Vec<Step>,
}

/// One step of a [`Singular`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(i64),
}

impl Singular {
    /// The segments as a list of single steps, if that is what they are.
    pub(super) fn of(origin: Origin, segments: &[Segment]) -> Option<Self> {
        let steps = segments
            .iter()
            .map(|segment| match segment.as_slice() {
                [Selector::Name(name)] => Some(Step::Name(name.clone())),
                [Selector::Index(index)] => Some(Step::Index(*index)),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { origin, steps })
    }
}
