//! What an unquoted YAML scalar means: only what no YAML reader takes for anything else is a string.

/// What a plain scalar is when it is not a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// `yes`, `off` and the like: booleans in YAML 1.1, strings in YAML 1.2.
    OldBoolean,
    /// An integer in any notation.
    Integer,
    /// A number with a point or an exponent, infinity or not-a-number.
    Float,
}

/// The meaning of a plain scalar; `None` is a string.
pub(super) fn resolve(text: &str) -> Option<Plain> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Plain::Null),
        "true" | "True" | "TRUE" => return Some(Plain::Boolean(true)),
        "false" | "False" | "FALSE" => return Some(Plain::Boolean(false)),
        _ => {}
    }
    if is_old_boolean(text) {
        return Some(Plain::OldBoolean);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if is_integer(unsigned) {
        return Some(Plain::Integer);
    }
    is_float(unsigned).then_some(Plain::Float)
}

/// Whether a text is read as YAML's `true` or `false` by readers of version 1.1, such as Kubernetes'.
fn is_old_boolean(text: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    // `yEs` is a string to everyone.
    let usual_case = text == text.to_ascii_lowercase()
        || text == text.to_ascii_uppercase()
        || text
            .strip_prefix(|first: char| first.is_ascii_uppercase())
            .is_some_and(|rest| rest == rest.to_ascii_lowercase());
    text.len() <= 3 && usual_case && WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Decimal with or without YAML 1.1's underscores, hexadecimal, octal or binary.
fn is_integer(unsigned: &str) -> bool {
    let digits_of = |digits: &str, radix: u32| {
        digits.starts_with(|first: char| first.is_digit(radix))
            && digits.chars().all(|digit| digit.is_digit(radix) || digit == '_')
    };
    let prefixed = |prefix: &str, radix: u32| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|digits| digits_of(digits, radix))
    };
    digits_of(unsigned, 10) || prefixed("0x", 16) || prefixed("0o", 8) || prefixed("0b", 2)
}

fn is_float(unsigned: &str) -> bool {
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let good_exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && good_exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Plain>) {
        assert_eq!(resolve(text), expected, "{text:?}");
    }

    #[test]
    fn what_no_reader_takes_for_anything_else_is_a_string() {
        for text in [
            "tektoncd",
            "yEs",
            "yes please",
            "nope",
            "v1.10",
            "1.2.3",
            "0x",
            "0xzz",
            "e10",
            ".",
            "-",
            "+",
            "1e",
            "1e+",
            "2026-11-23",
            "12:30:45",
            "_1",
            "<<",
            "nulls",
            "4d2f673c",
            "١٢",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn null_in_all_its_spellings() {
        for text in ["", "~", "null", "Null", "NULL"] {
            check(text, Some(Plain::Null));
        }
    }

    #[test]
    fn booleans_of_both_versions_of_yaml() {
        check("true", Some(Plain::Boolean(true)));
        check("False", Some(Plain::Boolean(false)));
        for text in ["yes", "No", "ON", "off", "y", "N"] {
            check(text, Some(Plain::OldBoolean));
        }
    }

    #[test]
    fn integers_in_every_notation() {
        for text in [
            "0",
            "123",
            "-5",
            "+7",
            "0755",
            "0o17",
            "0xFF",
            "0b11",
            "1_000",
            "99999999999999999999",
        ] {
            check(text, Some(Plain::Integer));
        }
    }

    #[test]
    fn commits_that_look_like_numbers_are_numbers() {
        check("1234567", Some(Plain::Integer));
        check("1234e56", Some(Plain::Float));
    }

    #[test]
    fn floats() {
        for text in ["1.10", ".5", "5.", "-1.5e-3", "1e10", ".inf", "-.INF", ".nan"] {
            check(text, Some(Plain::Float));
        }
    }
}
