//! Who owns a field after a reset: Chains and Results claim theirs by server-side apply without force.

use serde_json::{Value, json};

use crate::cluster::casts::{chains_controller, task_run};
use crate::cluster::stage::{
    ALICE, Guard, Namespace, admitted, annotation, cluster, expect, finalizers, wait_until, yaml,
};

const FINALIZER: &str = "chains.tekton.dev/taskrun";
const SIGNED: &str = "chains.tekton.dev/signed";

/// A reset as it is often written: it removes the fields and leaves their owners.
const NAIVE_RESET: &str = include_str!("naive-reset.yaml");

fn copy() -> Value {
    let mut copy = task_run("copy", &json!({ SIGNED: "true", "ci.example.com/note": "kept" }));
    copy["metadata"]["finalizers"] = json!([FINALIZER]);
    copy
}

fn claims() -> [(&'static str, Value); 2] {
    [
        (
            "tekton-chains-controller/finalizers",
            json!({ "finalizers": [FINALIZER] }),
        ),
        ("tekton-chains-controller", json!({ "annotations": { SIGNED: "true" } })),
    ]
}

/// Slashes are not for query strings.
fn escaped(manager: &str) -> String {
    manager.replace('/', "%2F")
}

fn assert_reset(ci: &Namespace<'_>, run: &Value) {
    let stored = ci.stored(run).unwrap();
    assert_eq!(annotation(&stored, SIGNED), None);
    assert_eq!(finalizers(&stored), [""; 0]);
}

/// Whether anybody is said to own a field of this name.
fn is_owned(run: &Value, field: &str) -> bool {
    run["metadata"]["managedFields"].to_string().contains(field)
}

#[test]
fn after_a_reset_chains_claims_its_finalizer_and_its_annotation() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("ownership", Guard::Builtins);
    let run = admitted(ci.as_user(ALICE).create(&copy()));
    assert_reset(&ci, &run);
    assert!(!is_owned(&run, SIGNED) && !is_owned(&run, "f:finalizers"), "{run:#}");
    assert!(
        is_owned(&run, "f:ci.example.com/note"),
        "what was not removed keeps its owner: {run:#}"
    );
    for (manager, metadata) in claims() {
        admitted(
            ci.as_user(chains_controller())
                .apply(&run, &escaped(manager), &metadata),
        );
    }
    let stored = ci.stored(&run).unwrap();
    assert_eq!(annotation(&stored, SIGNED), Some("true"));
    assert_eq!(annotation(&stored, "ci.example.com/note"), Some("kept"));
    assert_eq!(finalizers(&stored), [FINALIZER]);
}

#[test]
fn a_reset_that_forgets_the_owners_locks_chains_out() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("naive-reset", Guard::Off);
    for (object, path) in yaml_documents()
        .iter()
        .zip(["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"])
    {
        cluster.create_object(&format!("/apis/admissionregistration.k8s.io/v1/{path}"), object);
    }
    wait_until("the naive reset is in force", || {
        let answer = ci.as_user(ALICE).dry_run(&copy());
        expect(
            answer.is_success() && annotation(&answer.body, SIGNED).is_none(),
            &answer,
        )
    });
    let run = admitted(ci.as_user(ALICE).create(&copy()));
    assert_reset(&ci, &run);
    assert!(is_owned(&run, SIGNED) && is_owned(&run, FINALIZER), "{run:#}");
    for (manager, metadata) in claims() {
        let answer = ci
            .as_user(chains_controller())
            .apply(&run, &escaped(manager), &metadata);
        assert_eq!(answer.code, 409, "{manager}: {answer:#?}");
    }
}

fn yaml_documents() -> Vec<Value> {
    NAIVE_RESET.split("\n---\n").map(yaml).collect()
}
