//! Placeholders that should have been replaced before the Run was created: `$(…)` and `{{…}}`.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

/// Where the first placeholder stands, in bytes.
///
/// An opening without its end is no placeholder: nothing would ever have replaced it.
pub(super) fn first(value: &str) -> Option<Range<usize>> {
    let braces = first_between(value, b"{{", "}}");
    let parentheses = first_between(value, b"$(", ")");
    match (braces, parentheses) {
        (Some(braces), Some(parentheses)) if braces.start < parentheses.start => Some(braces),
        (braces, parentheses) => parentheses.or(braces),
    }
}

/// The value with `x` in the place of every placeholder, so that the rest can be judged.
pub(super) fn replaced(value: &str) -> Cow<'_, str> {
    let mut judged = String::new();
    let mut rest = value;
    while let Some(found) = first(rest) {
        judged.push_str(rest.get(..found.start).unwrap_or_default());
        judged.push('x');
        rest = rest.get(found.end..).unwrap_or_default();
    }
    if judged.is_empty() {
        return Cow::Borrowed(value);
    }
    judged.push_str(rest);
    Cow::Owned(judged)
}

/// If the first opening has no end, later ones have none either: two searches are enough.
fn first_between(value: &str, opening: &[u8; 2], closing: &str) -> Option<Range<usize>> {
    let [first, _] = opening;
    // Most values do not even hold the first byte, and to prepare a search for text costs more than to walk over the rest.
    let candidate = memchr(*first, value.as_bytes())?;
    let mut pairs = value.as_bytes().get(candidate..)?.windows(opening.len());
    let start = candidate + pairs.position(|pair| pair == opening)?;
    let inside = start + opening.len();
    let end = inside + value.get(inside..)?.find(closing)? + closing.len();
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_where_they_begin_and_end() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(first(value).map(|range| &value[range]), expected, "{value}");
        };
        check("$(params.sha)", Some("$(params.sha)"));
        check("a-$(x)-{{y}}", Some("$(x)"));
        check("a-{{ y }}-$(x)", Some("{{ y }}"));
        check("${{ github.sha }}", Some("{{ github.sha }}"));
        check("{{ $(x", None);
        check("$(x", None);
        check("{{ x }", None);
        check("$((1))", Some("$((1)"));
        check("\u{e4}$(\u{f6})", Some("$(\u{f6})"));
        check("{\"a\":{\"b\":{}}}", None);
        check("$", None);
        check("", None);
    }

    #[test]
    fn what_is_left_can_be_judged() {
        let check = |value: &str, expected: &str| assert_eq!(replaced(value), expected, "{value}");
        check("plain", "plain");
        check("$(a)", "x");
        check("https://h/{{ .A }}/$(b)/c", "https://h/x/x/c");
    }
}
