//! The syntax of label keys, label values and annotation keys, as Kubernetes checks it.

/// Most characters of the part of a key after the slash, and of a label value.
pub const MAX_NAME_LENGTH: usize = 63;
/// Most characters of the part of a key before the slash.
pub const MAX_PREFIX_LENGTH: usize = 253;
/// What a qualified name looks like, for messages.
pub const QUALIFIED_NAME_SHAPE: &str = "an optional DNS prefix and a slash, then at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";
/// What a label value looks like, for messages.
pub const LABEL_VALUE_SHAPE: &str =
    "at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit, or nothing";

/// Whether a label may have this key: a name, or a DNS subdomain in small letters, a slash and a name.
pub fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_name(name),
    }
}

/// Whether an annotation may have this key: as a label, but Kubernetes lets capitals pass in the prefix.
pub fn is_annotation_key(key: &str) -> bool {
    // Lower-casing beyond ASCII could turn a foreign letter into an ASCII one, such as the Kelvin sign into k;
    // Kubernetes does just that, and then stores the key: there is no harm in refusing it here.
    is_qualified_name(&key.to_ascii_lowercase())
}

/// Whether a label may have this value: nothing, or a name.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

/// Whether this is a DNS subdomain (RFC 1123) in small letters.
pub fn is_dns_subdomain(text: &str) -> bool {
    let is_small_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_PREFIX_LENGTH
        && text
            .split('.')
            .all(|part| is_framed(part, is_small_or_digit, |byte| byte == b'-'))
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_LENGTH
        && is_framed(
            text,
            |byte| byte.is_ascii_alphanumeric(),
            |byte| matches!(byte, b'-' | b'_' | b'.'),
        )
}

/// Whether the text begins and ends with outer bytes and holds nothing but outer and inner ones.
fn is_framed(text: &str, is_outer: impl Fn(u8) -> bool, is_inner: impl Fn(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(&is_outer)
        && text.bytes().next_back().is_some_and(&is_outer)
        && text.bytes().all(|byte| is_outer(byte) || is_inner(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualified_names() {
        let check = |key: &str, expected: bool| assert_eq!(is_qualified_name(key), expected, "{key:?}");
        check("a", true);
        check("A.b_C-9", true);
        check("tekton.dev/pipeline", true);
        check("github.integrations.tekton.dev/sha", true);
        check("1.2/3", true);
        check(&"n".repeat(63), true);
        check(&"n".repeat(64), false);
        check(&format!("{}/n", "p".repeat(253)), true);
        check(&format!("{}/n", "p".repeat(254)), false);
        for wrong in [
            "",
            "/",
            "/a",
            "a/",
            "a/b/c",
            "-a",
            "a-",
            "a b",
            "a\n",
            "é",
            "Tekton.dev/a",
            "a_b/c",
            "a..b/c",
            ".a/b",
            "a./b",
            "-a.b/c",
        ] {
            check(wrong, false);
        }
    }

    #[test]
    fn annotation_keys_may_have_capitals_in_the_prefix() {
        assert!(is_annotation_key("Tekton.DEV/Pipeline"));
        assert!(!is_annotation_key("tekton_dev/pipeline"));
        assert!(!is_annotation_key("\u{212A}ubernetes.io/a"));
    }

    #[test]
    fn label_values() {
        let check = |value: &str, expected: bool| assert_eq!(is_label_value(value), expected, "{value:?}");
        check("", true);
        check("v1.2_3-x", true);
        check(&"v".repeat(63), true);
        check(&"v".repeat(64), false);
        check("a/b", false);
        check("-a", false);
        check("a.", false);
        check("a b", false);
        check("\u{e9}", false);
    }
}
