//! `runstamp manifests --engine map`: the API server resets by itself what the webhook resets.

use std::path::PathBuf;
use std::process::Command;

use hyper::Method;
use runstamp::domain::definition::SubjectDefinition;
use runstamp::policy_file::read_paths;
use serde_json::{Value, json};

use crate::cluster::casts::{chains_controller, child_of, pipeline_run, pipelines_controller, task_run};
use crate::cluster::stage::{
    ALICE, Cluster, Guard, Namespace, admitted, annotation, cluster, expect, finalizers, wait_until,
};
use crate::cluster::suites::{SUITES, read, unnamed, user_of};
use crate::cluster::{casts, rerun};
use crate::support::control_plane::User;
use crate::support::manifests;

/// The label of the namespaces in which a policy holds.
const LABEL: &str = "tests.runstamp.dev/map";

const SIGNED: &str = "chains.tekton.dev/signed";

/// Registers what is printed, for the namespaces that a story labels.
fn install(cluster: &Cluster, story: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .args(["manifests", "--engine", "map"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for mut document in manifests::parse(&String::from_utf8(output.stdout).unwrap()).unwrap() {
        let name = format!("{story}.{}", document["metadata"]["name"].as_str().unwrap());
        document["metadata"]["name"] = json!(name);
        let kind = match document["kind"].as_str().unwrap() {
            "MutatingAdmissionPolicy" => {
                let only = json!({ "key": LABEL, "operator": "In", "values": [story] });
                let selector = &mut document["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"];
                selector.as_array_mut().unwrap().push(only);
                "mutatingadmissionpolicies"
            }
            _ => {
                document["spec"]["policyName"] = json!(name);
                "mutatingadmissionpolicybindings"
            }
        };
        cluster.create_object(&format!("/apis/admissionregistration.k8s.io/v1/{kind}"), &document);
    }
}

/// From now on the policies of this story hold in the namespace, or no longer.
fn label(cluster: &Cluster, namespace: &Namespace<'_>, story: Option<&str>) {
    let patch = json!({ "metadata": { "labels": { LABEL: story } } });
    let path = format!("/api/v1/namespaces/{}", namespace.name);
    let merge = "application/merge-patch+json";
    admitted(
        cluster
            .plane()
            .request(&User::Admin, Method::PATCH, &path, merge, Some(&patch))
            .unwrap(),
    );
    let probes = [
        (User::Admin, pipeline_run("probe", &json!({ SIGNED: "true" }))),
        (pipelines_controller(), child_of("probe", &json!({ SIGNED: "true" }))),
    ];
    for (user, probe) in probes {
        wait_until("the policies are in force", || {
            // The API server finds the kinds of new CRDs for its policies a little later, and refuses until then.
            let answer = namespace.as_user(user.clone()).dry_run(&probe);
            let is_reset = annotation(&answer.body, SIGNED).is_none();
            expect(answer.is_success() && is_reset == story.is_some(), &answer)
        });
    }
}

/// What a reset touches, without what each request has anew.
fn what_matters(run: &Value) -> Value {
    let metadata = &run["metadata"];
    let mut managers = metadata["managedFields"].clone();
    for manager in managers.as_array_mut().into_iter().flatten() {
        manager["time"] = Value::Null;
    }
    json!({
        "annotations": metadata["annotations"],
        "labels": metadata["labels"],
        "finalizers": metadata["finalizers"],
        "ownerReferences": metadata["ownerReferences"],
        "managedFields": managers,
        "status": run["status"],
        "spec": run["spec"],
    })
}

/// Every Run of the built-in Suites, as each system creates it and as people repeat it, and every way to run one again.
fn runs() -> Vec<(String, User, Value)> {
    let (_, loaded) = read_paths(&[PathBuf::from(SUITES)]).unwrap();
    let mut runs = Vec::new();
    for suite in &loaded.suites {
        for case in &suite.cases {
            if let SubjectDefinition::Create(run) = &case.subject {
                let name = format!("{}, {}", suite.name.value, case.name.value);
                runs.push((name, user_of(case), unnamed(read(run))));
            }
        }
    }
    let state = json!({
        SIGNED: "true",
        "results.tekton.dev/record": "elsewhere/results/5f1c2b9e/records/5f1c2b9e",
        "results.tekton.dev/result": "elsewhere/results/5f1c2b9e",
        "results.tekton.dev/recordSummaryAnnotations": "{}",
        "chains.tekton.dev/payload-taskrun-5f1c2b9e": "e30=",
        "ci.example.com/note": "kept",
    });
    for mut old in [
        pipeline_run("old", &state),
        task_run("old", &state),
        child_of("old", &state),
    ] {
        old["metadata"]["finalizers"] = json!([
            "chains.tekton.dev/pipelinerun",
            "ci.example.com/hold",
            "results.tekton.dev/taskrun"
        ]);
        old["status"] = json!({ "completionTime": "2026-11-20T08:15:00Z" });
        for (name, again) in [
            ("kubectl", rerun::kubectl_copy(&old)),
            ("dashboard", rerun::dashboard_pipeline_run(&old)),
            ("dashboard task", rerun::dashboard_task_run(&old)),
            ("console", rerun::openshift_console(&old)),
        ] {
            let name = format!("{name} of {} {}", old["kind"], old["metadata"]["name"]);
            runs.push((name.clone(), ALICE, again.clone()));
            // With the owners of fields that the old Run had.
            let mut with_owners = again.clone();
            with_owners["metadata"]["managedFields"] = json!([{
                "manager": "tekton-chains-controller",
                "operation": "Apply",
                "apiVersion": "tekton.dev/v1",
                "time": "2026-11-20T08:15:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": { "f:metadata": { "f:annotations": { format!("f:{SIGNED}"): {} } } },
            }]);
            runs.push((format!("{name}, with managedFields"), ALICE, with_owners));
            runs.push((
                format!("{name}, by the pipelines controller"),
                pipelines_controller(),
                again,
            ));
        }
        runs.push((
            "as the pipelines controller makes it".to_owned(),
            pipelines_controller(),
            old,
        ));
    }
    for (name, broken) in [
        (
            "empty maps",
            json!({ "annotations": {}, "labels": {}, "finalizers": [], "ownerReferences": [] }),
        ),
        ("no maps", json!({})),
    ] {
        let mut run = pipeline_run("edge", &json!({}));
        run["metadata"] = broken;
        run["metadata"]["generateName"] = json!("edge-");
        runs.push((name.to_owned(), ALICE, run));
    }
    let mut cancelled = pipeline_run("cancelled", &json!({ "results.tekton.dev/result": "x" }));
    cancelled["spec"]["status"] = json!("Cancelled");
    runs.push(("cancelled".to_owned(), ALICE, cancelled));
    runs
}

#[test]
fn the_policies_reset_what_the_webhook_resets() {
    let Some(cluster) = cluster() else { return };
    install(cluster, "map-parity");
    let ci = cluster.namespace("map-parity", Guard::Off);
    let runs = runs();
    let ask = |(_, user, run): &(String, User, Value)| ci.as_user(user.clone()).dry_run(run);

    label(cluster, &ci, Some("map-parity"));
    let by_policies: Vec<_> = runs.iter().map(ask).collect();
    label(cluster, &ci, None);
    ci.guard(Guard::Builtins);
    let by_webhook: Vec<_> = runs.iter().map(ask).collect();

    let mut compared = 0;
    let mut mistakes = Vec::new();
    for (((name, _, run), policies), webhook) in runs.iter().zip(by_policies).zip(by_webhook) {
        // The webhook also validates, and recalls what Runstamp injected; no policy does.
        let is_recalled = annotation(run, "runstamp.dev/injected").is_some();
        if !policies.is_success() && webhook.is_success() {
            mistakes.push(format!("{name}: {policies:?}"));
        }
        if is_recalled || !webhook.is_success() || !policies.is_success() {
            continue;
        }
        compared += 1;
        let (policies, webhook) = (what_matters(&policies.body), what_matters(&webhook.body));
        if policies != webhook {
            mistakes.push(format!(
                "{name}:\npolicies {policies:#}\nwebhook {webhook:#}\nsent {run:#}"
            ));
        }
    }
    assert!(compared >= 80, "only {compared} Runs were compared");
    assert!(
        mistakes.is_empty(),
        "{} mistakes:\n{}",
        mistakes.len(),
        mistakes.join("\n")
    );
}

#[test]
fn after_a_reset_by_policy_chains_claims_its_finalizer_and_its_annotation() {
    let Some(cluster) = cluster() else { return };
    install(cluster, "map-ownership");
    let ci = cluster.namespace("map-ownership", Guard::Off);
    label(cluster, &ci, Some("map-ownership"));
    let mut copy = casts::task_run("copy", &json!({ SIGNED: "true", "ci.example.com/note": "kept" }));
    copy["metadata"]["finalizers"] = json!(["chains.tekton.dev/taskrun"]);
    let run = admitted(ci.as_user(ALICE).create(&copy));
    let stored = ci.stored(&run).unwrap();
    assert_eq!((annotation(&stored, SIGNED), finalizers(&stored)), (None, vec![]));
    for (manager, metadata) in [
        (
            "tekton-chains-controller%2Ffinalizers",
            json!({ "finalizers": ["chains.tekton.dev/taskrun"] }),
        ),
        ("tekton-chains-controller", json!({ "annotations": { SIGNED: "true" } })),
    ] {
        admitted(ci.as_user(chains_controller()).apply(&run, manager, &metadata));
    }
    let stored = ci.stored(&run).unwrap();
    assert_eq!(annotation(&stored, SIGNED), Some("true"));
    assert_eq!(finalizers(&stored), ["chains.tekton.dev/taskrun"]);
}

/// CEL may cost only so much: far more state than any integration writes must not turn a reset into a refusal.
#[test]
fn a_run_full_of_state_is_reset_by_policy() {
    let Some(cluster) = cluster() else { return };
    install(cluster, "map-full");
    let ci = cluster.namespace("map-full", Guard::Off);
    label(cluster, &ci, Some("map-full"));
    for key in ["chains.tekton.dev/payload-", "ci.example.com/note-"] {
        let annotations: serde_json::Map<String, Value> =
            (0..4000).map(|number| (format!("{key}{number}"), json!("x"))).collect();
        let run = admitted(ci.as_user(ALICE).dry_run(&pipeline_run("full", &json!(annotations))));
        let left = run["metadata"]["annotations"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        assert_eq!(left, if key.starts_with("chains") { 0 } else { 4000 });
    }
}
