//! A pipeline that is under way: its children, whatever they carry and whether Runstamp answers or not.

use serde_json::{Value, json};

use crate::cluster::casts::{chains_controller, child_of, pipeline_run, pipelines_controller, task_run};
use crate::cluster::stage::{ALICE, Guard, admitted, annotation, cluster, label};

const SHA: &str = "github.integrations.tekton.dev/sha";
const SIGNED: &str = "chains.tekton.dev/signed";
const NOTE: &str = "ci.example.com/note";

fn malformed() -> Value {
    json!({ SHA: "main" })
}

#[test]
fn a_malformed_child_is_admitted_and_the_same_run_of_a_person_is_not() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("malformed-child", Guard::Builtins);

    let answer = ci
        .as_user(pipelines_controller())
        .create(&child_of("build-1", &malformed()));
    assert_eq!(answer.warnings, [""; 0], "nobody reads a controller's warnings");
    let child = ci.stored(&admitted(answer)).unwrap();
    assert_eq!(annotation(&child, SHA), Some("main"));

    let answer = ci.as_user(ALICE).create(&task_run("by-hand", &malformed()));
    assert_eq!(answer.code, 422, "{answer:#?}");
    assert_eq!(answer.body["reason"], "Invalid");
    assert_eq!(
        answer.body["details"]["causes"][0]["field"],
        format!("metadata.annotations[{SHA}]")
    );
    assert_eq!(ci.stored(&task_run("by-hand", &json!({}))), None);
}

#[test]
fn a_malformed_child_is_admitted_while_runstamp_is_down() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("child-while-down", Guard::Down);
    let child = admitted(
        ci.as_user(pipelines_controller())
            .create(&child_of("build-1", &malformed())),
    );
    assert_eq!(annotation(&ci.stored(&child).unwrap(), SHA), Some("main"));
}

#[test]
fn a_person_is_told_who_does_not_answer_while_runstamp_is_down() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("person-while-down", Guard::Down);
    for run in [pipeline_run("clean", &json!({})), task_run("clean", &json!({}))] {
        let answer = ci.as_user(ALICE).create(&run);
        assert_eq!(answer.code, 500, "{answer:#?}");
        assert!(
            answer
                .message()
                .contains("failed calling webhook \"runs.runstamp.dev\""),
            "{answer:#?}"
        );
        assert_eq!(ci.stored(&run), None);
    }
}

/// Tekton takes the results of a TaskRun with these labels and this owner instead of running the real task.
#[test]
fn a_forged_child_loses_what_would_get_it_adopted() {
    let Some(cluster) = cluster() else { return };
    let forged = child_of("build-1", &json!({ NOTE: "kept" }));
    let adoption =
        ["memberOf", "pipelineRun", "pipelineRunUID", "pipelineTask"].map(|name| format!("tekton.dev/{name}"));

    let before = cluster.namespace("forged-before", Guard::Off);
    let stored = before.stored(&admitted(before.as_user(ALICE).create(&forged))).unwrap();
    for key in &adoption {
        assert!(label(&stored, key).is_some(), "without Runstamp {key} is stored");
    }
    assert_eq!(
        stored["metadata"]["ownerReferences"],
        forged["metadata"]["ownerReferences"]
    );

    let after = cluster.namespace("forged-after", Guard::Builtins);
    let answer = after.as_user(ALICE).create(&forged);
    assert_ne!(answer.warnings, [""; 0], "the person is told");
    let stored = after.stored(&admitted(answer)).unwrap();
    for key in &adoption {
        assert_eq!(label(&stored, key), None, "{key} would get it adopted");
    }
    assert_eq!(stored["metadata"].get("ownerReferences"), None);
    assert_eq!(annotation(&stored, NOTE), Some("kept"));

    let child = after
        .as_user(pipelines_controller())
        .create(&child_of("build-2", &json!({})));
    let child = after.stored(&admitted(child)).unwrap();
    for key in &adoption {
        assert!(label(&child, key).is_some(), "{key} of a real child is never touched");
    }
    assert_eq!(child["metadata"]["ownerReferences"].as_array().map(Vec::len), Some(1));
}

/// The controller merges the annotations of Tasks and Pipelines into the Run by an update after its creation.
#[test]
fn state_that_the_controller_merges_from_a_task_is_dropped_again() {
    let Some(cluster) = cluster() else { return };
    let merged = |run: &Value| {
        let mut run = run.clone();
        run["metadata"]["annotations"] = json!({ SIGNED: "true", NOTE: "from the Task" });
        run
    };

    let before = cluster.namespace("merged-before", Guard::Off);
    let run = admitted(before.as_user(ALICE).create(&task_run("compile", &json!({}))));
    admitted(before.as_user(pipelines_controller()).update(&merged(&run)));
    let stored = before.stored(&run).unwrap();
    assert_eq!(
        annotation(&stored, SIGNED),
        Some("true"),
        "without Runstamp it will never be signed"
    );

    let after = cluster.namespace("merged-after", Guard::Builtins);
    let run = admitted(after.as_user(ALICE).create(&task_run("compile", &json!({}))));
    admitted(after.as_user(pipelines_controller()).update(&merged(&run)));
    let stored = after.stored(&run).unwrap();
    assert_eq!(annotation(&stored, SIGNED), None);
    assert_eq!(annotation(&stored, NOTE), Some("from the Task"));

    let signed = json!({ "annotations": { SIGNED: "true" } });
    admitted(
        after
            .as_user(chains_controller())
            .apply(&run, "tekton-chains-controller", &signed),
    );
    assert_eq!(
        annotation(&after.stored(&run).unwrap(), SIGNED),
        Some("true"),
        "Chains is the key's writer"
    );
}
