//! `runstamp check` as a script sees it: exit codes, stdout and stderr.

#![cfg(test)]

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
    command.arg("check").args(arguments);
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn good_policies_end_in_a_summary_with_the_digest() {
    let (code, stdout, stderr) = run(&["--no-builtin", "tests/policy_files/ok/settings.yaml"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let summary = "ok: 0 integrations, 0 trigger sources, 0 policies; policy set sha256:";
    assert!(stdout.starts_with(summary), "{stdout}");
    assert_eq!(stdout.lines().count(), 1);
}

#[test]
fn the_built_in_policies_alone_are_good() {
    let (code, stdout, stderr) = run(&[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
}

#[test]
fn mistakes_go_to_stdout_and_are_counted() {
    let (code, stdout, stderr) = run(&["--no-builtin", "tests/policy_files/ten_mistakes"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    // What cannot be read, and what makes no sense in the rest.
    assert_eq!(stdout.lines().last(), Some("12 errors, 1 warning in 4 files"));
    let snippets = std::fs::read_to_string("tests/policy_files/ten_mistakes.txt").unwrap();
    for snippet in snippets.split("\n\n") {
        assert!(
            stdout.contains(snippet.trim_end()),
            "{snippet}\n\nis not in\n\n{stdout}"
        );
    }
}

#[test]
fn json_is_one_object_a_line_and_the_last_is_the_summary() {
    let (code, stdout, _) = run(&["--no-builtin", "-o", "json", "tests/policy_files/ten_mistakes"]);
    assert_eq!(code, Some(1));
    let lines: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, diagnostics) = lines.split_last().unwrap();
    assert_eq!(summary["kind"], "CheckSummary");
    let counted = summary["errors"].as_u64().unwrap() + summary["warnings"].as_u64().unwrap();
    assert_eq!(counted, diagnostics.len() as u64);
    assert_eq!(summary["policySet"], serde_json::Value::Null);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic["kind"] == "Diagnostic"));
    assert_eq!(diagnostics[0]["file"], "tests/policy_files/ten_mistakes/github.yaml");
    assert_eq!(
        (&diagnostics[0]["line"], &diagnostics[0]["column"]),
        (&7.into(), &3.into())
    );
}

#[test]
fn a_path_that_does_not_exist_leaves_the_question_unanswered() {
    let (code, stdout, stderr) = run(&["tests/policy_files/ok", "--policies", "nowhere"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.starts_with("error: failed to read nowhere: "), "{stderr}");
}

#[test]
fn wrong_flags_leave_the_question_unanswered() {
    let (code, stdout, stderr) = run(&["--bogus"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--bogus"));
}

#[test]
fn a_reader_that_has_seen_enough_does_not_change_the_verdict() {
    let mut child = command(&["--no-builtin", "tests/policy_files/ten_mistakes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything is read: every write fails.
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(1), ""));
}
