//! What each fuzz target does with its input, and what must hold whatever the input is.
//!
//! The targets include this file, and so does `tests/fuzz_corpora.rs`, which runs every corpus file through it.
#![allow(dead_code, reason = "each target uses one of the functions")]

use std::borrow::Cow;

use runstamp::domain::document::Document;
use runstamp::domain::path::{Lookup, Path, Presence};
use runstamp::domain::template::Template;
use runstamp::domain::text_problem::TextProblem;
use serde_json::value::RawValue;

/// A document that has something at many short paths.
const DOCUMENT: &str = r#"{
    "metadata": {"name": "n", "annotations": {"a": "1", "b/c": ""}, "labels": {}},
    "spec": {"params": [{"name": "a", "value": "x"}, {"name": "b", "value": [1, 2.0, 1e3]}, {"value": null}]},
    "a": {"a": {"a": [0, 1, {"a": true}]}, "b": [[], {}, [[1]]]}, "": 12345678901234567890123, "é": -0.0
}"#;

/// A JSONPath on the first line and, if there are more lines, a document on them.
pub(crate) fn jsonpath(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (text, json) = input.split_once('\n').unwrap_or((input, DOCUMENT));
    let path = match Path::parse(text) {
        Ok(path) => path,
        Err(problem) => return check_problem(text, &problem),
    };
    assert_eq!(path.text(), text);
    let Ok(raw) = serde_json::from_str::<&RawValue>(json) else {
        return;
    };
    let document = Document::new(raw);
    let presence = match path.lookup(&document) {
        Lookup::Absent => Presence::Absent,
        Lookup::Text(_) | Lookup::Mistyped(_) => Presence::Present,
        Lookup::TooLarge => Presence::TooLarge,
    };
    assert_eq!(path.exists(&document), presence);
}

/// The text of a template.
pub(crate) fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let template = match Template::parse(text, &["app", "team-name"]) {
        Ok(template) => template,
        Err(problems) => {
            assert!(!problems.is_empty());
            return problems.iter().for_each(|problem| check_problem(text, problem));
        }
    };
    assert_eq!(template.text(), text);
    assert_eq!(template.is_literal(), template.literal().is_some());
    let rendered = template.render(|_| Some(Cow::Borrowed("v")));
    let rendered = rendered.expect("every reference has a short value");
    if let Some(literal) = template.literal() {
        assert_eq!(rendered, literal);
    }
    // Escaping a value makes a template of it that renders to the value.
    if let Ok(escaped) = Template::parse(&rendered.replace("$(", "$$("), &[]) {
        assert_eq!(escaped.literal(), Some(rendered.as_str()));
    }
}

/// A problem points into the text and is one line that is safe to print.
fn check_problem(text: &str, problem: &TextProblem) {
    assert!(text.get(problem.range.clone()).is_some(), "{problem:?}");
    assert!(!problem.message.ends_with('.'), "{problem:?}");
    for line in std::iter::once(&problem.message).chain(&problem.help) {
        assert!(!line.is_empty(), "{line:?}");
        assert!(
            !line.contains(|character: char| character.is_control() || character == '`'),
            "{line:?}"
        );
        assert!(line.chars().count() <= 401, "{line:?}");
    }
}
