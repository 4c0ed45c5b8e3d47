//! What the starter policies add, and whose word counts when a Run is run again.

use serde_json::{Value, json};

use crate::cluster::casts::pipeline_run;
use crate::cluster::rerun;
use crate::cluster::stage::{ALICE, Guard, admitted, annotation, cluster};

const OWNER: &str = "github.integrations.tekton.dev/owner";
const REPO: &str = "github.integrations.tekton.dev/repo";
const SHA: &str = "github.integrations.tekton.dev/sha";

const FIRST: &str = "4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6";
const SECOND: &str = "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e";

fn build_of(revision: &str) -> Value {
    let mut run = pipeline_run("build", &json!({}));
    run["spec"]["params"] = json!([
        { "name": "git-url", "value": "https://github.com/acme/shop.git" },
        { "name": "git-revision", "value": revision },
    ]);
    run
}

#[test]
fn a_run_is_told_its_commit_and_a_rerun_its_own() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("injection", Guard::Starter);
    let run = ci
        .stored(&admitted(ci.as_user(ALICE).create(&build_of(FIRST))))
        .unwrap();
    assert_eq!(annotation(&run, OWNER), Some("acme"));
    assert_eq!(annotation(&run, REPO), Some("shop"));
    assert_eq!(annotation(&run, SHA), Some(FIRST));

    let mut again = rerun::dashboard_pipeline_run(&run);
    again["spec"] = build_of(SECOND)["spec"].clone();
    let again = ci.stored(&admitted(ci.as_user(ALICE).create(&again))).unwrap();
    assert_eq!(
        annotation(&again, SHA),
        Some(SECOND),
        "the old value was derived, and is derived again"
    );
}

#[test]
fn what_the_user_wrote_stays() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("injection-by-hand", Guard::Starter);
    let mut run = build_of(FIRST);
    run["metadata"]["annotations"] = json!({ OWNER: "acme", REPO: "shop", SHA: SECOND });
    let run = ci.stored(&admitted(ci.as_user(ALICE).create(&run))).unwrap();
    assert_eq!(annotation(&run, SHA), Some(SECOND));
}

#[test]
fn a_branch_is_no_commit_and_nothing_is_half_told() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("injection-branch", Guard::Starter);
    let run = ci
        .stored(&admitted(ci.as_user(ALICE).create(&build_of("main"))))
        .unwrap();
    for key in [OWNER, REPO, SHA] {
        assert_eq!(annotation(&run, key), None);
    }
}
