//! `runstamp review --against`: two policy sets, and what they decide differently.
#![cfg(test)]

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

const RUNS: &str = "\
apiVersion: v1
kind: List
items:
  - apiVersion: tekton.dev/v1
    kind: PipelineRun
    metadata: {name: one, namespace: ci, annotations: {ci.example.com/cost-centre: '7'}}
    spec: {pipelineRef: {name: build}}
  - apiVersion: tekton.dev/v1
    kind: TaskRun
    metadata: {name: two, namespace: ci}
    spec: {taskRef: {name: build}}
  - apiVersion: tekton.dev/v1
    kind: PipelineRun
    metadata: {name: three, namespace: elsewhere}
    spec: {pipelineRef: {name: build}}
";

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {{name: team}}\nspec: {{match: {{namespaces: [ci]}}, {spec}}}\n"
    )
}

/// Reviews the Runs by one policy against another.
fn compare(policies: &str, against: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, text) in [("runs.yaml", RUNS), ("new.yaml", policies), ("old.yaml", against)] {
        fs::write(at(name), text).unwrap();
    }
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .args([
            "review",
            "-f",
            &at("runs.yaml"),
            "--policies",
            &at("new.yaml"),
            "--against",
            &at("old.yaml"),
        ])
        .args(flags)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn only_what_is_decided_differently_is_shown() {
    let old = policy("inject: {annotations: {ci.example.com/team: web}}");
    let new = policy(
        "inject: {annotations: {ci.example.com/team: shop}}, require: {annotations: [ci.example.com/cost-centre]}",
    );
    let (code, stdout, stderr) = compare(&new, &old, &[]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let expected = "\
PipelineRun ci/one: allowed as Root
-   injected  metadata.annotations[ci.example.com/team] = \"web\" (policy team)
+   injected  metadata.annotations[ci.example.com/team] = \"shop\" (policy team)
- TaskRun ci/two: allowed as Root
-   injected  metadata.annotations[ci.example.com/team] = \"web\" (policy team)
+ TaskRun ci/two: refused as Root
+   refused   metadata.annotations[ci.example.com/cost-centre]: required by policy team (runstamp: policy team)
+   injected  metadata.annotations[ci.example.com/team] = \"shop\" (policy team)
2 of 3 Runs decided differently: 1 refused that were allowed, 0 allowed that were refused
";
    assert_eq!(stdout, expected);
    let (code, stdout, _) = compare(&old, &new, &["-o", "json"]);
    assert_eq!(code, Some(1));
    let records: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 3);
    assert_eq!(records[1]["before"]["allowed"], false);
    assert_eq!(records[1]["after"]["run"]["name"], "two");
    assert_eq!(
        records[2],
        json!({
            "apiVersion": "runstamp.dev/v1alpha1", "kind": "DifferenceSummary",
            "runs": 3, "differ": 2, "newlyRefused": 0, "newlyAllowed": 1,
        })
    );
}

#[test]
fn what_means_the_same_differs_in_nothing() {
    let old = policy("inject: {annotations: {ci.example.com/team: web}}");
    let new = format!(
        "# Another spelling.\n{}",
        old.replace("team: web", "team: {value: web}")
    );
    let (code, stdout, _) = compare(&new, &old, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(
        stdout,
        "0 of 3 Runs decided differently: 0 refused that were allowed, 0 allowed that were refused\n"
    );
}

#[test]
fn a_mistake_in_either_set_leaves_the_question_unanswered() {
    let good = policy("inject: {annotations: {ci.example.com/team: web}}");
    let bad = good.replace("inject", "injekt");
    for (new, old) in [(&good, &bad), (&bad, &good)] {
        let (code, stdout, stderr) = compare(new, old, &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(stderr.contains("did you mean inject?"), "{stderr}");
    }
    let (code, _, stderr) = compare(&good, &good, &["--explain"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}
