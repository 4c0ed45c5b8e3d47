//! Stored Runs, and what `runstamp audit` says about each: one file a way to be damaged, and one a way to look like it.
//!
//! `UPDATE_GOLDENS=1 cargo test --test audit` writes what is printed beside the cases; read it then.
#![cfg(test)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use regex::Regex;
use runstamp::domain::audit::Auditor;
use runstamp::domain::words::RunKind;
use serde_json::{Value, json};

use common::golden::{agrees_with_golden, cases};

mod common;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit");

fn audit(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .arg("audit")
        .args(arguments)
        .env("KUBECONFIG", "/nowhere/kubeconfig")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The digest changes with every policy.
fn masked(output: &[u8]) -> String {
    let digest = Regex::new("sha256:[0-9a-f]{64}").unwrap();
    digest.replace_all(&text(output), "sha256:…").into_owned()
}

#[track_caller]
fn assert_goldens(folder: &str, code: i32) {
    let files = cases(Path::new(FOLDER).join(folder));
    assert!(files.len() > 15, "{}", files.len());
    let mut all_agree = true;
    for file in files {
        let output = audit(&["-f", file.to_str().unwrap()], "");
        let errors = text(&output.stderr);
        assert_eq!(
            (output.status.code(), errors.as_str()),
            (Some(code), ""),
            "{}",
            file.display()
        );
        all_agree &= agrees_with_golden(&file.with_extension("txt"), &masked(&output.stdout));
    }
    assert!(all_agree);
}

#[test]
fn every_way_to_carry_another_run_s_state_is_found() {
    assert_goldens("found", 1);
}

#[test]
fn what_only_looks_like_it_is_not_found() {
    assert_goldens("fine", 0);
}

/// A PipelineRun that says that it is signed, by whoever created it.
fn signed(name: &str) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": name,
            "namespace": "ci",
            "uid": "0d4f6a1e-52c3-4b8e-9f0a-7c1d2e3f4a5b",
            "annotations": { "chains.tekton.dev/signed": "true" },
            "managedFields": [{
                "manager": "kubectl-create",
                "fieldsV1": { "f:metadata": { "f:annotations": { "f:chains.tekton.dev/signed": {} } }, "f:spec": {} },
            }],
        },
    })
}

fn names(output: &Output) -> Vec<String> {
    let lines = text(&output.stdout);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = lines.filter(|line| line["kind"] == "AuditFinding");
    found
        .map(|line| line["run"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_json_form_has_a_line_for_each_run_and_a_last_one_that_counts() {
    let output = audit(&["-f", "-", "-o", "json"], &signed("a").to_string());
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut summary = lines[1].clone();
    assert!(summary["policySet"].as_str().unwrap().starts_with("sha256:"));
    summary["policySet"] = json!("");
    assert_eq!(
        (lines.len(), &lines[0], &summary),
        (
            2,
            &json!({
                "apiVersion": "runstamp.dev/v1alpha1",
                "kind": "AuditFinding",
                "run": { "kind": "PipelineRun", "namespace": "ci", "name": "a", "uid": "0d4f6a1e-52c3-4b8e-9f0a-7c1d2e3f4a5b" },
                "findings": [{
                    "reason": "UndeclaredWriter",
                    "field": "metadata.annotations[chains.tekton.dev/signed]",
                    "message": "is state of integration chains: expected it to be written by tekton-chains-controller, openshift-pipelines-chains-controller or controller, found \"kubectl-create\"",
                    "integration": "chains",
                    "suggestion": null,
                    "writtenBy": ["kubectl-create"],
                    "advice": "remove it, and its integration writes its own; if that was the integration under another name, add the name to fieldManagers of the key",
                }],
                "commands": ["kubectl -n ci annotate pipelinerun a chains.tekton.dev/signed-"],
            }),
            &json!({
                "apiVersion": "runstamp.dev/v1alpha1",
                "kind": "AuditSummary",
                "complete": true,
                "runs": { "PipelineRun": 1, "TaskRun": 0, "CustomRun": 0 },
                "found": { "PipelineRun": 1, "TaskRun": 0, "CustomRun": 0 },
                "reasons": { "UndeclaredWriter": 1 },
                "notes": [],
                "policySet": "",
            }),
        )
    );
}

#[test]
fn a_report_for_ci_counts_every_run_and_lists_those_that_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.xml");
    let runs = json!({ "apiVersion": "v1", "kind": "List", "items": [signed("a"), signed("<&>"), {
        "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": { "name": "fine", "namespace": "ci", "uid": "1" },
    }] });
    let output = audit(&["-f", "-", "--junit", path.to_str().unwrap()], &runs.to_string());
    assert_eq!(output.status.code(), Some(1));
    let report = fs::read_to_string(&path).unwrap();
    assert!(agrees_with_golden(&Path::new(FOLDER).join("junit.txt"), &report));
}

/// One document after the other, one list in another form, kinds at the end as kubectl sorts them, other objects between.
#[test]
fn a_dump_may_have_any_form_that_kubectl_prints() {
    let (a, b) = (signed("a"), signed("b"));
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" } });
    let list = json!({ "apiVersion": "v1", "items": [a, pod, b], "kind": "List", "metadata": {} });
    let of_kind = json!({ "apiVersion": "tekton.dev/v1", "items": [a, b], "kind": "PipelineRunList", "metadata": {} });
    let kind_last = a.to_string().replacen("\"kind\":\"PipelineRun\",", "", 1);
    let kind_last = format!("{},\"kind\":\"PipelineRun\"}}", kind_last.strip_suffix('}').unwrap());
    for (dump, expected) in [
        (list.to_string(), vec!["a", "b"]),
        (format!("\u{feff}{list}"), vec!["a", "b"]),
        (serde_json::to_string_pretty(&of_kind).unwrap(), vec!["a", "b"]),
        (format!("\n{a}\n{b} {list}\n"), vec!["a", "b", "a", "b"]),
        (kind_last, vec!["a"]),
        (format!("---\n{a}\n---\n{list}\n"), vec!["a", "a", "b"]),
        (format!("[{a}]"), vec![]),
    ] {
        let output = audit(&["-f", "-", "-o", "json"], &dump);
        let code = if expected.is_empty() { 2 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{dump}: {}", text(&output.stderr));
        assert_eq!(names(&output), expected, "{dump}");
    }
    let output = audit(&["-f", "-", "-o", "json"], &list.to_string());
    assert!(text(&output.stdout).contains("1 object is no Run and was left out"));
    let empty = json!({ "apiVersion": "v1", "items": [], "kind": "List" });
    let output = audit(&["-f", "-"], &empty.to_string());
    assert_eq!(
        (output.status.code(), masked(&output.stdout).as_str()),
        (Some(0), "no Runs\npolicy set sha256:…\n")
    );
}

#[test]
fn what_cannot_be_answered_is_said() {
    let run = signed("a").to_string();
    let broken =
        json!({ "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": { "name": "x", "annotations": [] } });
    for (arguments, stdin, expected) in [
        (
            vec!["-f", "-"],
            "",
            "error: -: expected PipelineRuns, TaskRuns or CustomRuns, found none",
        ),
        (
            vec!["-f", "-"],
            "{\"kind\":\"Pod\"}",
            "error: -: expected PipelineRuns, TaskRuns or CustomRuns, found none",
        ),
        (
            vec!["-f", "/nowhere"],
            "",
            "error: failed to open /nowhere: No such file or directory",
        ),
        (
            vec!["-f", "-"],
            &run[..run.len() - 5],
            "error: failed to read -: EOF while parsing",
        ),
        (
            vec!["-f", "-"],
            "{\"items\": {}}",
            "error: failed to read -: invalid type: map, expected a list of objects",
        ),
        (
            vec!["-f", "-"],
            &broken.to_string(),
            "error: failed to read -: Run 1 cannot be read as a TaskRun: invalid type: sequence, expected a map of strings",
        ),
        (
            vec!["-A", "-f", "-"],
            "",
            "error: the argument '--all-namespaces' cannot be used with '--filename <FILE>'",
        ),
        (
            vec!["-A"],
            "",
            "error: failed to use the kubeconfig that KUBECONFIG names",
        ),
    ] {
        let output = audit(&arguments, stdin);
        let errors = text(&output.stderr);
        assert!(errors.starts_with(expected), "{arguments:?} {stdin}: {errors}");
        assert_eq!(output.status.code(), Some(2), "{errors}");
    }
}

/// What was found before is printed before: a dump is not held until its end.
#[test]
fn a_dump_that_ends_early_has_told_what_it_could() {
    let dump = format!("{{\"items\":[{},{},{{", signed("a"), signed("b"));
    let output = audit(&["-f", "-", "-o", "json"], &dump);
    assert_eq!(
        (output.status.code(), names(&output)),
        (Some(2), vec!["a".to_owned(), "b".to_owned()])
    );
}

#[test]
fn policies_are_those_of_the_flags() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata:\n  name: owned\nspec:\n  match:\n    namespaceSelector: {matchLabels: {team: web}}\n  require:\n    annotations: [ci.example.com/owner]\n---\napiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata:\n  name: noted\nspec:\n  require:\n    annotations: [ci.example.com/note]\n";
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let folder = folder.path().to_str().unwrap();
    let output = audit(
        &["-f", "-", "--policies", folder, "--no-builtin"],
        &signed("a").to_string(),
    );
    assert_eq!(
        (output.status.code(), masked(&output.stdout).as_str()),
        (
            Some(1),
            "PipelineRun ci/a\n  Violation  metadata.annotations[ci.example.com/note]: required by policy noted (policy noted)\n  do about Violation: make it what the policies ask for; runstamp keys KEY says what a key takes\nfound 1 of 1 Runs: 1 PipelineRun\n       1  Violation\nnote: policies with a namespaceSelector were left out: the labels of namespaces are not asked for\npolicy set sha256:…\n"
        )
    );
}

/// Every node of every case in its turn is something else: an audit finds more or less, and goes on.
#[test]
fn no_shape_of_a_run_stops_an_audit() {
    let set = common::builtin_set();
    let mut looks = 0;
    for folder in ["found", "fine"] {
        for file in cases(Path::new(FOLDER).join(folder)) {
            let documents: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&file).unwrap()).unwrap();
            for run in documents {
                let kind = RunKind::from_word(run["kind"].as_str().unwrap()).unwrap();
                for pointer in pointers(&run) {
                    for other in [
                        Value::Null,
                        json!(5),
                        json!("\u{1b}/'x"),
                        json!([{}]),
                        json!({ "a": {} }),
                    ] {
                        let mut changed = run.clone();
                        *changed.pointer_mut(&pointer).unwrap() = other;
                        let mut auditor = Auditor::new(&set);
                        let found = auditor.look(kind, &changed.to_string());
                        assert!(
                            found.is_ok() || pointer.starts_with("/metadata"),
                            "{pointer}: {found:?}"
                        );
                        looks += 1;
                    }
                }
            }
        }
    }
    assert!(looks > 5000, "{looks}");
}

/// The JSON Pointers of everything below a value.
fn pointers(value: &Value) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    below
        .into_iter()
        .flat_map(|(step, value)| {
            let deeper = pointers(value)
                .into_iter()
                .map(|rest| format!("/{step}{rest}"))
                .collect::<Vec<_>>();
            std::iter::once(format!("/{step}")).chain(deeper)
        })
        .collect()
}
