//! More at once than a replica takes.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::{Method, Request};
use kube::client::Body;
use serde_json::{Value, json};

use crate::installation::casts::pipeline_run;
use crate::installation::stage::{ALICE, Installation, expect, installation, wait_until};
use crate::support::control_plane::User;
use crate::support::control_plane::programs::say;

const CONFIG_MAPS: &str = "/api/v1/namespaces/runstamp/configmaps";
const JSON: &str = "application/json";

/// A policy that asks for the labels of namespaces.
const SELECTING: &str = "\
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: selecting}
spec:
  match:
    namespaceSelector: {matchLabels: {team: web}}
  inject:
    annotations: {ci.example.com/team: web}
";

/// Asks a replica about a Run in a namespace that it has not heard of: it waits half a second for the watch.
fn ask_about_nowhere(replica: &str) {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "held",
            "kind": { "group": "tekton.dev", "version": "v1", "kind": "PipelineRun" },
            "resource": { "group": "tekton.dev", "version": "v1", "resource": "pipelineruns" },
            "namespace": "nowhere",
            "operation": "CREATE",
            "userInfo": { "username": "alice" },
            "object": pipeline_run("held", &json!({})),
        },
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut config = kube::Config::new(replica.parse().unwrap());
        // The certificate is for the Service.
        config.accept_invalid_certs = true;
        config.default_retry = false;
        let client = kube::Client::try_from(config).unwrap();
        let request = Request::post("/mutate").header("content-type", JSON);
        let request = request.body(Body::from(review.to_string().into_bytes())).unwrap();
        let response = client.send(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&body));
    });
}

#[test]
fn a_run_that_meets_a_full_replica_is_asked_about_again_and_not_refused() {
    let Some(mut cluster) = installation() else { return };
    cluster.namespace("overload", json!({}));
    let send = |cluster: &Installation, method, path: &str, body: Option<&Value>| {
        let answer = cluster.plane().request(&User::Admin, method, path, JSON, body).unwrap();
        assert!(answer.is_success(), "{answer:?}");
    };
    let selecting = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "selecting", "labels": { "runstamp.dev/policies": "true" } },
        "data": { "selecting.yaml": SELECTING },
    });
    send(&cluster, Method::POST, CONFIG_MAPS, Some(&selecting));
    while !cluster.replicas().is_empty() {
        cluster.end_oldest();
    }
    cluster.wait_for_ends();
    cluster.add_replica_with(|arguments| {
        arguments.retain(|argument| !argument.starts_with("--max-in-flight"));
        arguments.push("--max-in-flight=1".to_owned());
    });
    let replica = &cluster.replicas()[0];
    let url = format!("https://{}", replica.admission());
    let turned_away = || replica.metric("runstamp_rejected_requests_total");
    let before = turned_away();
    let mut number = 0;
    let mut took = Duration::ZERO;
    wait_until("a Run has met a full replica", || {
        number += 1;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let held = scope.spawn(|| ask_about_nowhere(&url));
            wait_until("the replica is full", || {
                let in_flight = replica.metric("runstamp_in_flight_reviews");
                expect(in_flight == 1.0 || held.is_finished(), &in_flight)
            });
            let run = pipeline_run(
                &format!("crowded-{number}"),
                &json!({ "chains.tekton.dev/signed": "true" }),
            );
            let answer = cluster.create(&ALICE, "overload", &run);
            assert!(answer.is_success(), "{answer:#?}");
            let annotations = &answer.body["metadata"]["annotations"];
            assert_eq!(annotations.get("chains.tekton.dev/signed"), None, "{annotations}");
        });
        took = begun.elapsed();
        // A machine that was busy elsewhere has let the moment pass.
        expect(turned_away() > before, &number)
    });
    let turned_away = turned_away() - before;
    say(&format!(
        "a Run met a full replica: {turned_away} calls turned away, created in {took:.1?}, in attempt {number}"
    ));
    send(&cluster, Method::DELETE, &format!("{CONFIG_MAPS}/selecting"), None);
    cluster.end_oldest();
    cluster.wait_for_ends();
}
