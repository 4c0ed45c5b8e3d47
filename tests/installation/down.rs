//! Every replica is gone, as on a cluster that drains its nodes without care.
//!
//! What holds while nobody answers is told in `tests/cluster`: children in `children.rs`, deletions, finalizers and
//! namespaces that are left out in `lifecycle.rs`. Here are the words that a person reads, with the Service as shipped.

use hyper::Method;
use serde_json::{Value, json};

use crate::installation::casts::{child_of, pipeline_run, pipelines_controller};
use crate::installation::stage::{ALICE, Installation, installation, wait_until};
use crate::support::control_plane::User;

/// A branch where a commit belongs: with Runstamp the Run of a person is refused for it.
fn malformed() -> Value {
    json!({ "github.integrations.tekton.dev/sha": "main" })
}

fn address(cluster: &Installation) -> String {
    let path = "/api/v1/namespaces/runstamp/services/runstamp";
    let service = cluster
        .plane()
        .request(&User::Admin, Method::GET, path, "application/json", None);
    let service = service.unwrap().body;
    service["spec"]["clusterIP"].as_str().unwrap().to_owned()
}

#[test]
fn without_replicas_people_are_told_and_nobody_else_is_in_trouble() {
    let Some(mut cluster) = installation() else { return };
    let controller = pipelines_controller();
    cluster.namespace("down", json!({}));
    cluster.namespace("down-and-excluded", json!({ "runstamp.dev/exclude": "" }));
    let before = cluster.create(&controller, "down", &child_of("before", &malformed()));
    assert!(before.is_success(), "{before:#?}");

    while !cluster.replicas().is_empty() {
        cluster.end_oldest();
    }
    wait_until("no endpoint is left", || {
        let listed = cluster.balancer().listed();
        if listed.is_empty() {
            Ok(())
        } else {
            Err(format!("{listed:?}"))
        }
    });
    cluster.wait_for_ends();

    let refused = cluster.create(&ALICE, "down", &pipeline_run("by-hand", &malformed()));
    assert_eq!((refused.code, &refused.body["reason"]), (500, &json!("InternalError")));
    assert_eq!(
        refused.message().replace(&address(&cluster), "ADDRESS"),
        "Internal error occurred: failed calling webhook \"runs.runstamp.dev\": failed to call webhook: \
         Post \"https://runstamp.runstamp.svc:443/mutate?timeout=3s\": dial tcp ADDRESS:443: connect: connection refused"
    );

    let child = cluster.create(&controller, "down", &child_of("under-way", &malformed()));
    assert!(child.is_success(), "{child:#?}");
    let change = json!({ "metadata": { "annotations": { "ci.example.com/note": "changed" } } });
    for user in [&ALICE, &controller] {
        let changed = cluster.merge(user, &before.body, &change);
        assert!(changed.is_success(), "{changed:#?}");
    }
    let excluded = cluster.create(&ALICE, "down-and-excluded", &pipeline_run("by-hand", &malformed()));
    assert!(excluded.is_success(), "{excluded:#?}");

    // It heals by itself: nothing but a replica is needed.
    cluster.add_replica();
    let judged = cluster.create(&ALICE, "down", &pipeline_run("by-hand", &malformed()));
    assert_eq!(
        (judged.code, &judged.body["reason"]),
        (422, &json!("Invalid")),
        "{judged:#?}"
    );
}
