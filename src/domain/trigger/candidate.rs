//! Candidates for facts: what was found where a source looks, and whether it will do.

use std::borrow::Cow;
use std::fmt;

use super::fact_type::{describe, typed};
use crate::domain::path::Shape;
use crate::domain::reading::Found;
use crate::domain::schema::quoted;
use crate::domain::trigger_source::FactSource;
use crate::domain::words::FactName;

/// A text that may become a fact, or why there is none.
pub(super) type Candidate<'c> = Result<Cow<'c, str>, Unfit<'c>>;

/// What was found, and why it will not do. Only a trace puts it into words: most params called `revision` hold a branch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unfit<'c> {
    Mistyped(Shape),
    TooLarge,
    Pattern(&'c str),
    Type(&'c str, FactName),
}

impl fmt::Display for Unfit<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistyped(shape) => write!(formatter, "found {shape}"),
            Self::TooLarge => formatter.write_str("found more than a path may visit"),
            Self::Pattern(text) => write!(formatter, "{} does not match the pattern", quoted(text)),
            Self::Type(text, fact) => write!(formatter, "{} is not {}", quoted(text), describe(*fact)),
        }
    }
}

pub(super) fn candidate(found: Found<'_>) -> Option<Candidate<'_>> {
    match found {
        Found::Absent => None,
        Found::Text(text) => Some(Ok(text)),
        Found::Mistyped(shape) => Some(Err(Unfit::Mistyped(shape))),
        Found::TooLarge => Some(Err(Unfit::TooLarge)),
    }
}

/// Cuts out, translates and types one candidate.
///
/// What an earlier source has said is of the right type, and in its one spelling: the same text needs no second look.
pub(super) fn judge_candidate<'c>(
    fact_source: &'c FactSource,
    text: &'c str,
    known: Option<&str>,
) -> Result<Cow<'c, str>, Unfit<'c>> {
    let cut = match &fact_source.pattern {
        Some(pattern) => pattern.capture1(text).ok_or(Unfit::Pattern(text))?,
        None => text,
    };
    let translated = fact_source.map.get(cut).map_or(cut, String::as_str);
    if known == Some(translated) {
        return Ok(Cow::Borrowed(translated));
    }
    typed(fact_source.fact, translated).ok_or(Unfit::Type(translated, fact_source.fact))
}
