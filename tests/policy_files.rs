//! Walks `tests/policy_files`: `ok` reads without a problem, every file of `err` has its diagnostics beside it.
//!
//! A new case is a new file; `UPDATE_GOLDENS=1 cargo test --test policy_files` writes its golden, for a person to read.

#![cfg(test)]

mod common;

#[path = "common/json_schema.rs"]
mod json_schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use runstamp::diagnostics::{Style, render};
use runstamp::policy_file::{Loaded, PolicyText, SourceFiles, read_paths, read_texts};
use runstamp::policy_schema::policy_schema;
use runstamp::review_run::read_documents;

use common::files_below;
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
        for problem in &loaded.problems {
            assert!(problem.help.is_some(), "what to do about it? {}", problem.message);
        }
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

/// What the schema says of a file: nothing where it cannot be read as YAML at all.
fn mistakes_by_schema(path: &Path) -> Option<Vec<String>> {
    let schema = policy_schema();
    let documents = read_documents(path).ok()?;
    let mistakes = documents
        .iter()
        .flat_map(|document| json_schema::mistakes(&schema, document));
    Some(mistakes.collect())
}

#[test]
fn the_schema_in_the_docs_is_what_the_command_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .arg("schema")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(agrees_with_golden(Path::new("docs/policy.schema.json"), &printed));
}

#[test]
fn the_reference_in_the_docs_is_what_the_command_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .args(["schema", "-o", "markdown"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(agrees_with_golden(Path::new("docs/policy-reference.md"), &printed));
}

/// An editor reads the comment at the head of each document, and the path as one from the file: it needs no network and
/// shows the fields of this very version.
#[test]
fn every_shipped_document_leads_an_editor_to_the_schema() {
    let schema = fs::canonicalize("docs/policy.schema.json").unwrap();
    let files = files_below(Path::new("policies"), "yaml");
    let policies = files.iter().filter(|file| !file.starts_with("policies/tests/runs"));
    let mut documents = 0;
    for file in policies {
        for document in fs::read_to_string(file).unwrap().split("\n---\n") {
            let first = document.lines().next().unwrap_or_default();
            let path = first
                .strip_prefix("# yaml-language-server: $schema=")
                .unwrap_or_else(|| panic!("{}: a document begins without the path of its schema", file.display()));
            let found = fs::canonicalize(file.parent().unwrap().join(path)).unwrap();
            assert_eq!(found, schema, "{}", file.display());
            documents += 1;
        }
    }
    assert!(documents > 50, "only {documents} documents");
}

#[test]
fn what_the_reader_accepts_the_schema_accepts() {
    let folders = [
        "policies",
        "tests/policy_files/ok",
        "tests/suites/good",
        "tests/suites/coverage",
    ];
    let files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| ["yaml", "json"].map(|ending| files_below(Path::new(folder), ending)))
        .flatten()
        .collect();
    assert!(files.len() > 50, "only {} files", files.len());
    for file in files {
        let mistakes = mistakes_by_schema(&file);
        // The documents of others need not even be YAML that can be written as JSON.
        let is_of_others = file.ends_with("other_groups.yaml");
        let expected = (!is_of_others).then(Vec::new);
        assert_eq!(mistakes, expected, "{}", file.display());
    }
}

/// One document as JSON, which every reader reads alike; `spec` is its spec.
fn document(kind: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion": "runstamp.dev/v1alpha1", "kind": "{kind}", "metadata": {{"name": "x"}}, "spec": {spec}}}"#
    )
}

#[test]
fn reader_and_schema_agree_on_what_is_a_mistake() {
    let check = |is_fine: bool, kind: &str, spec: &str| {
        let document = document(kind, spec);
        let (files, loaded) = read_texts([PolicyText {
            name: "x.json".to_owned(),
            content: document.clone().into_bytes(),
            builtin: false,
        }]);
        assert_eq!(
            loaded.problems.is_empty(),
            is_fine,
            "{document}\n{}",
            rendered(&files, &loaded)
        );
        let found = json_schema::mistakes(&policy_schema(), &serde_json::from_str(&document).unwrap());
        assert_eq!(found.is_empty(), is_fine, "{document}\n{found:#?}");
    };
    let case = |is_fine: bool, fields: &str| {
        check(
            is_fine,
            "Suite",
            &format!(r#"{{"cases": [{{"name": "x", {fields}}}]}}"#),
        )
    };
    case(true, r#""run": "a.yaml", "expect": {}"#);
    case(
        true,
        r#""run": {"any": ["thing"]}, "operation": "CREATE", "expect": {"facts": {"sha": ""}}"#,
    );
    case(
        true,
        r#""review": "a.json", "user": "jo", "expect": {"skipped": [{"key": "a*"}]}"#,
    );
    case(true, r#""run": "a.yaml", "old": "b.yaml", "expect": {}"#);
    case(false, r#""run": "a.yaml""#);
    case(false, r#""expect": {}"#);
    case(false, r#""run": ["a.yaml"], "expect": {}"#);
    case(false, r#""run": "a.yaml", "review": "a.json", "expect": {}"#);
    case(false, r#""review": "a.json", "namespace": "a", "expect": {}"#);
    case(false, r#""run": "a.yaml", "operation": "UPDATE", "expect": {}"#);
    case(
        false,
        r#""run": "a.yaml", "operation": "CREATE", "old": "b.yaml", "expect": {}"#,
    );
    case(false, r#""run": "a.yaml", "operation": "DELETE", "expect": {}"#);
    case(false, r#""run": "a.yaml", "expect": {"lineage": "root"}"#);
    case(false, r#""run": "a.yaml", "expect": {"warnings": "none"}"#);
    case(false, r#""run": "a.yaml", "expect": {"facts": {"weather": "rain"}}"#);
    case(false, r#""run": "a.yaml", "expect": {"skipped": [{"field": "a"}]}"#);
    check(true, "Integration", r#"{"rules": [{"key": "a", "requires": ["b"]}]}"#);
    check(false, "Integration", r#"{"rules": [{"key": "a", "anyOf": ["b"]}]}"#);
    check(false, "Integration", r#"{"rules": [{"requires": ["b"]}]}"#);
    check(
        false,
        "Integration",
        r#"{"state": {"finalizers": [{"key": "a.b/c", "format": "uri"}]}}"#,
    );
    check(false, "Integration", r#"{"config": {"a": {"minLength": -1}}}"#);
    check(
        true,
        "TriggerSource",
        r#"{"facts": {"sha": {"params": ["a"], "when": [{"label": "a"}]}}}"#,
    );
    check(
        false,
        "TriggerSource",
        r#"{"facts": {"sha": {"params": ["a"], "label": "a"}}}"#,
    );
    check(false, "TriggerSource", r#"{"when": [{"values": ["a"]}]}"#);
    check(
        true,
        "RunPolicy",
        r#"{"inject": {"labels": {"a": "b", "c": {"value": "d", "onMissing": "Warn"}}}}"#,
    );
    check(
        false,
        "RunPolicy",
        r#"{"inject": {"labels": {"a": {"onMissing": "Warn"}}}}"#,
    );
    check(false, "RunPolicy", r#"{"replaceBuiltin": true}"#);
    check(
        false,
        "RunPolicy",
        r#"{"constrain": {"integrations": {"a": {"b": {"required": true}}}}}"#,
    );
    check(
        false,
        "RunPolicy",
        r#"{"match": {"where": [{"path": "$", "operator": "Like"}]}}"#,
    );
    check(
        true,
        "Settings",
        r#"{"urls": {"allowHttp": false}, "hosts": {"a": "b"}}"#,
    );
    check(false, "Settings", r#"{"exempt": {"users": ["a"]}}"#);
    check(false, "Settings", r#"{"stateKeyUpdates": "Remove"}"#);
    check(false, "Policy", "{}");
    check(false, "Settings", "null");
}

/// What is left to the reader: YAML itself, keys that stand twice, and what only YAML 1.1 and its readers disagree on.
#[test]
fn the_schema_refuses_every_mistake_that_a_schema_can_express() {
    let mut refused = Vec::new();
    for case in cases("tests/policy_files/err") {
        if mistakes_by_schema(&case).is_some_and(|mistakes| !mistakes.is_empty()) {
            refused.push(case.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(refused, REFUSED_BY_SCHEMA);
}

const REFUSED_BY_SCHEMA: [&str; 19] = [
    "bad_words",
    "control_characters",
    "crlf",
    "facts",
    "list_at_the_top",
    "lists_as_texts",
    "long_line",
    "missing_name",
    "mistake_behind_an_alias",
    "mistakes",
    "quoted_scalars",
    "rules",
    "settings",
    "suite_subject",
    "tag",
    "unknown_field",
    "unknown_kind",
    "unquoted_scalars",
    "wrong_api_version",
    "wrong_type",
];

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
