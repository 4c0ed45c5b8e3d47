//! Every kind of Run in every version that Tekton serves.

use serde_json::{Value, json};

use crate::cluster::stage::{ALICE, Guard, admitted, annotation, cluster};

const SIGNED: &str = "chains.tekton.dev/signed";

fn copies() -> [Value; 5] {
    let run = |version: &str, kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": format!("tekton.dev/{version}"),
            "kind": kind,
            "metadata": { "name": name, "annotations": { SIGNED: "true", "ci.example.com/note": "kept" } },
            "spec": spec,
        })
    };
    let wait = json!({ "customRef": { "apiVersion": "wait.example.com/v1", "kind": "Wait" } });
    [
        run(
            "v1",
            "PipelineRun",
            "stable",
            json!({ "pipelineRef": { "name": "build" } }),
        ),
        run(
            "v1beta1",
            "PipelineRun",
            "beta",
            json!({ "pipelineRef": { "name": "build" } }),
        ),
        run("v1", "TaskRun", "stable", json!({ "taskRef": { "name": "compile" } })),
        run(
            "v1beta1",
            "TaskRun",
            "beta",
            json!({ "taskRef": { "name": "compile" } }),
        ),
        run("v1beta1", "CustomRun", "beta", wait),
    ]
}

#[test]
fn each_is_reset() {
    let Some(cluster) = cluster() else { return };
    let before = cluster.namespace("kinds-before", Guard::Off);
    let after = cluster.namespace("kinds-after", Guard::Builtins);
    for copy in copies() {
        let stored = before.stored(&admitted(before.as_user(ALICE).create(&copy))).unwrap();
        assert_eq!(annotation(&stored, SIGNED), Some("true"));
        let stored = after.stored(&admitted(after.as_user(ALICE).create(&copy))).unwrap();
        assert_eq!(annotation(&stored, SIGNED), None, "{copy}");
        assert_eq!(annotation(&stored, "ci.example.com/note"), Some("kept"), "{copy}");
    }
}

/// Where calls without an answer are refused, a Run that is not sent would be admitted.
#[test]
fn each_is_sent_when_it_is_created_and_when_its_labels_change() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("kinds-sent", Guard::Off);
    let stored = copies().map(|copy| admitted(ci.as_user(ALICE).create(&copy)));
    ci.guard(Guard::DownAndStrict);
    for (copy, stored) in copies().iter().zip(&stored) {
        let created = ci.as_user(ALICE).dry_run(copy);
        assert!(created.message().contains("runs.runstamp.dev"), "{created:?}");
        let labels = json!({ "metadata": { "labels": { "a": "b" } } });
        let updated = ci.as_user(ALICE).merge(stored, &labels);
        assert!(updated.message().contains("updates.runstamp.dev"), "{updated:?}");
    }
}
