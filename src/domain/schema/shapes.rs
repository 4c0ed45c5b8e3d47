//! The shapes of formats: one predicate each, without allocation.

/// Digits 0-9, a-f, A-F: 40 of them (SHA-1) or 64 (SHA-256); Git takes both cases.
pub(super) fn git_sha(value: &str) -> bool {
    matches!(value.len(), 40 | 64) && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What `git check-ref-format --allow-onelevel` takes, and no leading hyphen, which would be an option to `git`.
pub(super) fn git_ref(value: &str) -> bool {
    value.len() <= 1024
        && !value.starts_with('-')
        && !value.ends_with('.')
        && value != "@"
        && !value.contains("..")
        && !value.contains("@{")
        && !value
            .bytes()
            .any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\'))
        && value
            .split('/')
            .all(|component| !component.is_empty() && !component.starts_with('.') && !component.ends_with(".lock"))
}

/// A whole number as Go and JSON write it: no plus sign, no leading zeros.
pub(super) fn int64(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_plain = digits == "0" || !digits.starts_with('0');
    let has_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && has_digits && value != "-0" {
        value.parse().ok()
    } else {
        None
    }
}

/// RFC 3339 as Go's parser takes it: upper-case `T` and `Z`, no leap seconds, a day that exists.
pub(super) fn date_time(value: &str) -> bool {
    parse_date_time(value.as_bytes()).is_some()
}

fn parse_date_time(value: &[u8]) -> Option<()> {
    let (year, value) = number(value, 4)?;
    let (month, value) = number(value.strip_prefix(b"-")?, 2)?;
    let (day, value) = number(value.strip_prefix(b"-")?, 2)?;
    let (hour, value) = number(value.strip_prefix(b"T")?, 2)?;
    let (minute, value) = number(value.strip_prefix(b":")?, 2)?;
    let (second, value) = number(value.strip_prefix(b":")?, 2)?;
    let zone = match value.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !matches!(digits, 1..=9) {
                return None;
            }
            fraction.get(digits..)?
        }
        None => value,
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    let is_time = (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let is_zone = match zone {
        b"Z" => true,
        [b'+' | b'-', offset @ ..] => {
            let (hours, offset) = number(offset, 2)?;
            let (minutes, rest) = number(offset.strip_prefix(b":")?, 2)?;
            hours < 24 && minutes < 60 && rest.is_empty()
        }
        _ => false,
    };
    (is_time && is_zone).then_some(())
}

fn number(value: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = value.split_at_checked(digits)?;
    head.iter()
        .try_fold(0_u32, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
        })
        .map(|number| (number, rest))
}

/// An address as people have it: dot-atom, `@`, a host name with a domain; at most 254 characters.
pub(super) fn email(value: &str) -> bool {
    let Some((local, domain)) = value.rsplit_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_{|}~".contains(&byte))
    };
    value.len() <= 254 && local.len() <= 64 && local.split('.').all(is_atom) && domain.contains('.') && hostname(domain)
}

/// Addresses separated by commas; a space may follow each comma.
pub(super) fn email_list(value: &str) -> bool {
    value.split(',').enumerate().all(|(position, address)| {
        let address = if position == 0 {
            address
        } else {
            address.strip_prefix(' ').unwrap_or(address)
        };
        email(address)
    })
}

/// Labels of letters, digits and inner hyphens, at most 63 each and 253 together; an IPv4 address is one too.
pub(super) fn hostname(value: &str) -> bool {
    value.len() <= 253
        && value
            .split('.')
            .all(|label| is_label(label, |byte| byte.is_ascii_alphanumeric()))
}

/// RFC 1123 as Kubernetes reads it: lower case, at most 63 characters.
pub(super) fn dns_label(value: &str) -> bool {
    is_label(value, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The name of a Secret, or `name/key`.
pub(super) fn secret_ref(value: &str) -> bool {
    let (name, key) = match value.split_once('/') {
        Some((name, key)) => (name, Some(key)),
        None => (value, None),
    };
    let is_name = name.len() <= 253
        && name
            .split('.')
            .all(|label| !label.is_empty() && is_inner_hyphen(label) && label.bytes().all(is_name_byte));
    is_name && key.is_none_or(is_secret_key)
}

/// What Kubernetes takes as a key of a Secret: it becomes a file name, hence no `..`.
fn is_secret_key(key: &str) -> bool {
    matches!(key.len(), 1..=253)
        && key != "."
        && !key.starts_with("..")
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_label(label: &str, is_letter: impl Fn(u8) -> bool) -> bool {
    matches!(label.len(), 1..=63) && is_inner_hyphen(label) && label.bytes().all(|byte| byte == b'-' || is_letter(byte))
}

fn is_inner_hyphen(label: &str) -> bool {
    !label.starts_with('-') && !label.ends_with('-')
}

/// One JSON object, with white space around it; nothing is built from it, however deep it is.
pub(super) fn json(value: &str, opening: char) -> Result<(), JsonMistake> {
    serde_json::from_str::<serde::de::IgnoredAny>(value).map_err(|error| JsonMistake::Syntax {
        line: error.line(),
        column: error.column(),
        ends_early: error.is_eof(),
    })?;
    if value.trim_start().starts_with(opening) {
        Ok(())
    } else {
        Err(JsonMistake::OtherShape)
    }
}

/// Why a value is no JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonMistake {
    /// No JSON from here on.
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 at the start of a line.
        column: usize,
        /// Whether more was to come.
        ends_early: bool,
    },
    /// JSON, but a list, a string, a number or the like.
    OtherShape,
}
