//! Patterns (regular expressions for whole values) and globs (names with `*`), as policy authors write them.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Longest pattern accepted, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// Longest glob accepted, in bytes; a Kubernetes annotation key holds at most 317.
pub const MAX_GLOB_BYTES: usize = 512;

/// Upper bound of one compiled pattern, in bytes: enough for long repetitions of ASCII classes and for a few Unicode
/// ones, small enough that ten thousand patterns at the limit do not take the memory of the process.
const MAX_COMPILED_BYTES: usize = 128 * 1024;

/// Upper bound of the cache that matching may fill, in bytes a pattern and thread; past it matching gets slower,
/// never wrong.
const MAX_CACHE_BYTES: usize = 64 * 1024;

/// Deepest nesting of groups; people write three or four.
const MAX_NESTING: u32 = 32;

/// A regular expression that a value must match from its first to its last character.
///
/// As in JSON Schema, `\d` and `\w` mean the ASCII digits and word characters: a "number" never holds the digits of
/// another script, and the Unicode tables, which would be most of a small pattern's memory, stay out.
/// `\p{…}` is there for those who want the others.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
    /// Whether group 1 holds the whole value, or there is no group: then a match is all that need be looked for.
    captures_whole: bool,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong { found: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::ControlCharacter);
        }
        // The text must be a pattern by itself before it is wrapped: `a)|(b` would otherwise escape its anchors.
        // A size limit of zero stops the compiler right after the syntax was read.
        if let Err(regex::Error::Syntax(report)) = builder(text).size_limit(0).build() {
            return Err(PatternError::syntax(&report));
        }
        let anchored = format!("^(?:{})$", with_ascii_classes(text));
        match builder(&anchored)
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(MAX_CACHE_BYTES)
            .build()
        {
            Ok(regex) => Ok(Self {
                text: text.into(),
                captures_whole: regex.captures_len() < 2 || is_one_group(text),
                regex,
            }),
            Err(regex::Error::Syntax(report)) => Err(PatternError::syntax(&report)),
            Err(_) => Err(PatternError::TooComplex),
        }
    }

    /// Whether the whole value matches.
    pub fn is_match(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// What group 1 holds when the whole value matches; the whole value where the pattern has no group.
    pub fn capture1<'v>(&self, value: &'v str) -> Option<&'v str> {
        if self.captures_whole {
            return self.is_match(value).then_some(value);
        }
        Some(self.regex.captures(value)?.get(1)?.as_str())
    }

    /// The pattern as written, without the implied anchors.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn builder(text: &str) -> RegexBuilder {
    let mut builder = RegexBuilder::new(text);
    builder.nest_limit(MAX_NESTING);
    builder
}

/// Whether a valid pattern is one capturing group from its first to its last character, as `(refs/.+)` is.
///
/// Where brackets make that hard to see the answer is no, which costs time and nothing else.
fn is_one_group(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return false;
    };
    let mut depth = 0_usize;
    let mut in_class = false;
    let mut previous = b'(';
    for byte in inside.bytes() {
        match (previous, byte) {
            // Escapes, groups with flags, classes within classes, and a bracket that is the first member of a class.
            (_, b'\\') | (b'(', b'?') | (b'[' | b'^', b']') => return false,
            (_, b'[') if in_class => return false,
            _ => {}
        }
        previous = byte;
        match byte {
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class && depth == 0 => return false,
            b')' if !in_class => depth -= 1,
            _ => {}
        }
    }
    !in_class && depth == 0
}

/// Spells out `\d`, `\D`, `\w` and `\W` as ASCII classes; a class within a class is valid, so one spelling serves both.
fn with_ascii_classes(text: &str) -> String {
    let mut rewritten = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            rewritten.push(character);
            continue;
        }
        match characters.next() {
            Some('d') => rewritten.push_str("[0-9]"),
            Some('D') => rewritten.push_str("[^0-9]"),
            Some('w') => rewritten.push_str("[0-9A-Za-z_]"),
            Some('W') => rewritten.push_str("[^0-9A-Za-z_]"),
            Some(other) => rewritten.extend(['\\', other]),
            None => rewritten.push('\\'),
        }
    }
    rewritten
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// Why a text is no usable pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Longer than [`MAX_PATTERN_BYTES`].
    #[error("expected a pattern of at most {MAX_PATTERN_BYTES} bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A line break, most often from a YAML block scalar.
    #[error("expected a pattern on one line, found a line break or another control character")]
    ControlCharacter,
    /// Not a regular expression.
    #[error("expected a regular expression, found at character {at}: {reason}")]
    Syntax {
        /// The character, counted from 1.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// Compiles to more than the limit.
    #[error("expected a smaller pattern: lower the repetition counts, or use maxLength instead of them")]
    TooComplex,
}

impl PatternError {
    /// Takes the reason and the place out of the picture that the regex crate draws over several lines.
    fn syntax(report: &str) -> Self {
        let reason = report.rsplit("error: ").next().unwrap_or(report);
        let marks = report
            .lines()
            .find(|line| line.contains('^') && line.trim().bytes().all(|byte| byte == b'^'));
        // The picture is indented by four columns.
        let at = marks
            .and_then(|line| line.find('^'))
            .map_or(1, |column| column.saturating_sub(3));
        Self::Syntax {
            at,
            reason: reason.trim().replace(['\n', '`'], " "),
        }
    }
}

/// A name in which `*` stands for any characters, none included; all other characters stand for themselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob {
    text: Box<str>,
    /// Where the first star stands.
    star: Option<usize>,
}

impl Glob {
    /// Takes a glob as written.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > MAX_GLOB_BYTES {
            return Err(GlobError::TooLong { found: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(GlobError::ControlCharacter);
        }
        Ok(Self {
            text: text.into(),
            star: text.find('*'),
        })
    }

    /// Whether the whole name matches; upper and lower case differ.
    ///
    /// The text between two stars may as well be taken where it stands first: a later place leaves less for the rest.
    /// So nothing is tried twice, and the time is linear in the name.
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.star.and_then(|star| self.text.split_at_checked(star)) else {
            return *self.text == *name;
        };
        // Most names differ from most globs before the first star.
        if !head.is_empty() && name.as_bytes().first() != head.as_bytes().first() {
            return false;
        }
        let rest = rest.strip_prefix('*').unwrap_or(rest);
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut remaining) = name.strip_prefix(head).and_then(|name| name.strip_suffix(tail)) else {
            return false;
        };
        for piece in middle.split('*') {
            match remaining.split_once(piece) {
                Some((_, after)) if !piece.is_empty() => remaining = after,
                Some(_) => {}
                None => return false,
            }
        }
        true
    }

    /// Whether it matches exactly one name, itself.
    pub fn is_literal(&self) -> bool {
        self.star.is_none()
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Why a text is no usable glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing at all.
    #[error("expected a name, found an empty text; * alone matches every name")]
    Empty,
    /// Longer than [`MAX_GLOB_BYTES`].
    #[error("expected a name of at most {MAX_GLOB_BYTES} bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A line break or the like.
    #[error("expected a name on one line, found a line break or another control character")]
    ControlCharacter,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_pattern_matches_the_whole_value_or_nothing() {
        let check = |text: &str, value: &str, expected: bool| {
            assert_eq!(pattern(text).is_match(value), expected, "{text} on {value:?}");
        };
        check("a|ab", "ab", true);
        check("a|ab", "abc", false);
        check("a", "a\n", false);
        check("(?m)a", "a\nb", false);
        check("^a$", "a", true);
        check("", "", true);
        check("", "x", false);
        check(".{2}", "\u{e4}\u{f6}", true);
        check(r"\d+", "42", true);
        check(r"\d+", "\u{664}\u{662}", false);
        check(r"[\d.]+", "1.2", true);
        check(r"[^\w-]+", "::", true);
        check(r"[^\w-]+", "a", false);
        check(r"\\d", r"\d", true);
        check(r"\W\D", "-x", true);
        check(r"\p{Nd}", "\u{664}", true);
        check("(?i)main", "MAIN", true);
        check("Main", "main", false);
        check(r"\$\(x\)", "$(x)", true);
    }

    #[test]
    fn group_one_is_captured_and_the_anchors_hold() {
        let check = |text: &str, value: &str, expected: Option<&str>| {
            assert_eq!(pattern(text).capture1(value), expected, "{text} on {value:?}");
        };
        check("refs/heads/(.+)", "refs/heads/main", Some("main"));
        check("refs/heads/(.+)", "x/refs/heads/main", None);
        check("(a)|(b)", "b", None);
        check("(a)|(b)", "a", Some("a"));
        check("[a-z]+", "abc", Some("abc"));
        check("[a-z]+", "ABC", None);
        check("(?:x)(y)?", "x", None);
        check("(?P<name>[a-z]+)-.*", "web-1", Some("web"));
    }

    #[test]
    fn a_pattern_that_is_one_group_is_told_from_others() {
        let check = |text: &str, expected: bool| assert_eq!(pattern(text).captures_whole, expected, "{text}");
        check("[a-z]+", true);
        check("(refs/.+)", true);
        check("([^r].*|r|r[^e].*)", true);
        check("((a)(b))", true);
        check("(a)|(b)", false);
        check("(a)b(c)", false);
        check("a(b)", false);
        // True of these as well, but not seen without reading more of the syntax.
        check(r"(\))", false);
        check("([(])|([)])", false);
        check("([](])", false);
        check("(?P<name>a)", false);
    }

    #[test]
    fn a_bad_pattern_says_what_and_where() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Pattern::parse(text).unwrap_err().to_string(), expected, "{text}");
        };
        check(
            "a(b",
            "expected a regular expression, found at character 2: unclosed group",
        );
        check(
            "a)|(b",
            "expected a regular expression, found at character 2: unopened group",
        );
        check(
            "[a",
            "expected a regular expression, found at character 1: unclosed character class",
        );
        check(
            "*a",
            "expected a regular expression, found at character 1: repetition operator missing expression",
        );
        check(
            "a(?=b)",
            "expected a regular expression, found at character 2: look-around, including look-ahead and look-behind, is not supported",
        );
        check(
            "a\n",
            "expected a pattern on one line, found a line break or another control character",
        );
        check(
            r"[\p{L}]{1000}",
            "expected a smaller pattern: lower the repetition counts, or use maxLength instead of them",
        );
        check(
            &"a".repeat(1025),
            "expected a pattern of at most 1024 bytes, found 1025",
        );
        assert!(Pattern::parse(&"(".repeat(500)).is_err());
        assert!(Pattern::parse(&format!("{}{}", "(".repeat(500), ")".repeat(500))).is_err());
        assert!(Pattern::parse("(?x)a # (b").is_err());
        assert!(Pattern::parse("(((a{1,99}){1,99}){1,99}){1,99}").is_err());
    }

    #[test]
    fn a_glob_knows_only_the_star() {
        let check = |glob: &str, name: &str, expected: bool| {
            assert_eq!(Glob::parse(glob).unwrap().matches(name), expected, "{glob} on {name:?}");
        };
        check("ci", "ci", true);
        check("ci", "CI", false);
        check("ci", "ci-1", false);
        check("ci-*", "ci-", true);
        check("ci-*", "ci-web", true);
        check("ci-*", "ci", false);
        check("*", "", true);
        check("**", "anything", true);
        check("*-prod", "web-prod", true);
        check("*-prod", "web-prod-2", false);
        check("a*a", "a", false);
        check("a*a", "aa", true);
        check("a*b*c", "axxbxxc", true);
        check("a*b*c", "acb", false);
        check("a*bc*c", "abc", false);
        check("*ab*ab*", "abab", true);
        check("*ab*ab*", "aba", false);
        check("system:serviceaccount:*:x", "system:serviceaccount:ns:x", true);
        check("a?c", "abc", false);
        check("[ab]", "a", false);
        check("\u{fc}*", "\u{fc}ber", true);
    }

    #[test]
    fn a_bad_glob_says_why() {
        assert_eq!(Glob::parse(""), Err(GlobError::Empty));
        assert_eq!(Glob::parse("a\n"), Err(GlobError::ControlCharacter));
        assert_eq!(Glob::parse(&"a".repeat(513)), Err(GlobError::TooLong { found: 513 }));
        assert!(Glob::parse("ci").unwrap().is_literal());
        assert!(!Glob::parse("ci*").unwrap().is_literal());
    }

    /// The textbook definition, exponential but obviously right.
    fn matches_by_definition(glob: &[char], name: &[char]) -> bool {
        match glob.split_first() {
            None => name.is_empty(),
            Some((&'*', rest)) => (0..=name.len()).any(|skip| matches_by_definition(rest, &name[skip..])),
            Some((wanted, rest)) => name.first() == Some(wanted) && matches_by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_glob_means_what_its_definition_says(glob in "[ab*]{1,7}", name in "[ab]{0,8}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches_by_definition(&characters(&glob), &characters(&name));
            prop_assert_eq!(Glob::parse(&glob).unwrap().matches(&name), expected);
        }

        #[test]
        fn any_text_is_a_pattern_or_a_single_line_of_explanation(text in any::<String>(), value in any::<String>()) {
            match Pattern::parse(&text) {
                Ok(pattern) => {
                    pattern.is_match(&value);
                    prop_assert_eq!(pattern.capture1(&value).is_some() && !pattern.is_match(&value), false);
                }
                Err(error) => prop_assert!(!error.to_string().chars().any(char::is_control)),
            }
        }

        #[test]
        fn what_is_captured_is_what_the_regex_captures(text in r"\([ab()|^*+?\\\[\]-]{0,9}\)", value in "[ab()\\[\\]]{0,4}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let captured = pattern.regex.captures(&value).and_then(|groups| Some(groups.get(1)?.as_str()));
                prop_assert_eq!(pattern.capture1(&value), captured.filter(|_| pattern.regex.captures_len() > 1));
            }
        }

        #[test]
        fn regex_soup_never_escapes_its_anchors(text in r"[ab()|^$*+?\\dw\[\]-]{0,12}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let plain = Regex::new(&format!(r"\A(?:{text})\z"));
                for value in ["", "a", "b", "ab", "ba", "aab", "1", "_", "\\"] {
                    prop_assert_eq!(
                        pattern.is_match(value),
                        plain.as_ref().is_ok_and(|plain| plain.is_match(value)),
                        "{} on {:?}", text, value
                    );
                }
            }
        }
    }
}
