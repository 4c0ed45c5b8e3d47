//! Runs that need nothing: they are admitted as they are, and nobody is warned.

use std::env;
use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::stage::{ALICE, Guard, admitted, cluster};
use crate::support::manifests;

const KINDS: [&str; 3] = ["PipelineRun", "TaskRun", "CustomRun"];

/// The project's own examples of clean Runs, and every Run in the folder that `RUNSTAMP_CORPUS` names.
fn corpus() -> Vec<Value> {
    let mut documents = manifests::documents(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/clean-run.yaml"
    )))
    .unwrap();
    if let Some(folder) = env::var_os("RUNSTAMP_CORPUS").filter(|folder| !folder.is_empty()) {
        documents.extend(manifests::documents_below(Path::new(&folder)).unwrap());
    }
    let is_run = |document: &Value| {
        let group = document["apiVersion"]
            .as_str()
            .unwrap_or_default()
            .starts_with("tekton.dev/");
        group && KINDS.contains(&document["kind"].as_str().unwrap_or_default())
    };
    documents.retain(is_run);
    documents
}

/// What differs between two creations of one Run, whoever looks on.
fn without_the_moment(mut run: Value) -> Value {
    let metadata = run["metadata"].as_object_mut().unwrap();
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        metadata.remove(field);
    }
    for entry in metadata["managedFields"].as_array_mut().unwrap() {
        entry["time"] = json!(null);
    }
    run
}

#[test]
fn runs_that_need_nothing_are_admitted_as_they_are() {
    let Some(cluster) = cluster() else { return };
    let before = cluster.namespace("corpus-before", Guard::Off);
    let after = cluster.namespace("corpus-after", Guard::Builtins);
    let corpus = corpus();
    assert!(!corpus.is_empty());
    for run in &corpus {
        let name = run["metadata"]
            .get("name")
            .or_else(|| run["metadata"].get("generateName"))
            .cloned();
        let alone = before.as_user(ALICE).dry_run(run);
        let guarded = after.as_user(ALICE).dry_run(run);
        assert_eq!(guarded.warnings, alone.warnings, "{name:?}");
        let (alone, guarded) = (admitted(alone), admitted(guarded));
        assert_eq!(without_the_moment(guarded), without_the_moment(alone), "{name:?}");
    }
}
