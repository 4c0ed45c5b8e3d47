//! Walks `tests/policy_files`: `ok` reads without a problem, every file of `err` has its diagnostics beside it.
//!
//! A new case is a new file; `UPDATE_GOLDENS=1 cargo test --test policy_files` writes its golden, for a person to read.

#![cfg(test)]

mod common;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use runstamp::diagnostics::{Style, render};
use runstamp::policy_file::{Loaded, PolicyText, SourceFiles, read_paths, read_texts};

use common::golden::{agrees_with_golden, cases};

fn read_case(path: &Path) -> (SourceFiles, Loaded) {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    read_texts([PolicyText {
        name,
        content: fs::read(path).unwrap(),
        builtin: false,
    }])
}

fn rendered(files: &SourceFiles, loaded: &Loaded) -> String {
    let texts: Vec<String> = loaded
        .problems
        .iter()
        .map(|problem| render(problem, files, Style::Plain))
        .collect();
    texts.join("\n")
}

#[test]
fn files_of_ok_read_without_a_problem() {
    let cases = cases("tests/policy_files/ok");
    assert!(cases.len() >= 5);
    for case in cases {
        let (files, loaded) = read_case(&case);
        assert_eq!(rendered(&files, &loaded), "", "{}", case.display());
    }
}

#[test]
fn files_of_err_have_the_diagnostics_beside_them() {
    let cases = cases("tests/policy_files/err");
    assert!(cases.len() >= 20);
    let mut differing = Vec::new();
    for case in cases {
        let (files, loaded) = read_case(&case);
        assert!(!loaded.problems.is_empty(), "{} has no problem", case.display());
        if !agrees_with_golden(&case.with_extension("txt"), &rendered(&files, &loaded)) {
            differing.push(case);
        }
    }
    assert!(differing.is_empty(), "differing: {differing:?}");
}

#[test]
fn ten_mistakes_in_several_files_are_reported_in_one_go() {
    let (files, loaded) = read_paths(&["tests/policy_files/ten_mistakes".into()]).unwrap();
    let golden = Path::new("tests/policy_files/ten_mistakes.txt");
    assert!(agrees_with_golden(golden, &rendered(&files, &loaded)));
    assert!(loaded.problems.len() >= 10);
}

/// Pieces that YAML readers stumble over, put together at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: x}\nspec:\n"),
        Just("apiVersion: runstamp.dev/v1alpha1\nkind: Integration\nmetadata: {name: x}\nspec:\n"),
        Just("apiVersion: runstamp.dev/v1alpha1\nkind: Suite\nmetadata: {name: x}\nspec:\n"),
        Just("  inject: "),
        Just("  rules:\n"),
        Just("  cases: [{run: {a: 0x1, b: y}}]\n"),
        Just("    - "),
        Just("\n---\n"),
        Just("\n...\n"),
        Just("&a "),
        Just("*a "),
        Just("<<: "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(": "),
        Just(", "),
        Just("? "),
        Just("- "),
        Just("\n"),
        Just("\r\n"),
        Just("\t"),
        Just("  "),
        Just("'"),
        Just("\""),
        Just("\\"),
        Just("|\n"),
        Just(">-\n"),
        Just("# "),
        Just("!t "),
        Just("%TAG ! !\n"),
        Just("\u{feff}"),
        Just("\u{85}"),
        Just("日本"),
        Just("e\u{301}"),
        Just("\0"),
        Just("key"),
        Just("1.5"),
        Just("null"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_and_every_problem_of_it_can_be_shown(text in pieces()) {
        let content = text.clone().into_bytes();
        let (files, loaded) = read_texts([PolicyText { name: "a.yaml".to_owned(), content, builtin: false }]);
        for problem in &loaded.problems {
            prop_assert!(problem.span.start <= problem.span.end);
            prop_assert!(problem.span.end as usize <= text.len());
            prop_assert!(!problem.message.contains(['\n', '`']));
            prop_assert!(!problem.message.ends_with('.'));
            let rendered = render(problem, &files, Style::Plain);
            prop_assert!(rendered.contains("--> a.yaml:"));
            prop_assert!(rendered.len() < 4000);
        }
    }
}
