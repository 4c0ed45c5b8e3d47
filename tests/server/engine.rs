//! Real decisions behind the server: what is answered, observed and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstamp::namespaces::Namespaces;
use runstamp::policy_file::PolicyText;
use runstamp::review::{Stance, answer_with};
use runstamp::server::{Config, now};
use runstamp::store::PolicyStore;
use serde_json::{Value, json};

use crate::harness::{TestServer, eventually, within};

const POLICIES: &str = "\
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: team}
spec:
  inject:
    annotations: {ci.example.com/team: web}
---
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: rehearsal}
spec:
  mode: Shadow
  inject:
    annotations: {ci.example.com/stage: test}
  require: {annotations: [ci.example.com/cost-centre]}
";

pub(crate) fn start(stance: Stance) -> TestServer {
    start_with(POLICIES, |config| config.stance = stance)
}

fn start_with(policies: &'static str, change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(|config| {
        let mut texts = runstamp::builtin::policies();
        texts.push(PolicyText {
            name: "policies.yaml".to_owned(),
            content: policies.as_bytes().to_vec(),
            builtin: false,
        });
        config.policies = Arc::new(PolicyStore::open(texts, Arc::clone(&config.metrics), now()).unwrap());
        config.answer = answer_with;
        change(config);
    })
}

fn object(annotations: &Value) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "build", "namespace": "ci", "annotations": annotations},
        "spec": {"pipelineRef": {"name": "build"}}
    })
}

/// A review by somebody who is nobody special; an UPDATE where there was something before.
pub(crate) fn review(annotations: &Value, before: Option<&Value>) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "2d6c7ab1-0000-4000-8000-000000000000",
            "kind": {"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"},
            "resource": {"group": "tekton.dev", "version": "v1", "resource": "pipelineruns"},
            "name": "build",
            "namespace": "ci",
            "operation": if before.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": object(annotations),
            "oldObject": before.map(object)
        }
    })
    .to_string()
}

pub(crate) async fn ask(server: &TestServer, path: &str, body: &str) -> Value {
    let answer = within(server.client().await.post(path, body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["response"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_counted_by_integration_and_policy() {
    let server = start(Stance::default());
    let copied = review(&json!({"chains.tekton.dev/signed": "true"}), None);
    let response = ask(&server, "/mutate", &copied).await;
    assert_eq!(response["patchType"], "JSONPatch", "{response}");
    let wrong = review(&json!({"github.integrations.tekton.dev/sha": "main"}), None);
    let response = ask(&server, "/mutate", &wrong).await;
    assert_eq!(
        (&response["allowed"], &response["status"]["code"]),
        (&json!(false), &json!(422))
    );
    let touched = review(&json!({"chains.tekton.dev/signed": "true"}), Some(&json!({})));
    let response = ask(&server, "/validate", &touched).await;
    assert_eq!(response["allowed"], true, "{response}");
    let created = review(&json!({}), None);
    let response = ask(&server, "/validate", &created).await;
    assert_eq!(response["allowed"], true, "{response}");

    for (metric, expected) in [
        ("runstamp_state_removed_total{integration=\"chains\"}", 1.0),
        // Shown before anything happened, so that a rate has a value to start from.
        ("runstamp_state_removed_total{integration=\"results\"}", 0.0),
        // Not on the refused one.
        ("runstamp_injected_total{policy=\"team\"}", 1.0),
        ("runstamp_shadow_total{policy=\"rehearsal\",outcome=\"Inject\"}", 1.0),
        ("runstamp_shadow_total{policy=\"rehearsal\",outcome=\"Violation\"}", 1.0),
        (
            "runstamp_denied_total{integration=\"github\",reason=\"FieldValueInvalid\"}",
            1.0,
        ),
        (
            "runstamp_violations_total{integration=\"github\",lineage=\"Root\",action=\"Deny\"}",
            1.0,
        ),
        (
            "runstamp_state_updates_total{integration=\"chains\",writer=\"undeclared\"}",
            1.0,
        ),
        (
            "runstamp_state_updates_total{integration=\"chains\",writer=\"declared\"}",
            0.0,
        ),
        (
            "runstamp_admission_reviews_total{webhook=\"mutate\",kind=\"PipelineRun\",operation=\"CREATE\",lineage=\"Root\",decision=\"patch\"}",
            1.0,
        ),
        (
            "runstamp_admission_reviews_total{webhook=\"mutate\",kind=\"PipelineRun\",operation=\"CREATE\",lineage=\"Root\",decision=\"deny\"}",
            1.0,
        ),
        (
            "runstamp_admission_review_duration_seconds_count{webhook=\"mutate\"}",
            2.0,
        ),
    ] {
        assert_eq!(
            server.metric(metric),
            Some(expected),
            "{metric}\n{}",
            server.metrics.render()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_observes_counts_and_changes_nothing() {
    let server = start(Stance {
        observe: true,
        mutate_only: false,
    });
    let annotations = json!({"chains.tekton.dev/signed": "true", "github.integrations.tekton.dev/sha": "main"});
    for path in ["/mutate", "/validate"] {
        let response = ask(&server, path, &review(&annotations, None)).await;
        assert_eq!(response["allowed"], true, "{path}: {response}");
        assert_eq!(response["patch"], Value::Null, "{path}: {response}");
    }
    let denied = "runstamp_denied_total{integration=\"github\",reason=\"FieldValueInvalid\"}";
    assert_eq!(server.metric(denied), Some(2.0), "{}", server.metrics.render());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_metric_is_there() {
    let server = start(Stance::default());
    for annotations in [
        json!({"chains.tekton.dev/signed": "true"}),
        json!({"github.integrations.tekton.dev/sha": "main"}),
    ] {
        ask(&server, "/mutate", &review(&annotations, None)).await;
    }
    let scrape = within(server.probe("/metrics")).await.body;
    for name in crate::http::METRICS {
        let declared = name.strip_suffix("_total").unwrap_or(name);
        assert!(
            scrape.contains(&format!("# TYPE {declared} ")),
            "{name} is missing in\n{scrape}"
        );
    }
}

/// Bodies that no API server sends: each has its answer, and the next review is judged as ever.
#[tokio::test(flavor = "multi_thread")]
async fn strange_bodies_have_the_specified_answers() {
    let server = start(Stance::default());
    let ordinary = review(&json!({}), None);
    let with_spec = |spec: &str| ordinary.replace(r#"{"pipelineRef":{"name":"build"}}"#, spec);
    let deep = with_spec(&format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000)));
    let large = with_spec(&format!(r#"{{"script":"{}"}}"#, "x".repeat(3 * 1024 * 1024)));
    let (half, _) = ordinary.split_at(ordinary.len() / 2);
    let twice_within = review(&json!({"ci.example.com/a": "1"}), None).replace(
        r#""ci.example.com/a":"1""#,
        r#""ci.example.com/a":"1","ci.example.com/a":"2""#,
    );
    let twice_outside = ordinary.replace(r#""operation":"#, r#""operation":"CREATE","operation":"#);
    let judged = |reply: &Value| (reply["allowed"].clone(), reply["status"]["code"].clone());
    for (what, body, allowed, code) in [
        ("nested 10,000 deep", &deep, true, Value::Null),
        ("three mebibytes", &large, true, Value::Null),
        // The uid can be read, so there is a review in the answer; the Run cannot be judged.
        ("an annotation twice", &twice_within, false, json!(400)),
    ] {
        let reply = ask(&server, "/mutate", body).await;
        assert_eq!(reply["uid"], "2d6c7ab1-0000-4000-8000-000000000000", "{what}");
        assert_eq!(judged(&reply), (json!(allowed), code), "{what}: {reply}");
    }
    let mut client = server.client().await;
    for body in [half, &twice_outside] {
        let answer = within(client.post("/mutate", body)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.starts_with("not an AdmissionReview: "), "{answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "{answer:?}");
    }
    let reply = ask(&server, "/mutate", &ordinary).await;
    assert_eq!(judged(&reply), (json!(true), Value::Null));
}

const SELECTIVE: &str = "\
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: team}
spec:
  match:
    namespaceSelector: {matchLabels: {team: web}}
  inject:
    annotations: {ci.example.com/team: web}
";

fn patched(answer: &Value) -> bool {
    answer["response"]["patch"].is_string()
}

async fn mutate(server: &TestServer) -> Value {
    let body = review(&json!({}), None);
    within(server.client().await.post("/mutate", &body)).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_of_a_moment_ago_is_waited_for() {
    let namespaces = Arc::new(Namespaces::default());
    let known = Arc::clone(&namespaces);
    let server = start_with(SELECTIVE, |config| config.namespaces = Some(known));
    let labels = |team: &str| Arc::new(BTreeMap::from([("team".to_owned(), team.to_owned())]));
    let mut asking = Box::pin(mutate(&server));
    // Whatever comes first: the Run, or what the watch tells. Both orders give the same.
    let early = tokio::select! {
        answer = &mut asking => Some(answer),
        () = async {
            eventually("the review is under way", async || {
                server.metric("runstamp_in_flight_reviews") == Some(1.0)
            })
            .await;
        } => None,
    };
    namespaces.insert("other".to_owned(), labels("api"));
    namespaces.insert("ci".to_owned(), labels("web"));
    let answer = match early {
        Some(answer) => answer,
        None => asking.await,
    };
    assert!(patched(&answer), "{answer}");
    namespaces.insert("ci".to_owned(), labels("api"));
    let answer = mutate(&server).await;
    assert!(!patched(&answer), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_stays_unknown_is_not_waited_for_for_ever() {
    let server = start_with(SELECTIVE, |config| config.namespaces = Some(Arc::default()));
    let answer = mutate(&server).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert!(!patched(&answer), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_nobody_has_named_is_told_of() {
    let server = start(Stance::default());
    let owned = |user: &str| {
        let mut body: Value = serde_json::from_str(&review(&json!({}), None)).unwrap();
        body["request"]["userInfo"]["username"] = json!(user);
        body["request"]["object"]["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": "build", "uid": "u", "controller": true
        }]);
        body.to_string()
    };
    let told = || server.metric("runstamp_suspected_children_total");
    let mut client = server.client().await;
    // A person's copy, and a controller that is named.
    for user in [
        "alice",
        "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller",
    ] {
        within(client.post("/mutate", &owned(user))).await;
        assert_eq!(told(), Some(0.0), "{user}");
    }
    within(client.post(
        "/mutate",
        &owned("system:serviceaccount:openshift-pipelines:tekton-pipelines-controller"),
    ))
    .await;
    assert_eq!(told(), Some(1.0));
}
