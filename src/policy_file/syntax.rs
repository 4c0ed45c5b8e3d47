//! What the YAML parser refuses, in words of a reader's own and with the place in bytes.

use granit_parser::{ErrorKind, Marker, ScanError};

use super::tree::MOST_NESTING;
use crate::domain::source::{Code, Problem, Span};

/// A limit that a file exceeds; reading it ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// More levels than anybody writes.
    Nesting,
    /// More values than a file of this size has without aliases.
    Size,
    /// More aliases than this.
    Aliases(usize),
    /// An alias within what it names.
    AliasOfItself,
}

impl Limit {
    /// The problem at the place where the limit was reached.
    pub(super) fn problem(self, span: Span) -> Problem {
        match self {
            Self::Nesting => nesting_problem(span),
            Self::Size => Problem::error(
                Code::TooLarge,
                span,
                "this file holds more values than a policy file may",
            )
            .with_help("split it, and write out what its aliases repeat"),
            Self::Aliases(most) => Problem::error(
                Code::TooLarge,
                span,
                format!("this file holds more than {most} aliases"),
            )
            .with_help("write out what they repeat"),
            Self::AliasOfItself => {
                Problem::error(Code::Syntax, span, "this alias stands within the value that it names")
                    .with_help("write out what it should repeat")
            }
        }
    }
}

fn nesting_problem(span: Span) -> Problem {
    let message = format!("lists and mappings are nested more than {MOST_NESTING} levels deep");
    Problem::error(Code::TooLarge, span, message)
        .with_help("no policy needs that; look for brackets that are not closed")
}

/// The byte that a parser's mark stands for.
pub(super) fn offset(marker: &Marker, text: &str) -> u32 {
    let bytes = marker.byte_offset().unwrap_or_else(|| {
        text.char_indices()
            .nth(marker.index())
            .map_or(text.len(), |(bytes, _)| bytes)
    });
    u32::try_from(bytes.min(text.len())).unwrap_or(u32::MAX)
}

/// The problem that a syntax error is.
pub(super) fn problem(error: &ScanError, text: &str, file: u32) -> Problem {
    let mut start = offset(error.marker(), text);
    let is_behind_tab = text.get(..start as usize).is_some_and(|before| before.ends_with('\t'));
    if is_about_tabs(error.kind()) && is_behind_tab {
        start -= 1;
    }
    let width = text
        .get(start as usize..)
        .and_then(|rest| rest.chars().next())
        .filter(|character| !matches!(character, '\n' | '\r'))
        .map_or(0, char::len_utf8);
    let span = Span {
        file,
        start,
        end: start + u32::try_from(width).unwrap_or(0),
    };
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return nesting_problem(span);
    }
    let (message, help) = words(error.kind());
    Problem::error(Code::Syntax, span, message).with_optional_help(help.map(str::to_owned))
}

fn is_about_tabs(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation
    )
}

/// What is wrong and what to do; for the rare kinds the parser's own words.
fn words(kind: &ErrorKind) -> (String, Option<&'static str>) {
    const QUOTE: &str = "quote a value that holds a colon and a space, or begins with one of {[&*!|>%@";
    const INDENT: &str = "indent with the same number of spaces as the lines that it belongs with";
    const COLON: &str =
        "quote the value if the colon belongs to it; if it ends a key, look at the indentation and the line above";
    const COMMA: &str = "put a comma behind what stands before it, or quote a value that holds one of ,[]{}";
    let (message, help) = match kind {
        tabs if is_about_tabs(tabs) => ("YAML is not indented with tabs", Some("use spaces")),
        ErrorKind::TabAtBlockScalarStart => ("a block of text is not indented with tabs", Some("use spaces")),
        ErrorKind::TabInPlainScalar => (
            "there is a tab in a value without quotes",
            Some("use spaces, or quote it"),
        ),
        ErrorKind::UnknownAnchor => (
            "this alias names nothing",
            Some("an anchor &name must stand before its alias *name; quote a value that begins with *"),
        ),
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::InvalidBlockScalarIndent => (
            "this line is indented neither like the one above nor as a part of it",
            Some(INDENT),
        ),
        ErrorKind::MappingValueNotAllowed => ("a colon with a space behind it cannot stand here", Some(COLON)),
        ErrorKind::MappingKeyNotAllowed => ("a key cannot stand here", Some(INDENT)),
        ErrorKind::InvalidColonPlacement => (
            "a colon cannot stand here",
            Some("close the bracket that is open before it, or quote the value that it belongs to"),
        ),
        ErrorKind::MissingAnchorOrAliasName => (
            "a value that begins with * or & needs quotation marks",
            Some("quote it, such as '*'"),
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
            "expected a key and a colon",
            Some("write key: value; a list item begins with a dash and a space"),
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => (
            "a list item cannot stand here",
            Some("begin the list on a line of its own, each item with a dash and a space"),
        ),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => (
            "this quotation mark is never closed",
            Some("close it; a ' within '…' is written ''"),
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "there is text after the closing quotation mark",
            Some("put all of the value inside the quotation marks; a ' within '…' is written ''"),
        ),
        ErrorKind::UnknownQuotedScalarEscape => (
            "this escape is unknown in double quotes",
            Some("use single quotes: in them a backslash is a backslash"),
        ),
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::UnexpectedEof
        | ErrorKind::UnclosedFlowCollection { .. } => {
            ("a bracket is opened and never closed", Some("close it with ] or }"))
        }
        ErrorKind::MisplacedFlowCollectionEnd => (
            "this bracket closes nothing",
            Some("remove it, or quote the value that it belongs to"),
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            let message = format!("expected the bracket that closes {open}, found {close}");
            return (
                message,
                Some("close the brackets in the order in which they were opened, the last one first"),
            );
        }
        ErrorKind::ExpectedFlowMappingSeparator => ("expected a comma or }", Some(COMMA)),
        ErrorKind::ExpectedFlowSequenceSeparator => ("expected a comma or ]", Some(COMMA)),
        ErrorKind::UnexpectedCharacter { character } => {
            return (
                format!(
                    "a value cannot begin with {}",
                    super::problems::quoted(&character.to_string())
                ),
                Some(QUOTE),
            );
        }
        ErrorKind::CommentNotSeparated => (
            "a comment needs a space before its #",
            Some("write the space, or quote the value that the # belongs to"),
        ),
        ErrorKind::ExpectedDocumentStart => (
            "expected the end of the document or of the file",
            Some(
                "begin another document with --- on a line of its own; look for a line that is not indented like the others",
            ),
        ),
        ErrorKind::ExpectedNodeContent => ("expected a value", Some(QUOTE)),
        ErrorKind::InvalidBlockScalarHeader => (
            "a block of text begins on the line after its | or >",
            Some("remove what stands behind it on this line"),
        ),
        ErrorKind::InvalidQuotedScalarHexEscape | ErrorKind::InvalidUnicodeEscape => (
            "this escape has too few digits or stands for no character",
            Some("use single quotes: in them a backslash is a backslash"),
        ),
        ErrorKind::InvalidDocumentEnd => (
            "there is text after the end of the document",
            Some("begin another document with --- on a line of its own"),
        ),
        ErrorKind::UndeclaredTagHandle => (
            "a value begins with a YAML tag that nobody declares",
            Some("quote a value that begins with !"),
        ),
        other => {
            let text: String = other.to_string().replace('`', "'");
            return (text, None);
        }
    };
    (message.to_owned(), help)
}
