//! What each fuzz target does with its input, and what must hold whatever the input is.
//!
//! The targets include this file, and so does `tests/fuzz_corpora.rs`, which runs every corpus file through it.
#![allow(dead_code, reason = "each target uses one of the functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::borrow::Cow;
use std::sync::LazyLock;

use runstamp::diagnostics::{Record, Style, one_line, render};
use runstamp::domain::compile::compile;
use runstamp::domain::document::Document;
use runstamp::domain::json_reader::{self, RawJson};
use runstamp::domain::path::{Lookup, Path, Presence};
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::request::Options;
use runstamp::domain::template::Template;
use runstamp::domain::text_problem::TextProblem;
use runstamp::policy_file::{PolicyText, read_texts};
use runstamp::review::{Stance, Webhook, answer, decide};
use serde_json::Value;
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
        assert_eq!(escaped.literal(), Some(&*rendered));
    }
}

/// The built-in and the starter policies.
static POLICIES: LazyLock<PolicySet> = LazyLock::new(common::starter_set);

/// The body of a review, as `/mutate` and `/validate` get it, and as a server that only observes or only mutates does.
pub(crate) fn review_body(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        check_quick_reader(text);
    }
    for webhook in [Webhook::Mutate, Webhook::Validate] {
        for (observe, mutate_only) in [(false, false), (true, false), (false, true)] {
            let stance = Stance { observe, mutate_only };
            match answer(webhook, input, &POLICIES, stance) {
                Ok(reply) => common::assert_reply(webhook, &reply),
                Err(error) => common::assert_one_line(&error.to_string()),
            }
        }
        // Another parser may read a number or a repeated key otherwise: what the invariants compare is written anew by it first.
        if let Ok(review) = serde_json::from_slice::<Value>(input) {
            assert_decision(webhook, &review, &POLICIES);
        }
    }
}

/// What the quick reader takes for JSON is JSON, and what it reads is what stands there.
fn check_quick_reader(text: &str) {
    if let Ok(raw) = json_reader::read::<RawJson<'_>>(text) {
        let expected = serde_json::from_str::<&RawValue>(text).map(RawValue::get);
        assert_eq!(expected.ok(), Some(raw.text()));
    }
    if let Ok(value) = json_reader::read::<Value>(text) {
        assert_eq!(serde_json::from_str(text).ok(), Some(value));
    }
}

/// A policy file on its own: every mistake has a place, and a set that compiles decides about any Run.
pub(crate) fn policy_file(input: &[u8]) {
    let text = PolicyText {
        name: "fuzz.yaml".to_owned(),
        content: input.to_vec(),
        builtin: false,
    };
    let (files, loaded) = read_texts([text]);
    let is_sound = loaded.problems.is_empty();
    let compilation = compile(loaded.definitions);
    for problem in loaded.problems.iter().chain(&compilation.problems) {
        common::assert_one_line(&one_line(problem, &files));
        assert!(!render(problem, &files, Style::Plain).is_empty());
        assert!(serde_json::to_value(Record::new(problem, &files)).is_ok());
    }
    let Some(set) = compilation.set.filter(|_| is_sound) else {
        return;
    };
    for review in [
        include_str!("../tests/reviews/copied-run.mutate.json"),
        include_str!("../tests/reviews/pipelines-as-code.mutate.json"),
        include_str!("../tests/reviews/update-state-by-user.json"),
    ] {
        let review = serde_json::from_str(review).expect("a recorded review");
        for webhook in [Webhook::Mutate, Webhook::Validate] {
            assert_decision(webhook, &review, &set);
        }
    }
}

/// What holds for every decision holds for this one.
fn assert_decision(webhook: Webhook, review: &Value, set: &PolicySet) {
    let body = serde_json::to_vec(review).expect("a JSON value");
    if let Ok((subject, decision)) = decide(webhook, &body, set, Options::default()) {
        common::assert_invariants(webhook, &body, set, &subject, &decision);
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
