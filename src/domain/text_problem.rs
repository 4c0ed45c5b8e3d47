//! What is wrong within one short text of a policy file, such as a JSONPath or a template, and where in it.

use std::ops::Range;

/// One mistake in a text, with the bytes that it concerns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextProblem {
    /// What was expected and what was found, in one line.
    pub message: String,
    /// The bytes of the text that are wrong; always within it and on character boundaries.
    pub range: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

impl TextProblem {
    /// A mistake at a place of a text.
    pub fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: one_line(message.into()),
            range,
            help: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(one_line(help.into()));
        self
    }

    /// Adds what to do where there is something to say.
    #[must_use]
    pub fn with_optional_help(mut self, help: Option<String>) -> Self {
        self.help = help.map(one_line);
        self
    }
}

/// Keeps the user's text from breaking the line, the terminal or the Markdown that a message ends up in.
fn one_line(text: String) -> String {
    const SHOWN_CHARACTERS: usize = 400;
    let is_plain = |character: char| !character.is_control() && character != '`';
    if text.len() <= SHOWN_CHARACTERS && text.chars().all(is_plain) {
        return text;
    }
    let mut line: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|character| match character {
            '`' => '\'',
            plain if is_plain(plain) => plain,
            _ => char::REPLACEMENT_CHARACTER,
        })
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_whatever_the_text() {
        let check = |text: &str, expected: &str| {
            let problem = TextProblem::new(0..0, text).with_help(text);
            assert_eq!(problem.message, expected);
            assert_eq!(problem.help.as_deref(), Some(expected));
            assert_eq!(
                problem.with_optional_help(Some(text.to_owned())).help.as_deref(),
                Some(expected)
            );
        };
        check("expected é", "expected é");
        check("a\nb\u{1b}[0m`c`", "a\u{FFFD}b\u{FFFD}[0m'c'");
        check(&"é".repeat(400), &"é".repeat(400));
        check(&"é".repeat(401), &format!("{}…", "é".repeat(400)));
    }
}
