//! What would mend a problem, as an edit of its file.

use crate::domain::source::{Change, Problem, Span};
use crate::policy_file::SourceFiles;

/// What to write instead of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub replacement: String,
    /// Whether nothing else can have been meant; otherwise it is a guess.
    pub is_certain: bool,
}

/// The edit that mends a problem, where there is one that a program could do.
pub fn edit(problem: &Problem, files: &SourceFiles) -> Option<Edit> {
    let fix = problem.fix.as_ref()?;
    let file = files.get(problem.span)?;
    let written = file.text.get(problem.span.start as usize..problem.span.end as usize)?;
    // Blocks of text, aliases and tags are written elsewhere than they are read.
    if file.builtin || written.is_empty() || written.contains('\n') || written.starts_with(['|', '>', '*', '&', '!']) {
        return None;
    }
    let replacement = match &fix.change {
        Change::Source(source) => source.clone(),
        Change::Text(text) => in_notation_of(written, text)?,
    };
    Some(Edit {
        span: problem.span,
        replacement,
        is_certain: fix.is_certain,
    })
}

/// A string as the one in its place is written: in the same quotation marks, or in none where it needs none.
fn in_notation_of(written: &str, text: &str) -> Option<String> {
    if written.starts_with('\'') {
        return Some(format!("'{}'", text.replace('\'', "''")));
    }
    if !written.starts_with('"') && is_plain(text) {
        return Some(text.to_owned());
    }
    serde_json::to_string(text).ok()
}

/// Whether every YAML reader takes a text without quotation marks for a string.
fn is_plain(text: &str) -> bool {
    const OTHERS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/');
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(is_of_word)
        && !OTHERS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Code;
    use crate::policy_file::{PolicyText, read_texts};

    #[track_caller]
    fn check(written: &str, text: &str, expected: Option<&str>) {
        let content = format!("a: {written}\n");
        let (files, _) = read_texts([PolicyText {
            name: "a.yaml".to_owned(),
            content: content.into_bytes(),
            builtin: false,
        }]);
        let end = 3 + u32::try_from(written.len()).unwrap();
        let span = Span { file: 0, start: 3, end };
        let problem = Problem::error(Code::UnknownWord, span, "wrong").with_text(text, true);
        assert_eq!(
            edit(&problem, &files).map(|edit| edit.replacement).as_deref(),
            expected,
            "{written}"
        );
    }

    #[test]
    fn a_string_keeps_its_notation() {
        check("onwer", "owner", Some("owner"));
        check("'onwer'", "owner", Some("'owner'"));
        check("\"onwer\"", "owner", Some("\"owner\""));
        check("onwer", "it's: so", Some("\"it's: so\""));
        check("'onwer'", "it's", Some("'it''s'"));
        check("onn", "on", Some("\"on\""));
        check("x", "1e5", Some("\"1e5\""));
    }

    #[test]
    fn what_is_written_elsewhere_is_left_alone() {
        check("*alias", "owner", None);
        check("|\n  onwer", "owner", None);
        check("!!str onwer", "owner", None);
    }
}
