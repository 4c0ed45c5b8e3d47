//! From the first command to the last: what an administrator types, and what becomes of it.

use hyper::Method;
use serde_json::{Value, json};

use crate::installation::casts::pipeline_run;
use crate::installation::shipped::{empty_namespace, leftovers, uninstall};
use crate::installation::stage::{ALICE, Installation, expect, installation, wait_until};
use crate::support::control_plane::User;
use crate::support::control_plane::programs::say;

const COMMIT: &str = "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e";

/// A Run of a commit, copied from a signed one.
fn copied(name: &str) -> Value {
    let mut run = pipeline_run(name, &json!({ "chains.tekton.dev/signed": "true" }));
    run["spec"]["params"] = json!([
        { "name": "git-url", "value": "https://github.com/acme/shop.git" },
        { "name": "git-revision", "value": COMMIT },
    ]);
    run
}

/// What is stored of a Run of Alice.
#[track_caller]
fn annotations(cluster: &Installation, run: &Value) -> Value {
    let answer = cluster.create(&ALICE, "life", run);
    assert!(answer.is_success(), "{answer:#?}");
    answer.body["metadata"]["annotations"].clone()
}

/// `installation()` has said `kubectl apply -k manifests/` and started two replicas as the Deployment says.
#[test]
fn what_is_applied_stamps_runs_and_what_is_deleted_leaves_nothing() {
    let Some(mut cluster) = installation() else { return };
    cluster.namespace("life", json!({}));
    for replica in cluster.replicas() {
        let report = replica.readiness().unwrap();
        assert_eq!(report["missing"], json!([]), "{report}");
        assert_eq!(
            (&report["ready"], &report["policies"], &report["policiesFrom"]),
            (&json!(true), &json!("Current"), &json!("Sources")),
            "{report}"
        );
    }
    // Reset by a built-in policy; told its commit by the starter policy, which only the shipped ConfigMap holds.
    let stamped = annotations(&cluster, &copied("first"));
    assert_eq!(stamped.get("chains.tekton.dev/signed"), None, "{stamped}");
    assert_eq!(stamped["github.integrations.tekton.dev/sha"], COMMIT, "{stamped}");

    assert_ne!(leftovers(cluster.plane()), [""; 0]);
    uninstall(cluster.plane(), || {
        // Nobody is asked any more, although the replicas are still there.
        let mut number = 0;
        wait_until("Runs are left alone", || {
            number += 1;
            let left = annotations(&cluster, &copied(&format!("between-{number}")));
            expect(left == copied("")["metadata"]["annotations"], &left)
        });
    });
    // With the Deployment its Pods go.
    while !cluster.replicas().is_empty() {
        cluster.end_oldest();
    }
    cluster.note_uninstall();
    cluster.wait_for_ends();
    empty_namespace(cluster.plane());
    assert_eq!(leftovers(cluster.plane()), [""; 0]);
    let left = annotations(&cluster, &copied("last"));
    assert_eq!(left, copied("")["metadata"]["annotations"]);
}

#[test]
fn an_edit_with_a_misspelt_key_is_answered_with_its_place_and_the_right_key() {
    let Some(cluster) = installation() else { return };
    let edit = |key: &str| {
        format!(
            "apiVersion: v1
kind: ConfigMap
metadata:
  name: team
  namespace: runstamp
  labels:
    runstamp.dev/policies: \"true\"
data:
  team.yaml: |
    apiVersion: runstamp.dev/v1alpha1
    kind: RunPolicy
    metadata:
      name: team
    spec:
      {key}:
        namespaces: [team]
      inject:
        annotations:
          ci.example.com/team: team
"
        )
    };
    let apply = |text: &str| {
        let plane = cluster.plane();
        plane.kubectl(&User::Admin, &["apply", "-f", "-"], text).unwrap()
    };
    let good = apply(&edit("match"));
    assert_eq!((good.code, good.stderr.as_str()), (0, ""), "{good:?}");
    let bad = apply(&edit("mtach"));
    assert_ne!(bad.code, 0, "{bad:?}");
    let place = "data[team.yaml]: configmap/team/team.yaml:6:3: error[unknown-field]: the spec of a RunPolicy has no field \"mtach\"; \
                 did you mean match? (runstamp)";
    assert!(bad.stderr.contains(place), "{bad:?}");
    say(&format!("kubectl apply of a misspelt key:\n{}", bad.stderr));

    let path = "/api/v1/namespaces/runstamp/configmaps/team";
    let send = |method| {
        cluster
            .plane()
            .request(&User::Admin, method, path, "application/json", None)
    };
    let stored = send(Method::GET).unwrap().body;
    assert!(
        stored["data"]["team.yaml"].as_str().unwrap().contains("  match:"),
        "{stored}"
    );
    assert!(send(Method::DELETE).unwrap().is_success());
    cluster.wait_until_live();
}
