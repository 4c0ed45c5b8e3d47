//! Pieces of CEL, as the API server evaluates it: texts, users, keys.

use crate::domain::identity::Identities;
use crate::domain::pattern::Glob;

/// A text of CEL in single quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for character in text.chars() {
        match character {
            '\'' | '\\' => literal.extend(['\\', character]),
            _ if character.is_control() => literal.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => literal.push(character),
        }
    }
    literal.push('\'');
    literal
}

/// A list of texts, `['a', 'b']`.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let literals: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", literals.join(", "))
}

/// Whether the user of the request is one of these.
pub(super) fn is_one_of(users: &Identities) -> String {
    matches_one_of("request.userInfo.username", users.globs())
}

/// Whether the text that an expression stands for matches one of the globs: those without `*` in one list, the others one by one.
pub(super) fn matches_one_of(expression: &str, globs: &[Glob]) -> String {
    let (literals, wildcards): (Vec<&Glob>, Vec<&Glob>) = globs.iter().partition(|glob| glob.is_literal());
    let mut alternatives = Vec::new();
    if !literals.is_empty() || wildcards.is_empty() {
        let names = list(literals.into_iter().map(Glob::as_str));
        alternatives.push(format!("{expression} in {names}"));
    }
    alternatives.extend(
        wildcards
            .into_iter()
            .map(|glob| matches_glob(expression, glob.as_str())),
    );
    alternatives.join(" || ")
}

fn matches_glob(expression: &str, glob: &str) -> String {
    // What most keys need, and much cheaper.
    if let Some(prefix) = glob.strip_suffix('*').filter(|prefix| !prefix.contains('*')) {
        return format!("{expression}.startsWith({})", quoted(prefix));
    }
    let pieces: Vec<String> = glob.split('*').map(escaped_for_re2).collect();
    format!(
        "{expression}.matches({})",
        quoted(&format!("(?s)^{}$", pieces.join(".*")))
    )
}

/// A text as a regular expression that matches nothing else. Escaping punctuation is always allowed, escaping letters is not.
fn escaped_for_re2(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() && !matches!(character, ':' | '/' | '-' | '_' | '@') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::parse(text).expect("a glob")).collect()
    }

    #[test]
    fn texts_cannot_leave_their_quotes() {
        for (text, literal) in [
            ("plain", "'plain'"),
            ("it's", r"'it\'s'"),
            (r"back\slash'", r"'back\\slash\''"),
            ("line\nbreak", r"'line\u000abreak'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), literal);
        }
    }

    #[test]
    fn users_are_listed_or_matched() {
        for (users, expression) in [
            (&[][..], "u in []"),
            (&["a", "b"], "u in ['a', 'b']"),
            (&["a.*"], "u.startsWith('a.')"),
            (&["a.*-b"], r"u.matches('(?s)^a\\..*-b$')"),
            (&["a", "*@b"], "u in ['a'] || u.matches('(?s)^.*@b$')"),
        ] {
            assert_eq!(matches_one_of("u", &globs(users)), expression);
        }
    }
}
