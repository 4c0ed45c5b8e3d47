//! What each way to run a Run again sends to the API server.

use serde_json::{Map, Value, json};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `kubectl get -o yaml`, another name, `kubectl create -f -`: everything goes along.
pub(crate) fn kubectl_copy(run: &Value) -> Value {
    let mut copy = run.clone();
    let name = format!("{}-again", run["metadata"]["name"].as_str().unwrap());
    let metadata = copy["metadata"].as_object_mut().unwrap();
    metadata.insert("name".to_owned(), json!(name));
    metadata.remove("resourceVersion");
    copy
}

/// The Dashboard's button on a PipelineRun, as it is today.
pub(crate) fn dashboard_pipeline_run(run: &Value) -> Value {
    dashboard(run, |key| key != "tekton.dev/v1beta1TaskRuns" && key != LAST_APPLIED)
}

/// The Dashboard's button on a TaskRun or CustomRun, as it is today.
pub(crate) fn dashboard_task_run(run: &Value) -> Value {
    dashboard(run, |key| !key.starts_with("tekton.dev/") && key != LAST_APPLIED)
}

fn dashboard(run: &Value, keep_annotation: impl Fn(&str) -> bool) -> Value {
    let name = run["metadata"]["name"].as_str().unwrap();
    let mut labels = filtered(&run["metadata"]["labels"], |key| !key.starts_with("tekton.dev/"));
    labels.insert("dashboard.tekton.dev/rerunOf".to_owned(), json!(name));
    json!({
        "apiVersion": run["apiVersion"],
        "kind": run["kind"],
        "metadata": {
            "generateName": format!("{name}-r-"),
            "annotations": filtered(&run["metadata"]["annotations"], keep_annotation),
            "labels": labels,
        },
        "spec": run["spec"],
    })
}

/// OpenShift's console when the reports were written: all annotations and all labels.
pub(crate) fn openshift_console(run: &Value) -> Value {
    let name = run["metadata"]["name"].as_str().unwrap();
    let mut annotations = filtered(&run["metadata"]["annotations"], |key| key != LAST_APPLIED);
    annotations.insert("pipeline.openshift.io/started-by".to_owned(), json!("alice"));
    json!({
        "apiVersion": run["apiVersion"],
        "kind": run["kind"],
        "metadata": {
            "generateName": format!("{name}-"),
            "annotations": annotations,
            "labels": filtered(&run["metadata"]["labels"], |_| true),
        },
        "spec": run["spec"],
    })
}

fn filtered(map: &Value, keep: impl Fn(&str) -> bool) -> Map<String, Value> {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter(|(key, _)| keep(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
