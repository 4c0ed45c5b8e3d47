//! What the API server shows to those who change a Run on its way in: facts that the design rests on.

use serde_json::{Value, json};

use crate::cluster::casts::child_of;
use crate::cluster::stage::{ALICE, Guard, admitted, annotation, cluster, expect, wait_until, yaml};

const SEEN: &str = "seen.example.com/fields";

fn copy() -> Value {
    let mut copy = child_of("build-1", &json!({}));
    copy["metadata"]["finalizers"] = json!(["chains.tekton.dev/taskrun"]);
    copy["metadata"]["uid"] = json!("5f1c2b9e-7a64-4c0e-9a1b-2d3e4f5a6b7c");
    copy["metadata"]["creationTimestamp"] = json!("2026-11-20T08:15:00Z");
    copy["status"] = json!({ "podName": "build-1-compile-pod", "completionTime": "2026-11-20T08:15:00Z" });
    copy
}

/// The policy writes down which fields of the copy are there when it is asked.
#[test]
fn who_changes_a_copied_run_sees_its_status_finalizers_and_owners() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("admission-facts", Guard::Off);
    let documents = include_str!("admission-facts.yaml").split("\n---\n").map(yaml);
    for (object, path) in documents.zip(["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"]) {
        cluster.create_object(&format!("/apis/admissionregistration.k8s.io/v1/{path}"), &object);
    }
    wait_until("the policy is in force", || {
        let answer = ci.as_user(ALICE).dry_run(&copy());
        expect(annotation(&answer.body, SEEN).is_some(), &answer)
    });
    let stored = ci.stored(&admitted(ci.as_user(ALICE).create(&copy()))).unwrap();
    assert_eq!(
        annotation(&stored, SEEN),
        Some("status finalizers ownerReferences managedFields")
    );
    assert_eq!(stored.get("status"), None, "and yet it is not stored");
}
