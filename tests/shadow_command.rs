//! `runstamp shadow` as a script sees it.
//!
//! `UPDATE_GOLDENS=1 cargo test --test shadow_command` writes the goldens, for a person to read.
#![cfg(test)]

mod common;

use std::fs;
use std::io::{Cursor, Write as _};
use std::process::{Command, Output, Stdio};

use runstamp::review::{Stance, Webhook, answer};
use runstamp::shadow_report::ShadowReport;
use serde_json::{Value, json};

use common::golden::{agrees_with_golden, cases};
use common::set_with;

fn run(arguments: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .arg("shadow")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_log_is_summed_up_policy_by_policy() {
    let mut agree = true;
    for log in cases("tests/shadow") {
        let (code, stdout, stderr) = run(&["-f", log.to_str().unwrap()], b"");
        assert_eq!(
            (code, stderr.as_str()),
            (Some(1), ""),
            "some Runs would have been refused"
        );
        agree &= agrees_with_golden(&log.with_extension("txt"), &stdout);
        let piped = run(&["-f", "-"], &fs::read(&log).unwrap());
        assert_eq!(piped, (code, stdout, stderr), "stdin is a file like others");
    }
    assert!(agree);
}

#[test]
fn programs_get_one_object_a_policy_and_a_summary() {
    let (code, stdout, _) = run(&["-f", "tests/shadow/serve.log", "-o", "json"], b"");
    assert_eq!(code, Some(1));
    let mut records: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = records.pop().unwrap();
    assert_eq!(
        summary,
        json!({
            "apiVersion": "runstamp.dev/v1alpha1", "kind": "ShadowSummary",
            "read": 10, "counted": 4, "notJson": 2, "tooLong": 0, "dryRuns": 1, "cut": 1,
            "from": "2026-11-23T10:00:00.000000Z", "to": "2026-11-23T10:00:06.000000Z",
        })
    );
    let names: Vec<&Value> = records.iter().map(|record| &record["policy"]).collect();
    assert_eq!(names, ["another", "board"]);
    let board = &records[1];
    assert_eq!(
        (&board["kind"], &board["changed"], &board["refused"], &board["warned"]),
        (&json!("ShadowPolicy"), &json!(2), &json!(1), &json!(0))
    );
    assert_eq!(board["namespaces"], json!({"web-pay": 1, "web-shop": 2}));
    assert_eq!(board["users"], json!({"people": 2, "serviceAccounts": 1, "system": 0}));
    assert_eq!(
        board["keys"][2],
        json!({
            "outcome": "Violation", "field": "metadata.annotations[slack.integrations.tekton.dev/channel]", "count": 1,
            "fault": "expected a channel of team web, found \"ops\"",
        })
    );
}

#[test]
fn what_answers_nothing_says_so() {
    #[track_caller]
    fn check(stdin: &[u8], code: i32, stdout: &str, stderr: &str) {
        let found = run(&["-f", "-"], stdin);
        assert_eq!(found.0, Some(code), "{found:?}");
        assert_eq!(found.1, stdout);
        assert!(found.2.contains(stderr), "{found:?}");
    }
    let nothing = "no policy in Shadow mode would have changed anything\n";
    check(
        b"",
        0,
        &format!("{nothing}0 lines: 0 about policies in Shadow mode\n"),
        "",
    );
    check(
        b"{}\n\n{\"message\":\"shadow\"}",
        0,
        &format!("{nothing}2 lines: 0 about policies in Shadow mode\n"),
        "",
    );
    check(
        b"2026-11-23 INFO shadow policy=board\n\xff\xfe\n",
        2,
        "",
        "error: expected the log of runstamp serve --log-format json or an audit log, found 2 lines of which none is JSON",
    );
    let (code, _, stderr) = run(&["-f", "nowhere.log"], b"");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("failed to read nowhere.log"), "{stderr}");
    let (code, _, _) = run(&["-f", "tests"], b"");
    assert_eq!(code, Some(2), "a folder is no log");
}

/// Whatever stands in a log: it is read in bounded memory, and nothing of it reaches a terminal as it is.
#[test]
fn a_log_of_anything_is_read_in_bounds() {
    let mut log = String::new();
    for number in 0..3_000 {
        let line = json!({
            "message": "shadow", "policy": "p", "namespace": format!("ns-{number}"), "user": "alice\u{1b}[31m",
            "kind": "PipelineRun", "name": "x\u{7}".repeat(2_000),
            "outcomes": format!("Inject metadata.annotations[k-{number}]"),
        });
        log.push_str(&format!("{line}\n"));
    }
    log.push_str(&"x".repeat(20 * 1024 * 1024));
    log.push_str("\n{\"message\":\"shadow\",\"policy\":\"q\",\"outcomes\":\"Inject f\"}");
    let mut report = ShadowReport::default();
    report.read(&mut Cursor::new(log)).unwrap();
    let policies: Vec<_> = report.policies().collect();
    assert_eq!(policies.len(), 2, "what follows a long line is read");
    assert_eq!((report.lines.read, report.lines.too_long), (3_002, 1));
    let first = policies[0];
    assert_eq!(
        (first.changed, first.keys.len(), first.other_keys),
        (3_000, 1_000, 2_000)
    );
    assert_eq!((first.namespaces.len(), first.other_namespaces), (1_000, 2_000));
    let text = report.text();
    assert!(text.len() < 10_000, "{} bytes", text.len());
    assert!(
        !text.contains(|character: char| character.is_control() && character != '\n'),
        "{text:?}"
    );
}

/// The audit annotations are those that the webhooks write.
#[test]
fn what_the_webhooks_tell_the_audit_log_is_understood() {
    let policies = fs::read_to_string("tests/review/shadow-rules/policies.yaml").unwrap()
        + &fs::read_to_string("tests/review/shadow/policies.yaml").unwrap();
    let set = set_with(&policies);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"}, "namespace": "ci",
            "operation": "CREATE", "userInfo": {"username": "alice"},
            "object": {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "build-"}, "spec": {}},
        },
    });
    let body = serde_json::to_vec(&review).unwrap();
    let mut annotations = serde_json::Map::new();
    for webhook in [Webhook::Mutate, Webhook::Validate] {
        let reply = answer(webhook, &body, &set, Stance::default()).unwrap();
        let reply: Value = serde_json::from_slice(&reply.body).unwrap();
        for (key, value) in reply["response"]["auditAnnotations"].as_object().unwrap() {
            let before = annotations.insert(format!("runs.runstamp.dev/{key}"), value.clone());
            assert!(
                before.is_none_or(|before| before == *value),
                "the API server drops a repeat that differs: {key}"
            );
        }
    }
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "annotations": annotations,
        "user": {"username": "alice"}, "objectRef": {"resource": "pipelineruns", "namespace": "ci"},
    });
    let mut report = ShadowReport::default();
    report.read(&mut Cursor::new(event.to_string())).unwrap();
    let found: Vec<_> = report
        .policies()
        .map(|policy| (policy.policy.as_str(), policy.changed, policy.refused, policy.warned))
        .collect();
    assert_eq!(
        found,
        [
            ("complete", 1, 0, 0),
            ("mild", 0, 0, 1),
            ("s", 1, 1, 0),
            ("strict", 0, 1, 0)
        ]
    );
}
