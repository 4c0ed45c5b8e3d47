//! The status of a Run is never another Run's.

use serde_json::{Value, json};

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Cluster, Guard, admitted, cluster};
use crate::support::manifests;

/// A copy with the integrations of the old Run, as community PR #147 has them.
fn copy() -> Value {
    let mut copy = pipeline_run("copy", &json!({}));
    copy["status"] = json!({
        "completionTime": "2026-11-20T08:15:00Z",
        "integrations": [{ "name": "github.integrations.tekton.dev", "annotations": { "check-run-id": "5678" } }],
    });
    copy
}

#[test]
fn the_api_server_drops_a_copied_status() {
    let Some(cluster) = cluster() else { return };
    for (name, guard) in [("status-before", Guard::Off), ("status-after", Guard::Builtins)] {
        let ci = cluster.namespace(name, guard);
        let run = admitted(ci.as_user(ALICE).create(&copy()));
        assert_eq!(ci.stored(&run).unwrap().get("status"), None, "{guard:?}");
    }
}

#[test]
fn a_cluster_without_the_status_subresource_gets_rid_of_it_by_runstamp() {
    if cluster().is_none() {
        return;
    }
    let crds = manifests::crds_without_status_subresource().unwrap();
    let Some(old_cluster) = Cluster::start(&crds).unwrap() else {
        return;
    };
    let before = old_cluster.namespace("before", Guard::Off);
    let run = admitted(before.as_user(ALICE).create(&copy()));
    let stored = before.stored(&run).unwrap();
    assert_eq!(
        stored["status"],
        copy()["status"],
        "without Runstamp the new Run looks reported"
    );

    let after = old_cluster.namespace("after", Guard::Builtins);
    let answer = after.as_user(ALICE).create(&copy());
    assert_ne!(answer.warnings, [""; 0]);
    let stored = after.stored(&admitted(answer)).unwrap();
    assert_eq!(stored.get("status"), None);
}
