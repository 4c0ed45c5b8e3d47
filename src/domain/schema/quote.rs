//! Values in messages: quoted, escaped, shortened, and left out where they may hold a credential.

use std::fmt::Write as _;

use super::secrets::credential_in;

/// Most characters of a value that a message repeats.
const MAX_SHOWN: usize = 64;

/// The value as a message shows it after "found ": in double quotes, or in words where it cannot be shown.
pub fn quoted(value: &str) -> String {
    if value.is_empty() {
        return "an empty value".to_owned();
    }
    if may_hold_credential(value) {
        return "a value that is not shown because it may hold a credential".to_owned();
    }
    let mut text = String::with_capacity(value.len().min(MAX_SHOWN) + 2);
    text.push('"');
    push_escaped(&mut text, value.chars().take(MAX_SHOWN));
    let length = value.chars().count();
    if length > MAX_SHOWN {
        let _ = write!(text, "…\" ({length} characters)");
    } else {
        text.push('"');
    }
    text
}

/// A text that a policy author wrote, made fit for a message: one line without backticks.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.trim().trim_end_matches('.').chars() {
        match character {
            '`' => line.push('\''),
            '\n' | '\t' => line.push(' '),
            other if other.is_control() => {}
            other => line.push(other),
        }
    }
    line
}

/// One character in words or as it is: `a line break`, `"x"`, `U+200B`.
pub(super) fn character(character: char) -> String {
    match character {
        '\n' | '\r' => "a line break".to_owned(),
        '\t' => "a tab".to_owned(),
        ' ' => "a space".to_owned(),
        '"' => "a double quote".to_owned(),
        '`' => "a backtick".to_owned(),
        other if is_plain(other) => format!("\"{other}\""),
        other => format!("U+{:04X}", u32::from(other)),
    }
}

fn push_escaped(text: &mut String, characters: impl Iterator<Item = char>) {
    for character in characters {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            other if is_plain(other) => text.push(other),
            other => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(other));
            }
        }
    }
}

/// Letters, digits and visible ASCII; what is invisible, turns the direction of text or is no letter gets escaped.
/// So does the backtick: refusals are posted inside Markdown code fences.
fn is_plain(character: char) -> bool {
    character == ' ' || character != '`' && (character.is_ascii_graphic() || character.is_alphanumeric())
}

/// Wider than [`credential_in`], since silence costs little here: also credentials that are broken by white space or
/// percent-encoding, and anything of the form `x:y@`.
pub(super) fn may_hold_credential(value: &str) -> bool {
    if credential_in(value).is_some() || value.split_whitespace().any(has_colon_before_at) {
        return true;
    }
    if value.contains(is_ignorable) {
        let joined = |keeps: fn(char) -> bool| value.chars().filter(|character| keeps(*character)).collect::<String>();
        let lines = joined(|character| character == ' ' || !is_ignorable(character));
        let words = joined(|character| !is_ignorable(character));
        if credential_in(&lines).is_some() || credential_in(&words).is_some() || has_colon_before_at(&words) {
            return true;
        }
    }
    value.contains('%') && {
        let decoded = percent_decoded(value);
        credential_in(&decoded).is_some() || has_colon_before_at(&decoded)
    }
}

/// What copying through terminals and mails puts into a long token.
fn is_ignorable(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn has_colon_before_at(word: &str) -> bool {
    match (word.find(':'), word.rfind('@')) {
        (Some(colon), Some(at)) => colon < at,
        _ => false,
    }
}

fn percent_decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let encoded = match after {
            [high, low, ..] if byte == b'%' => hex_pair(*high, *low),
            _ => None,
        };
        bytes.push(encoded.unwrap_or(byte));
        rest = match encoded {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_shown_so_that_nothing_in_it_acts() {
        let check = |value: &str, expected: &str| assert_eq!(quoted(value), expected, "{value:?}");
        check("main", "\"main\"");
        check("", "an empty value");
        check("a\"b\\c", r#""a\"b\\c""#);
        check("a\nb\tc\u{1b}[0m", r#""a\nb\tc\u{1b}[0m""#);
        check("a`b", r#""a\u{60}b""#);
        check("\u{202e}nimda\u{200b}", r#""\u{202e}nimda\u{200b}""#);
        check("\u{fc}ber", "\"\u{fc}ber\"");
        check(&"x".repeat(70), &format!("\"{}…\" (70 characters)", "x".repeat(64)));
        let hidden = "a value that is not shown because it may hold a credential";
        check("https://user:secret@example.com", hidden);
        check("user:secret@example.com", hidden);
        check("https://user:se\ncret@example.com", hidden);
        check("https://hooks%2Eslack.com/services/T00", hidden);
        check("https://hooks.slack.com/%73ervices/T00", hidden);
        check("https://user%3asecret%40example.com", hidden);
        check("https://hooks.sla\u{200b}ck.com/services/T00", hidden);
        check("git@github.com:o/r", "\"git@github.com:o/r\"");
        check("100%", "\"100%\"");
    }

    #[test]
    fn characters_have_names() {
        let check = |found: char, expected: &str| assert_eq!(character(found), expected);
        check('\n', "a line break");
        check('\u{200b}', "U+200B");
        check('\u{1}', "U+0001");
        check('~', "\"~\"");
    }

    #[test]
    fn the_words_of_policies_fit_on_a_line() {
        assert_eq!(one_line(" a `GitHub`\naccount. \n"), "a 'GitHub' account");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_one_short_plain_line(value in any::<String>()) {
            let shown = quoted(&value);
            let plain = !shown.contains('`') && !shown.contains(char::is_control);
            prop_assert!(plain, "{shown:?}");
            prop_assert!(shown.chars().count() < MAX_SHOWN * 10 + 40);
        }
    }
}
