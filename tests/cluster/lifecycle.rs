//! What is never in the way: deletions, finalizers, status, dry runs, namespaces that are left out.

use serde_json::{Value, json};

use crate::cluster::casts::{chains_controller, pipeline_run, pipelines_controller};
use crate::cluster::stage::{ALICE, Guard, Namespace, admitted, annotation, cluster, finalizers, label};

const FINALIZER: &str = "chains.tekton.dev/pipelinerun";
const SIGNED: &str = "chains.tekton.dev/signed";

/// A Run that Chains holds until it has signed it.
fn held_by_chains(ci: &Namespace<'_>) -> Value {
    let run = admitted(ci.as_user(ALICE).create(&pipeline_run("held", &json!({}))));
    let hold = json!({ "finalizers": [FINALIZER] });
    admitted(
        ci.as_user(chains_controller())
            .apply(&run, "tekton-chains-controller/finalizers", &hold),
    )
}

#[track_caller]
fn check_deletion(ci: &Namespace<'_>, run: &Value) {
    admitted(ci.as_user(ALICE).delete(run));
    let waiting = ci.stored(run).expect("the finalizer holds it");
    assert!(waiting["metadata"]["deletionTimestamp"].is_string());
    let signed = json!({ "annotations": { SIGNED: "true" } });
    admitted(
        ci.as_user(chains_controller())
            .apply(run, "tekton-chains-controller", &signed),
    );
    let release = json!({ "finalizers": [] });
    admitted(
        ci.as_user(chains_controller())
            .apply(run, "tekton-chains-controller/finalizers", &release),
    );
    assert_eq!(ci.stored(run), None, "nothing holds it any more");
}

#[test]
fn a_run_with_finalizers_is_deleted() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("deletion", Guard::Builtins);
    let run = held_by_chains(&ci);
    check_deletion(&ci, &run);
}

#[test]
fn a_run_with_finalizers_is_deleted_while_runstamp_is_down() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("deletion-while-down", Guard::Off);
    let run = held_by_chains(&ci);
    ci.guard(Guard::Down);
    check_deletion(&ci, &run);
}

/// Here every call that Runstamp does not answer is refused, so what succeeds was never sent.
#[test]
fn deletions_finalizers_and_status_are_never_sent() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("never-sent", Guard::Off);
    let run = held_by_chains(&ci);
    ci.guard(Guard::DownAndStrict);

    let refused = ci
        .as_user(ALICE)
        .merge(&run, &json!({ "metadata": { "annotations": { "a": "b" } } }));
    assert!(
        refused.message().contains("updates.runstamp.dev"),
        "a change of annotations is sent: {refused:#?}"
    );
    let refused = ci
        .as_user(ALICE)
        .merge(&run, &json!({ "metadata": { "labels": { "a": "b" } } }));
    assert!(
        refused.message().contains("updates.runstamp.dev"),
        "a change of labels is sent: {refused:#?}"
    );

    let more = json!({ "finalizers": ["ci.example.com/hold"] });
    admitted(ci.as_user(ALICE).apply(&run, "holder", &more));
    admitted(ci.as_user(ALICE).apply(&run, "holder", &json!({ "finalizers": [] })));
    admitted(
        ci.as_user(ALICE)
            .merge(&run, &json!({ "spec": { "status": "Cancelled" } })),
    );
    let mut finished = ci.stored(&run).unwrap();
    finished["status"] = json!({ "completionTime": "2026-11-20T08:15:00Z" });
    admitted(ci.as_user(pipelines_controller()).update_status(&finished));
    check_deletion(&ci, &run);
}

#[test]
fn a_dry_run_stores_nothing_and_shows_everything() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("dry-run", Guard::Builtins);
    let copy = pipeline_run("copy", &json!({ SIGNED: "true" }));
    let answer = ci.as_user(ALICE).dry_run(&copy);
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("removed")),
        "{answer:#?}"
    );
    assert_eq!(annotation(&admitted(answer), SIGNED), None);
    assert_eq!(ci.count(&copy), 0);

    let malformed = pipeline_run("malformed", &json!({ "github.integrations.tekton.dev/sha": "main" }));
    assert_eq!(ci.as_user(ALICE).dry_run(&malformed).code, 422);
}

#[test]
fn an_update_is_judged_by_what_it_changes() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("update", Guard::Off);
    let old = pipeline_run("old-mistake", &json!({ "github.integrations.tekton.dev/sha": "main" }));
    let run = admitted(ci.as_user(ALICE).create(&old));
    ci.guard(Guard::Builtins);

    let other = json!({ "metadata": { "labels": { "app.kubernetes.io/name": "shop" } } });
    let changed = admitted(ci.as_user(ALICE).merge(&run, &other));
    assert_eq!(
        label(&changed, "app.kubernetes.io/name"),
        Some("shop"),
        "an old mistake is in nobody's way"
    );

    let worse = json!({ "metadata": { "annotations": { "github.integrations.tekton.dev/sha": "trunk" } } });
    let answer = ci.as_user(ALICE).merge(&run, &worse);
    assert_eq!(answer.code, 422, "{answer:#?}");
}

#[test]
fn an_excluded_namespace_is_left_alone() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.excluded_namespace("excluded", Guard::DownAndStrict);
    let run = admitted(
        ci.as_user(ALICE)
            .create(&pipeline_run("copy", &json!({ SIGNED: "true" }))),
    );
    assert_eq!(annotation(&ci.stored(&run).unwrap(), SIGNED), Some("true"));
}

#[test]
fn runstamps_own_namespace_is_left_alone() {
    let Some(cluster) = cluster() else { return };
    let own = cluster.own_namespace();
    own.ask_for(Guard::DownAndStrict);
    // Labels are seen in their order: once this one is in force, the one above was seen too.
    cluster.namespace("beside-runstamp", Guard::DownAndStrict);
    admitted(own.as_user(ALICE).create(&pipeline_run("in-own-namespace", &json!({}))));
}

#[test]
fn finalizers_of_another_run_do_not_come_along() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("copied-finalizers", Guard::Builtins);
    let mut copy = pipeline_run("copy", &json!({}));
    copy["metadata"]["finalizers"] = json!([FINALIZER, "ci.example.com/hold"]);
    let run = admitted(ci.as_user(ALICE).create(&copy));
    assert_eq!(finalizers(&ci.stored(&run).unwrap()), ["ci.example.com/hold"]);
}
