//! The problems of one file: collected, capped, and with what was found in it put into words safely.

use crate::domain::source::{Code, Problem, Span};

/// A file with more problems than this is not a policy file with mistakes; the rest would drown the first.
const MOST_PROBLEMS: usize = 1000;

/// Characters of a file's text that a message repeats.
const MOST_QUOTED: usize = 60;

/// Every problem of one file.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    has_more: bool,
}

impl Problems {
    /// Adds a problem, unless there are too many already.
    pub(super) fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.has_more = true;
        } else {
            self.found.push(problem.with_advice());
        }
    }

    /// Adds several.
    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.push(problem);
        }
    }

    /// Whether another problem would not be shown: then looking for a suggestion is wasted work.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MOST_PROBLEMS
    }

    /// The problems; one about an aliased value, met at each alias, stands there once.
    pub(super) fn into_list(self) -> Vec<Problem> {
        let mut list: Vec<Problem> = Vec::with_capacity(self.found.len());
        let mut seen = std::collections::HashSet::new();
        for problem in self.found {
            if seen.insert((problem.span, problem.message.clone())) {
                list.push(problem);
            }
        }
        if self.has_more {
            let span = list.last().map_or_else(Span::default, |last| last.span);
            let message = "this file has more problems than are shown";
            list.push(Problem::error(Code::TooLarge, span, message).with_help("mend these first"));
        }
        list
    }
}

/// A text from a file in quotation marks: short, on one line and without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for (count, character) in text.chars().enumerate() {
        if count == MOST_QUOTED {
            quoted.push('…');
            break;
        }
        match character {
            '"' => quoted.push_str("\\\""),
            '`' => quoted.push('\''),
            _ if is_unprintable(character) => quoted.extend(character.escape_default()),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, and those that reorder or hide text on a terminal.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_keeps_a_message_on_one_printable_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), r#""a\nb\u{1b}[31m""#);
        assert_eq!(quoted("say \"x\" `now`"), r#""say \"x\" 'now'""#);
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), MOST_QUOTED + 3);
        assert_eq!(quoted("a\u{202e}b"), r#""a\u{202e}b""#);
    }

    #[test]
    fn a_file_full_of_mistakes_is_cut_off_and_says_so() {
        let mut problems = Problems::default();
        for start in 0..1500 {
            problems.push(Problem::error(
                Code::Syntax,
                Span {
                    file: 0,
                    start,
                    end: start,
                },
                "wrong",
            ));
        }
        let list = problems.into_list();
        assert_eq!(list.len(), MOST_PROBLEMS + 1);
        assert_eq!(
            list[MOST_PROBLEMS].message,
            "this file has more problems than are shown"
        );
    }

    #[test]
    fn the_same_problem_at_the_same_place_stands_there_once() {
        let mut problems = Problems::default();
        problems.extend([
            Problem::error(Code::Syntax, Span::default(), "wrong"),
            Problem::error(Code::Syntax, Span::default(), "wrong"),
        ]);
        assert_eq!(problems.into_list().len(), 1);
    }
}
