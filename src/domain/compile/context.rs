//! What every step of a compilation shares: the problems found so far and the patterns already compiled.

use std::collections::HashMap;

use super::dead_paths;
use crate::domain::definition::{SelectorDefinition, Text};
use crate::domain::path::Path;
use crate::domain::pattern::{Glob, Pattern};
use crate::domain::schema::one_line;
use crate::domain::selector::{Operator, Requirement, RequirementPart, Selector};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::suggest::{is_same_word, nearest};
use crate::domain::template::Template;
use crate::domain::text_problem::TextProblem;

pub(super) use crate::domain::schema::quoted as quote;

/// The problems found so far, and what is worth keeping between documents.
#[derive(Debug, Default)]
pub(super) struct Context {
    problems: Vec<Problem>,
    /// By text: thousands of policies of one team like another share their patterns.
    patterns: HashMap<String, Result<Pattern, String>>,
}

impl Context {
    /// Adds a problem; what it repeats of the user's text cannot break its line.
    pub(super) fn report(&mut self, problem: Problem) {
        let mut problem = problem.with_advice();
        let labels = problem.related.iter_mut().map(|(_, label)| label);
        let texts = [&mut problem.message, &mut problem.label]
            .into_iter()
            .chain(&mut problem.help);
        for text in texts.chain(labels) {
            if text.contains(|character: char| character.is_control() || character == '`') {
                *text = one_line(text);
            }
        }
        self.problems.push(problem);
    }

    /// Takes out the problems so far, for a look at all of them.
    pub(super) fn take(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    /// Puts back problems that were taken out.
    pub(super) fn restore(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// The problems in the order of the files, each once.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems
            .sort_by(|a, b| (a.span, a.severity, &a.message).cmp(&(b.span, b.severity, &b.message)));
        self.problems.dedup();
        self.problems
    }

    /// Compiles a pattern, or reports why it cannot be.
    pub(super) fn pattern(&mut self, text: &Text) -> Option<Pattern> {
        if !self.patterns.contains_key(&text.value) {
            let compiled = Pattern::parse(&text.value).map_err(|error| error.to_string());
            self.patterns.insert(text.value.clone(), compiled);
        }
        match self.patterns.get(&text.value)? {
            Ok(pattern) => Some(pattern.clone()),
            Err(message) => {
                let problem = Problem::error(Code::BadPattern, text.span, message.clone());
                self.report(problem);
                None
            }
        }
    }

    /// Compiles a JSONPath, or reports why it cannot be.
    pub(super) fn path(&mut self, text: &Text) -> Option<Path> {
        match Path::parse(&text.value) {
            Ok(path) => {
                if let Some(problem) = dead_paths::check(&path, text) {
                    self.report(problem);
                }
                Some(path)
            }
            Err(problem) => {
                self.report_within(Code::BadPath, text, problem);
                None
            }
        }
    }

    /// Compiles a template, or reports everything that is wrong with it.
    pub(super) fn template(&mut self, text: &Text, variables: &[&str]) -> Option<Template> {
        match Template::parse(&text.value, variables) {
            Ok(template) => Some(template),
            Err(problems) => {
                for problem in problems {
                    self.report_within(Code::BadTemplate, text, problem);
                }
                None
            }
        }
    }

    /// Compiles a label selector, or reports everything that is wrong with it.
    pub(super) fn selector(&mut self, definition: &SelectorDefinition) -> Option<Selector> {
        let labels = definition
            .match_labels
            .iter()
            .map(|(key, value)| (key, Operator::In, vec![value], key.span));
        let mut conditions: Vec<_> = labels.collect();
        for expression in &definition.match_expressions {
            let operator = Operator::from_name(&expression.operator.value);
            let values = expression.values.iter().collect();
            match operator {
                Some(operator) => conditions.push((&expression.key, operator, values, expression.operator.span)),
                None => {
                    let found = quote(&expression.operator.value);
                    let words = Operator::ALL.iter().map(|operator| operator.name());
                    let message = format!("expected an operator of label selectors, found {found}");
                    let problem = Problem::error(Code::UnknownWord, expression.operator.span, message);
                    self.report(suggest_among(problem, &expression.operator.value, words));
                }
            }
        }
        let mut requirements = Vec::with_capacity(conditions.len());
        for (key, operator, values, operator_span) in conditions {
            let texts = values.iter().map(|value| value.value.clone()).collect();
            match Requirement::new(key.value.clone(), operator, texts) {
                Ok(requirement) => requirements.push(requirement),
                Err(problems) => {
                    for problem in problems {
                        let span = match problem.part {
                            RequirementPart::Key => key.span,
                            RequirementPart::Values => operator_span,
                            RequirementPart::Value(position) => {
                                values.get(position).map_or(key.span, |value| value.span)
                            }
                        };
                        self.report(Problem::error(Code::BadSelector, span, problem.message));
                    }
                }
            }
        }
        Some(Selector::new(requirements))
    }

    /// Reports what is wrong within a text, at the very bytes where that can be told.
    fn report_within(&mut self, code: Code, text: &Text, problem: TextProblem) {
        let span = part_of(text, problem.range.start, problem.range.end);
        self.report(Problem::error(code, span, problem.message).with_optional_help(problem.help));
    }

    /// Takes a glob, or reports why it is none.
    pub(super) fn glob(&mut self, text: &Text) -> Option<Glob> {
        let glob = Glob::parse(&text.value);
        glob.map_err(|error| self.report(Problem::error(Code::BadPattern, text.span, error.to_string())))
            .ok()
    }

    /// Reports every value that stands in a list twice; `what` names one.
    pub(super) fn refuse_repeats(&mut self, what: &str, list: &[Text]) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for text in list {
            if let Some(first) = seen.get(text.value.as_str()) {
                self.report(
                    Problem::error(
                        Code::DuplicateEntry,
                        text.span,
                        format!("{what} {} is listed twice", quote(&text.value)),
                    )
                    .with_related(*first, "first listed here"),
                );
            } else {
                seen.insert(&text.value, text.span);
            }
        }
    }
}

/// The place of a part of a text, where the text stands in the file as it is; else the place of the whole.
pub(super) fn part_of(text: &Text, start: usize, end: usize) -> Span {
    let span = text.span;
    let written = span.end.saturating_sub(span.start) as usize;
    let length = text.value.len();
    // A plain scalar is as long as its value, a quoted one without escapes two bytes longer; anything else was folded or escaped.
    let offset = match written.checked_sub(length) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span,
    };
    let place = |position: usize| {
        u32::try_from(position + offset)
            .ok()
            .and_then(|at| span.start.checked_add(at))
    };
    match (place(start.min(length)), place(end.min(length))) {
        (Some(start), Some(end)) if start < end => Span { start, end, ..span },
        _ => span,
    }
}

/// Words as a list for people: `a, b and c`.
pub(super) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// Adds to a problem about a name that nothing has what could have been meant: the nearest one, or the list where it is short.
/// Where there is neither, the help that the problem has stays.
pub(super) fn suggest_among<'a>(
    problem: Problem,
    wanted: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Problem {
    let near = nearest(wanted, known.clone());
    let problem = match near {
        Some(near) => problem.with_text(near, is_same_word(wanted, near)),
        None => problem,
    };
    match alternatives(wanted, known) {
        Some(help) => problem.with_help(help),
        None => problem,
    }
}

/// Help for a name that nothing has: the nearest one, or the list where it is short.
pub(super) fn alternatives<'a>(wanted: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    const SHORT: usize = 20;
    if let Some(near) = nearest(wanted, known.clone()) {
        // Not shortened, as what is only shown: this is to be copied.
        return Some(format!("did you mean \"{near}\"?"));
    }
    let mut words: Vec<&str> = known.take(SHORT + 1).collect();
    words.sort_unstable();
    words.dedup();
    match words.len() {
        0 => None,
        count if count > SHORT => None,
        1 => Some(format!("the only one is {}", listed(&words))),
        _ => Some(format!("there are {}", listed(&words))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_marked_only_where_the_text_stands_as_it_is() {
        let check = |value: &str, written: u32, part: (usize, usize), expected: (u32, u32)| {
            let span = Span {
                file: 3,
                start: 10,
                end: 10 + written,
            };
            let found = part_of(&Text::new(value.to_owned(), span), part.0, part.1);
            let expected = Span {
                file: 3,
                start: expected.0,
                end: expected.1,
            };
            assert_eq!(found, expected, "{value:?} written in {written} bytes");
        };
        check("$.a..b", 6, (3, 5), (13, 15));
        check("$.a..b", 8, (3, 5), (14, 16));
        check("escaped", 9 + 4, (3, 5), (10, 23));
        check("folded", 3, (3, 5), (10, 13));
        check("past the end", 12, (3, 500), (13, 22));
        check("empty part", 10, (3, 3), (10, 20));
        check("", 0, (0, 0), (10, 10));
    }

    #[test]
    fn words_are_listed_for_people() {
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b"]), "a and b");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn alternatives_are_near_or_few() {
        let check = |wanted: &str, known: &[&str], expected: Option<&str>| {
            assert_eq!(
                alternatives(wanted, known.iter().copied()).as_deref(),
                expected,
                "{wanted}"
            );
        };
        check("ower", &["owner", "repo"], Some("did you mean \"owner\"?"));
        check("x", &["repo", "owner"], Some("there are owner and repo"));
        check("x", &["owner"], Some("the only one is owner"));
        check("x", &[], None);
        let many: Vec<String> = (0..30).map(|number| format!("key-number-{number}")).collect();
        assert_eq!(alternatives("x", many.iter().map(String::as_str)), None);
    }
}
