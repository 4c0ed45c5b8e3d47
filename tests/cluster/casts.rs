//! Who and what the stories are about: the controllers, and Runs as they create them.

use serde_json::{Value, json};

use crate::support::control_plane::User;

/// The controller that creates the children of PipelineRuns.
pub(crate) fn pipelines_controller() -> User {
    User::service_account("tekton-pipelines", "tekton-pipelines-controller")
}

/// The controller that signs.
pub(crate) fn chains_controller() -> User {
    User::service_account("tekton-chains", "tekton-chains-controller")
}

/// A PipelineRun of a person, with these annotations.
pub(crate) fn pipeline_run(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": { "name": name, "annotations": annotations },
        "spec": { "pipelineRef": { "name": "build" } },
    })
}

/// A TaskRun of a person, with these annotations.
pub(crate) fn task_run(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": { "name": name, "annotations": annotations },
        "spec": { "taskRef": { "name": "compile" } },
    })
}

/// A TaskRun as the pipelines controller creates it for a PipelineRun: named, labelled and owned.
pub(crate) fn child_of(pipeline_run: &str, annotations: &Value) -> Value {
    let uid = "3947dc60-75b2-4b3b-93ab-7bb4d11a84cb";
    let mut run = task_run(&format!("{pipeline_run}-compile"), annotations);
    run["metadata"]["labels"] = json!({
        "tekton.dev/memberOf": "tasks",
        "tekton.dev/pipeline": "build",
        "tekton.dev/pipelineRun": pipeline_run,
        "tekton.dev/pipelineRunUID": uid,
        "tekton.dev/pipelineTask": "compile",
    });
    run["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "name": pipeline_run,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    run
}
