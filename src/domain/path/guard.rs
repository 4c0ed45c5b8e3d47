//! What is checked in the text of a path before it is parsed: the limits of the policy language, things that cost
//! the parser exponential time, white space that it misreads, and the usual mistakes, each with its remedy.

use std::ops::Range;

use super::super::schema::quoted;
use super::super::suggest::nearest;
use super::super::text_problem::TextProblem;

/// Most bytes of a path.
pub const MAX_LENGTH: usize = 1024;
/// Deepest nesting of function calls: the parser tries each argument in three ways.
const MAX_FUNCTION_DEPTH: usize = 2;
/// Deepest nesting of brackets and parentheses together.
const MAX_NESTING: usize = 16;
const FUNCTIONS: [&str; 3] = ["length", "count", "value"];

/// Checks everything that can be seen without parsing.
pub(super) fn check(text: &str) -> Result<(), TextProblem> {
    check_ends(text)?;
    Scanner {
        text,
        open: Vec::new(),
        last: None,
        space_since_last: false,
    }
    .run()
}

/// A key as it is written in brackets.
pub(super) fn single_quoted(key: &str) -> String {
    let mut quoted = String::from("'");
    for character in key.chars() {
        if matches!(character, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

fn check_ends(text: &str) -> Result<(), TextProblem> {
    let whole = 0..text.len();
    if text.is_empty() {
        return Err(TextProblem::new(whole, "expected a JSONPath, found an empty text")
            .with_help("a path begins with $, for example $.metadata.name"));
    }
    if text.len() > MAX_LENGTH {
        return Err(TextProblem::new(
            whole,
            format!("expected a path of at most {MAX_LENGTH} bytes, found {}", text.len()),
        ));
    }
    if text.trim() != text {
        return Err(TextProblem::new(whole, "expected no white space around the path")
            .with_help(format!("write {}", text.trim())));
    }
    if text.starts_with('$') {
        return Ok(());
    }
    let problem = TextProblem::new(
        0..text.chars().next().map_or(0, char::len_utf8),
        format!("expected a path that begins with $, found {}", quoted(text)),
    );
    let bare = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    let bare = bare.unwrap_or(text).trim();
    let first = bare.chars().next();
    Err(if bare.starts_with('$') {
        problem.with_help(format!("write {bare}, without braces"))
    } else if matches!(first, Some('.' | '[')) {
        problem.with_help(format!("write ${bare}"))
    } else if first.is_some_and(is_name_character) {
        problem.with_help(format!("write $.{bare}"))
    } else {
        problem.with_help("a path begins with $, for example $.metadata.name")
    })
}

/// A bracket or parenthesis that is open.
struct Open {
    position: usize,
    kind: Opening,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Bracket,
    Filter,
    Group,
    Call,
}

struct Scanner<'t> {
    text: &'t str,
    open: Vec<Open>,
    /// The last character outside quotes that is not white space.
    last: Option<char>,
    space_since_last: bool,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<(), TextProblem> {
        let mut position = 0;
        while let Some(character) = self.after(position).chars().next() {
            let end = position + character.len_utf8();
            match character {
                ' ' | '\t' | '\n' | '\r' => {
                    self.space_since_last = true;
                    position = end;
                    continue;
                }
                '\'' | '"' => {
                    position = self.end_of_string(position)?;
                    self.last = Some(character);
                    self.space_since_last = false;
                    continue;
                }
                _ => self.check_character(position, character)?,
            }
            self.last = Some(character);
            self.space_since_last = false;
            position = end;
        }
        match self.open.last() {
            None => Ok(()),
            Some(open) => {
                let (opening, closing) = match open.kind {
                    Opening::Bracket | Opening::Filter => ('[', ']'),
                    Opening::Group | Opening::Call => ('(', ')'),
                };
                Err(TextProblem::new(
                    open.position..self.text.len(),
                    format!("expected {closing} for this {opening}, found the end of the path"),
                ))
            }
        }
    }

    fn check_character(&mut self, position: usize, character: char) -> Result<(), TextProblem> {
        let here = position..position + character.len_utf8();
        self.check_spacing(position, character)?;
        match character {
            '[' => self.open_bracket(position)?,
            '(' => self.open_parenthesis(position)?,
            ']' | ')' => self.close(position, character)?,
            '?' => self.mark_filter(here)?,
            '.' if self.after(position).starts_with("..") => {
                return Err(
                    TextProblem::new(position..position + 2, "expected a path without \"..\"")
                        .with_help("name every step, with * for any: $.spec.pipelineSpec.tasks[*].name"),
                );
            }
            '=' | '&' | '|' => self.check_operator(position, character)?,
            '/' | '-' if self.open.is_empty() => return Err(self.bare_key(position)),
            other if other.is_control() || other.is_whitespace() => {
                return Err(TextProblem::new(
                    here,
                    format!("expected no {} outside quotes", quoted(&other.to_string())),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// The parser takes `a b` for a name with a space in it, and RFC 9535 does not.
    fn check_spacing(&self, position: usize, character: char) -> Result<(), TextProblem> {
        let Some(last) = self.last.filter(|_| self.space_since_last) else {
            return Ok(());
        };
        let splits_a_word = is_name_character(last) && is_name_character(character);
        if !splits_a_word && !matches!(last, '.' | '-') {
            return Ok(());
        }
        let start = self.before(position).trim_end().len();
        Err(
            TextProblem::new(start..position, "expected no white space within a name or number")
                .with_help("a key that holds a space stands in brackets and quotes: ['a b']"),
        )
    }

    fn open_bracket(&mut self, position: usize) -> Result<(), TextProblem> {
        let inside = self.after(position + 1);
        let first = inside.trim_start().chars().next();
        if first == Some(']') {
            return Err(TextProblem::new(
                position..position + 1,
                "expected a key, an index, * or a filter in the brackets, found nothing",
            ));
        }
        if first.is_some_and(|first| is_name_character(first) && !first.is_ascii_digit()) {
            let length = inside.find(']').unwrap_or(inside.len());
            let key = inside.get(..length).unwrap_or(inside);
            return Err(TextProblem::new(
                position + 1..position + 1 + length,
                format!("expected a key in quotes, found {}", quoted(key)),
            )
            .with_help(format!("write [{}]", single_quoted(key.trim()))));
        }
        self.push(position, Opening::Bracket)
    }

    fn open_parenthesis(&mut self, position: usize) -> Result<(), TextProblem> {
        let before = self.before(position).trim_end();
        let start = before.trim_end_matches(is_name_character).len();
        let name = before.get(start..).unwrap_or_default();
        if name.is_empty() {
            return self.push(position, Opening::Group);
        }
        let range = start..before.len();
        if matches!(name, "match" | "search") {
            return Err(TextProblem::new(range, format!("expected a path without {name}()"))
                .with_help("use operator: Matches with a path to the value"));
        }
        if !FUNCTIONS.contains(&name) {
            return Err(TextProblem::new(
                range,
                format!("expected a function ({}), found {}", FUNCTIONS.join(", "), quoted(name)),
            )
            .with_optional_help(nearest(name, FUNCTIONS.into_iter()).map(|function| format!("write {function}"))));
        }
        if self.count(Opening::Call) >= MAX_FUNCTION_DEPTH {
            return Err(TextProblem::new(
                range,
                format!("expected functions nested at most {MAX_FUNCTION_DEPTH} deep"),
            ));
        }
        self.push(position, Opening::Call)
    }

    fn push(&mut self, position: usize, kind: Opening) -> Result<(), TextProblem> {
        if self.open.len() >= MAX_NESTING {
            return Err(TextProblem::new(
                position..position + 1,
                format!("expected brackets and parentheses nested at most {MAX_NESTING} deep"),
            ));
        }
        self.open.push(Open { position, kind });
        Ok(())
    }

    fn close(&mut self, position: usize, character: char) -> Result<(), TextProblem> {
        let is_match = self.open.pop().is_some_and(|open| match open.kind {
            Opening::Bracket | Opening::Filter => character == ']',
            Opening::Group | Opening::Call => character == ')',
        });
        if is_match {
            Ok(())
        } else {
            Err(TextProblem::new(
                position..position + 1,
                format!("expected something open for this {character} to close, found nothing"),
            ))
        }
    }

    fn mark_filter(&mut self, here: Range<usize>) -> Result<(), TextProblem> {
        if self.open.iter().rev().skip(1).any(|open| open.kind == Opening::Filter) {
            return Err(TextProblem::new(here, "expected no filter inside a filter")
                .with_help("combine conditions with && and ||, or use a second where entry"));
        }
        if let Some(open) = self.open.last_mut().filter(|open| open.kind == Opening::Bracket) {
            open.kind = Opening::Filter;
        }
        Ok(())
    }

    fn check_operator(&self, position: usize, character: char) -> Result<(), TextProblem> {
        let touches_last = !self.space_since_last;
        let next = self.after(position + 1).chars().next();
        let is_doubled = next == Some(character) || (touches_last && self.last == Some(character));
        let ends_comparison = character == '=' && touches_last && matches!(self.last, Some('!' | '<' | '>'));
        if is_doubled || ends_comparison {
            return Ok(());
        }
        if next == Some('~') {
            return Err(TextProblem::new(position..position + 2, "expected a path without =~")
                .with_help("use operator: Matches with a path to the value"));
        }
        Err(TextProblem::new(
            position..position + 1,
            format!("expected {character}{character}, found a single {character}"),
        ))
    }

    /// A slash or a dash outside brackets: a key that was meant to stand in them.
    fn bare_key(&self, position: usize) -> TextProblem {
        let maps = ["$.metadata.annotations.", "$.metadata.labels."];
        let start = maps.iter().find(|map| self.text.starts_with(*map)).map_or_else(
            || self.before(position).rfind('.').map_or(1, |dot| dot + 1),
            |map| map.len(),
        );
        let rest = self.text.get(start..).unwrap_or_default();
        let key = rest.split('[').next().unwrap_or(rest);
        let parent = self.before(start).trim_end_matches('.');
        TextProblem::new(
            position..position + 1,
            format!(
                "expected a key with such a character in brackets and quotes, found {}",
                quoted(key)
            ),
        )
        .with_help(format!("write {parent}[{}]", single_quoted(key)))
    }

    fn end_of_string(&self, start: usize) -> Result<usize, TextProblem> {
        let quote = self.after(start).chars().next();
        let mut is_escaped = false;
        for (offset, character) in self.after(start).char_indices().skip(1) {
            if is_escaped {
                is_escaped = false;
            } else if character == '\\' {
                is_escaped = true;
            } else if Some(character) == quote {
                return Ok(start + offset + 1);
            }
        }
        Err(TextProblem::new(
            start..self.text.len(),
            "expected a quote that closes this one, found the end of the path",
        ))
    }

    fn count(&self, kind: Opening) -> usize {
        self.open.iter().filter(|open| open.kind == kind).count()
    }

    fn before(&self, position: usize) -> &str {
        self.text.get(..position).unwrap_or_default()
    }

    fn after(&self, position: usize) -> &str {
        self.text.get(position..).unwrap_or_default()
    }
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
}
