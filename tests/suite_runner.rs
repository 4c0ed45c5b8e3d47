//! `runstamp test` as a script sees it, and the project's own Suites.
//!
//! `UPDATE_GOLDENS=1 cargo test --test suite_runner` writes the goldens, for a person to read.

#![cfg(test)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use common::golden::agrees_with_golden;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
    let Output { status, stdout, stderr } = command.arg("test").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn records(stdout: &str) -> (Vec<Value>, Value) {
    let mut records: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = records.pop().unwrap();
    (records, summary)
}

/// The cases that stand in the Suites below a folder, counted without the reader of policy files.
fn cases_below(folder: &Path) -> usize {
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases += cases_below(&path);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            if text.contains("kind: Suite") {
                cases += text.lines().filter(|line| line.starts_with("    - name: ")).count();
            }
        }
    }
    cases
}

#[test]
fn the_suites_of_the_project_pass() {
    let (code, stdout, stderr) = run(&["policies/"]);
    let cases = cases_below(Path::new("policies"));
    assert!(cases >= 18, "only {cases} cases");
    assert_eq!(
        (code, stdout, stderr),
        (Some(0), format!("{cases} passed, 0 failed\n"), String::new())
    );
}

#[test]
fn every_term_of_a_suite_can_pass() {
    let (code, stdout, stderr) = run(&["tests/suites/good"]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), "11 passed, 0 failed\n", "")
    );
}

#[test]
fn what_does_not_hold_is_told_with_its_place() {
    let (code, stdout, stderr) = run(&["tests/suites/failing"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert_eq!(stdout.lines().last(), Some("1 passed, 4 failed"));
    assert!(agrees_with_golden(Path::new("tests/suites/failing.txt"), &stdout));
}

#[test]
fn json_is_one_object_a_case_and_the_last_is_the_summary() {
    let (code, stdout, _) = run(&["-o", "json", "tests/suites/failing", "tests/suites/good"]);
    assert_eq!(code, Some(1));
    let (cases, summary) = records(&stdout);
    assert_eq!(cases.len(), 16);
    assert!(cases.iter().all(|case| case["kind"] == "CaseResult"));
    let found = (&summary["kind"], &summary["passed"], &summary["failed"]);
    assert_eq!(found, (&"TestSummary".into(), &12.into(), &4.into()));
    let first = &cases[0];
    assert_eq!(
        (&first["suite"], &first["file"], &first["line"], &first["passed"]),
        (
            &"failing".into(),
            &"tests/suites/failing/suite.yaml".into(),
            &7.into(),
            &false.into()
        )
    );
    assert_eq!(
        first["failures"][0],
        serde_json::json!({"expectation": "allowed", "line": 11, "expected": "false", "found": "true"})
    );
}

#[test]
fn junit_is_one_test_suite_a_file_and_leaves_the_rest_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    fs::write(&file, "an older report").unwrap();
    let paths = ["tests/suites/failing", "tests/suites/good"];
    let plain = run(&paths);
    let flags = [&paths[..], &["--junit", file.to_str().unwrap()]].concat();
    assert_eq!(run(&flags), plain);
    let found = fs::read_to_string(&file).unwrap();
    assert!(agrees_with_golden(Path::new("tests/suites/junit.txt"), &found));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn a_report_that_cannot_be_written_is_an_unanswered_question() {
    let (code, _, stderr) = run(&["tests/suites/good", "--junit", "nowhere/report.xml"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("failed to write nowhere/report.xml"), "{stderr}");
}

#[test]
fn coverage_names_what_no_case_exercised() {
    let (code, stdout, stderr) = run(&["tests/suites/coverage", "--coverage"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(agrees_with_golden(Path::new("tests/suites/coverage.txt"), &stdout));
    let (code, stdout, _) = run(&["tests/suites/coverage", "--coverage", "-o", "json"]);
    assert_eq!(code, Some(0));
    let (mut records, summary) = records(&stdout);
    let coverage = records.pop().unwrap();
    assert_eq!(
        (&summary["kind"], &coverage["kind"]),
        (&"TestSummary".into(), &"Coverage".into())
    );
    let uncovered = coverage["uncovered"].as_array().unwrap();
    let counted = coverage["covered"].as_u64().unwrap() + u64::try_from(uncovered.len()).unwrap();
    assert_eq!(coverage["total"], counted);
    assert_eq!(
        uncovered[0],
        serde_json::json!({
            "file": "tests/suites/coverage/policies.yaml",
            "line": 4,
            "message": "policy exercised: in no case does it inject ci.example.com/sender",
        })
    );
}

#[test]
fn coverage_of_some_cases_is_no_answer() {
    let (code, _, stderr) = run(&["tests/suites/coverage", "--coverage", "--filter", "x"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}

#[test]
fn a_filter_chooses_cases_and_must_choose_one() {
    let check = |filter: &str, code: i32, stdout: &str, stderr: &str| {
        let found = run(&["tests/suites/failing", "tests/suites/good", "--filter", filter]);
        assert_eq!(found, (Some(code), stdout.to_owned(), stderr.to_owned()), "{filter}");
    };
    check("this one", 0, "1 passed, 0 failed\n", "");
    check("good: a re", 0, "2 passed, 0 failed\n", "");
    check(
        "nothing like it",
        2,
        "",
        "error: no case has \"nothing like it\" in its name\n",
    );
}

#[test]
fn what_cannot_be_run_is_told_at_once() {
    let (code, stdout, stderr) = run(&["tests/suites/broken"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(agrees_with_golden(Path::new("tests/suites/broken.txt"), &stderr));
    assert_eq!(stderr.matches("tests/suites/broken/suite.yaml:").count(), 9, "{stderr}");
}

#[test]
fn without_suites_the_question_is_not_answered() {
    let check = |path: &str, expected: &str| {
        let (code, stdout, stderr) = run(&[path]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{path}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    check(
        "policies/builtin",
        "expected documents of kind Suite in policies/builtin, found none",
    );
    check("nowhere", "failed to read nowhere");
    check("tests/policy_files/err/suite.yaml", "the files hold mistakes");
}

#[test]
fn policies_of_the_flags_come_before_those_of_the_suite() {
    let (code, stdout, _) = run(&["tests/suites/good", "--no-builtin", "--filter", "everything"]);
    assert_eq!(code, Some(1), "without built-ins nothing is state: {stdout}");
    let flags = [
        "tests/suites/good",
        "--no-builtin",
        "--policies",
        "policies/builtin/chains.yaml",
        "--policies",
    ];
    let (code, _, stderr) = run(&[&flags[..], &["nowhere.yaml"]].concat());
    assert_eq!(code, Some(2));
    assert!(stderr.contains("nowhere.yaml"), "{stderr}");
}
