//! The words for what is wrong with a value: what was expected, then what was found.

use super::quote::{character, one_line, quoted};
use super::shapes::{self, JsonMistake};
use super::uri::{self, UriMistake};
use super::{Format, Mistake, ValueSchema};
use crate::domain::cause::CauseKind;
use crate::domain::git_url::GitUrl;

/// Most values of an enum that a message lists.
const MAX_LISTED: usize = 12;

/// Most characters of a pattern that a message repeats; who needs more writes a patternMessage.
const MAX_PATTERN_SHOWN: usize = 120;

/// Kind and message of a mistake.
pub(super) fn message(schema: &ValueSchema, value: &str, mistake: &Mistake) -> (CauseKind, String) {
    let found = || quoted(value);
    match mistake {
        Mistake::Credential(what) => (
            CauseKind::Forbidden,
            format!(
                "expected no credential, found {what}; store it in a Secret and name the Secret, since annotations are copied to Pods, results and provenance"
            ),
        ),
        Mistake::Control(at) => {
            let which = value.chars().nth(*at).map(character).unwrap_or_default();
            let position = at + 1;
            (
                CauseKind::Invalid,
                format!(
                    "expected one line without control characters, found {which} at character {position} of {}",
                    found()
                ),
            )
        }
        Mistake::TooLong(length) => {
            let most = schema.max_length.unwrap_or_default();
            (
                CauseKind::TooLong,
                format!("expected at most {}, found {length}: {}", counted(most), found()),
            )
        }
        Mistake::TooShort(length) => {
            let least = schema.min_length.unwrap_or_default();
            let found = if *length == 0 {
                found()
            } else {
                format!("{length}: {}", found())
            };
            (
                CauseKind::Invalid,
                format!("expected at least {}, found {found}", counted(least)),
            )
        }
        Mistake::Placeholder(range) => {
            let placeholder = value.get(range.clone()).unwrap_or_default();
            (
                CauseKind::Invalid,
                format!(
                    "expected {}, found a placeholder that nothing has replaced: {}",
                    expected(schema),
                    quoted(placeholder)
                ),
            )
        }
        Mistake::Enum => (
            CauseKind::NotSupported,
            format!("expected {}, found {}", one_of(&schema.enum_values), found()),
        ),
        Mistake::Format(format) => (CauseKind::Invalid, of_format(*format, value)),
        Mistake::Uri(mistake) => of_uri(schema, value, mistake),
        Mistake::Pattern => (
            CauseKind::Invalid,
            format!("expected {}, found {}", expected(schema), found()),
        ),
        Mistake::Below(minimum) => (
            CauseKind::Invalid,
            format!("expected a number of at least {minimum}, found {}", found()),
        ),
        Mistake::Above(maximum) => (
            CauseKind::Invalid,
            format!("expected a number of at most {maximum}, found {}", found()),
        ),
    }
}

/// What a schema expects, in the words of its author where there are some.
fn expected(schema: &ValueSchema) -> String {
    match (&schema.pattern_message, &schema.pattern, schema.format) {
        (Some(message), _, _) => one_line(message),
        (None, Some(pattern), _) => format!("a value that matches {}", shortened(pattern.as_str())),
        (None, None, Some(format)) => format.expected().to_owned(),
        (None, None, None) => "a final value".to_owned(),
    }
}

/// A pattern as written, or its beginning; it stands in the middle of a sentence and is not quoted, so that its own
/// quotes and backslashes need no escaping.
pub(super) fn shortened(pattern: &str) -> String {
    let shown: String = pattern.chars().take(MAX_PATTERN_SHOWN).collect();
    let more = if shown.len() < pattern.len() { "…" } else { "" };
    format!("{}{more}", shown.replace('`', "'"))
}

/// `"a", "b" or "c"`.
pub(super) fn one_of(values: &[String]) -> String {
    let mut shown: Vec<String> = values.iter().take(MAX_LISTED).map(|value| quoted(value)).collect();
    let hidden = values.len() - shown.len();
    if hidden > 0 {
        return format!("one of {} and {hidden} more", shown.join(", "));
    }
    match shown.pop() {
        Some(last) if shown.is_empty() => last,
        Some(last) => format!("{} or {last}", shown.join(", ")),
        None => "no value at all".to_owned(),
    }
}

pub(super) fn counted(characters: usize) -> String {
    match characters {
        1 => "1 character".to_owned(),
        many => format!("{many} characters"),
    }
}

fn of_format(format: Format, value: &str) -> String {
    let expected = format.expected();
    let found = quoted(value);
    match format {
        Format::GitSha if matches!(value.len(), 7..=39) && value.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("expected {expected}, found only {} of them: {found}", value.len())
        }
        Format::Int64
            if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0') =>
        {
            format!("expected {expected} of 64 bits, found {found}")
        }
        Format::GitUrl => match GitUrl::parse(value) {
            Err(reason) if !value.is_empty() => format!("expected {expected}, found {found}, {reason}"),
            _ => format!("expected {expected}, found {found}"),
        },
        Format::JsonObject | Format::JsonArray => {
            match shapes::json(value, if format == Format::JsonObject { '{' } else { '[' }) {
                Err(JsonMistake::Syntax { ends_early: true, .. }) if !value.is_empty() => {
                    format!("expected {expected}, found one that ends too early: {found}")
                }
                Err(JsonMistake::Syntax { line, column, .. }) if !value.is_empty() => {
                    format!("expected {expected}, found no JSON at line {line}, column {column} of {found}")
                }
                _ => format!("expected {expected}, found {found}"),
            }
        }
        _ => format!("expected {expected}, found {found}"),
    }
}

fn of_uri(schema: &ValueSchema, value: &str, mistake: &UriMistake) -> (CauseKind, String) {
    let scheme = schema.schemes.first().map_or("https", String::as_str);
    let invalid = |expected: String, found: String| (CauseKind::Invalid, format!("expected {expected}, found {found}"));
    match mistake {
        UriMistake::TooLong => (
            CauseKind::TooLong,
            format!(
                "expected an address of at most {} bytes, found {}",
                uri::MAX_BYTES,
                value.len()
            ),
        ),
        UriMistake::Character(found) => invalid(
            "an address without white space, backslashes, quotes and brackets".to_owned(),
            format!("{} in {}", character(*found), quoted(value)),
        ),
        UriMistake::NoScheme => invalid(format!("an address that begins with {scheme}://"), quoted(value)),
        UriMistake::Slashes => invalid("two slashes before the host of the address".to_owned(), quoted(value)),
        UriMistake::Scheme(found) => {
            let schemes = if schema.schemes.is_empty() {
                "https".to_owned()
            } else {
                schema.schemes.join(" or ")
            };
            (
                CauseKind::NotSupported,
                format!(
                    "expected an address of scheme {}, found scheme {}",
                    one_line(&schemes),
                    quoted(found)
                ),
            )
        }
        UriMistake::PlainHttp => (
            CauseKind::Forbidden,
            "expected an https address, found http, which Settings urls.allowHttp does not allow".to_owned(),
        ),
        UriMistake::PlaceholderInHost => invalid(
            "placeholders only behind the host of an address".to_owned(),
            format!("one before it in {}", quoted(value)),
        ),
        UriMistake::UserName => invalid(
            "an address without a user name".to_owned(),
            "an @ before its path".to_owned(),
        ),
        UriMistake::Port => invalid(
            "a port between 0 and 65535 after the host's colon".to_owned(),
            quoted(value),
        ),
        UriMistake::NoHost => invalid("an address with a host".to_owned(), quoted(value)),
        UriMistake::Host(found) => invalid("an address with a valid host".to_owned(), quoted(found)),
        UriMistake::HostSpelling { found, plain } => invalid(
            format!("the host in its plain spelling {}", quoted(plain)),
            quoted(found),
        ),
        UriMistake::Internal { found, kind } => (
            CauseKind::Forbidden,
            format!(
                "expected a public host, found {}, {kind}, which Settings urls.allowedHosts does not allow",
                quoted(found)
            ),
        ),
    }
}
