//! The kinds of problem: each is explained, each is shown somewhere as it is printed, and what is said to mend one does.

#![cfg(test)]

mod common;

use std::fs;
use std::path::Path;

use runstamp::builtin;
use runstamp::diagnostics::{Explanation, edit, explanations_page, one_line};
use runstamp::domain::compile::compile;
use runstamp::domain::source::{Code, Problem};
use runstamp::policy_file::{PolicyText, SourceFiles, read_texts};

use common::files_below;
use common::golden::{agrees_with_golden, cases};

#[test]
fn the_page_of_diagnostics_is_what_is_explained() {
    assert!(agrees_with_golden(
        Path::new("docs/diagnostics.md"),
        &explanations_page()
    ));
}

#[test]
fn every_code_is_shown_as_it_is_printed() {
    let mut shown = fs::read_to_string("docs/diagnostics.md").unwrap();
    for file in ["tests/compile", "tests/policy_files"].map(|folder| files_below(Path::new(folder), "txt")) {
        shown.extend(file.iter().map(|golden| fs::read_to_string(golden).unwrap()));
    }
    // A ConfigMap is no file: the tests of the store and of a real API server show it.
    let elsewhere = [Code::NoPolicies];
    let missing: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !elsewhere.contains(code))
        .map(|code| code.word())
        .filter(|word| !shown.contains(&format!("[{word}]: ")))
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "codes without a golden");
}

/// Everything that is said about a text, beside these built-in documents.
fn problems(builtin: &[PolicyText], name: &str, content: &str) -> (SourceFiles, Vec<Problem>) {
    let own = PolicyText {
        name: name.to_owned(),
        content: content.as_bytes().to_vec(),
        builtin: false,
    };
    let (files, loaded) = read_texts(builtin.iter().cloned().chain([own]));
    let mut problems = loaded.problems;
    problems.extend(compile(loaded.definitions).problems);
    (files, problems)
}

/// Applies each certain edit of a text alone, and demands that its problem is gone; how many there were.
fn check_edits(builtin: &[PolicyText], name: &str, content: &str) -> usize {
    let (files, before) = problems(builtin, name, content);
    let mut checked = 0;
    for problem in &before {
        let Some(edit) = edit(problem, &files).filter(|edit| edit.is_certain) else {
            continue;
        };
        let mut mended = content.to_owned();
        mended.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.replacement);
        let (_, after) = problems(builtin, name, &mended);
        let count = |problems: &[Problem]| {
            let same = |other: &&Problem| other.span.start == problem.span.start && other.message == problem.message;
            problems.iter().filter(same).count()
        };
        assert!(
            count(&after) < count(&before),
            "{} is not mended by {:?}:\n{mended}",
            one_line(problem, &files),
            edit.replacement
        );
        checked += 1;
    }
    checked
}

#[test]
fn every_certain_edit_mends_its_problem() {
    let shipped = builtin::policies();
    let mut checked = 0;
    for code in Code::ALL {
        let example = Explanation::of(*code).example.unwrap_or_default();
        checked += check_edits(&shipped, "example.yaml", example);
    }
    let small = vec![PolicyText {
        name: "builtin.yaml".to_owned(),
        content: fs::read("tests/compile/builtin.yaml").unwrap(),
        builtin: true,
    }];
    let folders = ["tests/compile/err", "tests/compile/warn", "tests/policy_files/err"];
    for case in folders.into_iter().flat_map(cases) {
        // What is no UTF-8 has no edits either.
        if let Ok(content) = fs::read_to_string(&case) {
            checked += check_edits(&small, &case.display().to_string(), &content);
        }
    }
    assert!(checked >= 15, "only {checked} edits were tried");
}
