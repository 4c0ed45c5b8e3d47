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

/// A folder with one policy, a Run and a Suite that names these goldens, a case each.
fn folder_with_goldens(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policy = "\
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: team}
spec: {inject: {annotations: {ci.example.com/team: web}}}
";
    let run = "\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: build-1, annotations: {chains.tekton.dev/signed: 'true', ci.example.com/note: \"two\\nlines: 'and quotes'\"}}
spec: {params: [{name: large, value: '1.10'}], pipelineRef: {name: build}}
";
    let mut suite = "\
# This comment is the author's.
apiVersion: runstamp.dev/v1alpha1
kind: Suite
metadata: {name: golden}
spec:
  policies: [.]
  cases:
"
    .to_owned();
    for (number, name) in names.iter().enumerate() {
        suite.push_str(&format!(
            "    - name: case {number}\n      run: run.yaml\n      expect: {{decision: '{name}'}}\n"
        ));
    }
    for (name, text) in [("policy.yaml", policy), ("run.yaml", run), ("suite.yaml", &suite)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_golden_decision_is_written_once_and_compared_from_then_on() {
    let folder = folder_with_goldens(&["decisions/build.yaml", "./other.yaml"]);
    let suite = folder.path().join("suite.yaml");
    let golden = folder.path().join("decisions/build.yaml");
    let before = fs::read(&suite).unwrap();
    let test = |flags: &[&str]| run(&[&[suite.to_str().unwrap()], flags].concat());

    let (code, stdout, stderr) = test(&[]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert!(
        stdout.contains("no such file: runstamp test --update writes it"),
        "{stdout}"
    );
    assert!(!golden.exists(), "nothing is written before somebody asks");

    let (code, stdout, stderr) = test(&["--update"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let expected = format!(
        "wrote {}\nwrote {}\n2 passed, 0 failed\n",
        golden.display(),
        folder.path().join("other.yaml").display()
    );
    assert_eq!(stdout, expected);
    let text = fs::read_to_string(&golden).unwrap();
    assert!(
        text.contains("kind: Decision") && text.contains("ci.example.com/team: web"),
        "{text}"
    );
    assert!(
        !text.contains("sha256:"),
        "the digest would differ after any edit: {text}"
    );

    // It stands among the policies and is none of them.
    assert_eq!(test(&[]).1, "2 passed, 0 failed\n");
    fs::write(
        &golden,
        format!("# A note.\n{}", text.replace("kind: Decision", "kind: \"Decision\"")),
    )
    .unwrap();
    let noted = fs::read(&golden).unwrap();
    assert_eq!(test(&["--update"]).1, "2 passed, 0 failed\n");
    assert_eq!(fs::read(&golden).unwrap(), noted, "what says the same is left as it is");

    fs::write(
        &golden,
        text.replace("ci.example.com/team: web", "ci.example.com/team: shop"),
    )
    .unwrap();
    let (code, stdout, _) = test(&[]);
    assert_eq!(code, Some(1));
    for line in [
        "-      ci.example.com/team: shop",
        "+      ci.example.com/team: web",
        "1 passed, 1 failed",
    ] {
        assert!(stdout.contains(line), "{line}\n{stdout}");
    }
    let (_, json, _) = test(&["--update", "-o", "json"]);
    let (_, summary) = records(&json);
    assert_eq!(summary["updated"], serde_json::json!([golden.display().to_string()]));
    assert_eq!(fs::read_to_string(&golden).unwrap(), text);
    assert_eq!(fs::read(&suite).unwrap(), before, "a Suite is its author's");
    let left: Vec<_> = fs::read_dir(golden.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left over");
}

#[test]
fn a_golden_is_written_nowhere_else() {
    #[track_caller]
    fn check(names: &[&str], expected: &str) {
        let folder = folder_with_goldens(names);
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("new.yaml"), folder.path().join("file.golden")).unwrap();
        let before = fs::read(folder.path().join("run.yaml")).unwrap();
        for flags in [&[][..], &["--update"]] {
            let (code, stdout, stderr) = run(&[&[folder.path().to_str().unwrap()], flags].concat());
            assert_eq!(code, Some(2), "{stdout}{stderr}");
            assert!(stderr.contains(expected), "{stderr}");
        }
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{names:?}");
        assert_eq!(fs::read(folder.path().join("run.yaml")).unwrap(), before, "{names:?}");
    }
    check(
        &["../golden.yaml"],
        "expected a path within the folder of the suite, found \"../golden.yaml\"",
    );
    check(
        &["a/../../golden.yaml"],
        "expected a path within the folder of the suite",
    );
    check(&["/tmp/golden.yaml"], "expected a path within the folder of the suite");
    check(&["", "a/"], "expected a path within the folder of the suite");
    check(&["link/golden.yaml"], "link is a symbolic link, which is not followed");
    check(
        &["file.golden"],
        "file.golden is a symbolic link, which is not followed",
    );
    check(
        &["a.yaml", "./a.yaml"],
        "a.yaml holds the decision of another case already",
    );
    check(
        &["run.yaml"],
        "expected a file that runstamp test --update wrote, or none, found something else in ",
    );
}
