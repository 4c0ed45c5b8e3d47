//! `/validate-policies` without a cluster: what is judged, and what is let through.

use std::sync::Arc;

use runstamp::policy_file::{ConfigMapFiles, ConfigMaps};
use runstamp::review::Stance;
use runstamp::server::{PolicyEdits, PolicySources};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{TestServer, policy};

const PATH: &str = "/validate-policies";

/// A server of the namespace `runstamp`; the ConfigMaps are known unless `None`.
fn server(maps: Option<&[(&str, &str)]>, stance: Stance) -> TestServer {
    let known = maps.map(|maps| {
        let mut all = ConfigMaps::default();
        for (name, content) in maps {
            let data = [("p.yaml".to_owned(), (*content).to_owned())].into();
            all.insert(
                *name,
                ConfigMapFiles {
                    data,
                    ..ConfigMapFiles::default()
                },
            );
        }
        Arc::new(all)
    });
    let (_, receiver) = watch::channel(known);
    let edits = PolicyEdits::new("runstamp".to_owned(), PolicySources::default(), receiver);
    TestServer::start_with(|config| {
        config.policy_edits = Some(Arc::new(edits));
        config.stance = stance;
    })
}

fn review(namespace: &str, kind: &str, content: &str) -> Value {
    let metadata = json!({ "name": "a", "labels": { "runstamp.dev/policies": "true" } });
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": { "group": "", "version": "v1", "kind": kind },
            "namespace": namespace,
            "name": "a",
            "operation": "CREATE",
            "object": { "metadata": metadata, "data": { "p.yaml": content } },
        },
    })
}

/// The verdict, and how many warnings there are.
async fn verdict(server: &TestServer, review: &Value) -> (bool, usize) {
    let answer = server.client().await.post(PATH, &review.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let warnings = body["response"]["warnings"].as_array().map_or(0, Vec::len);
    (body["response"]["allowed"].as_bool().unwrap(), warnings)
}

#[tokio::test]
async fn only_policies_of_the_own_namespace_are_judged() {
    let server = server(Some(&[]), Stance::default());
    assert_eq!(
        verdict(&server, &review("runstamp", "ConfigMap", "no: policy")).await,
        (false, 0)
    );
    assert!(verdict(&server, &review("runstamp", "ConfigMap", &policy("a"))).await.0);
    assert_eq!(
        verdict(&server, &review("other", "ConfigMap", "no: policy")).await,
        (true, 0)
    );
    assert_eq!(
        verdict(&server, &review("runstamp", "Secret", "no: policy")).await,
        (true, 0)
    );
    let mut unlabelled = review("runstamp", "ConfigMap", "no: policy");
    unlabelled["request"]["object"]["metadata"]["labels"] = Value::Null;
    assert_eq!(verdict(&server, &unlabelled).await, (true, 0));
}

#[tokio::test]
async fn before_the_first_list_nothing_is_refused_and_that_is_said() {
    let server = server(None, Stance::default());
    assert_eq!(
        verdict(&server, &review("runstamp", "ConfigMap", "no: policy")).await,
        (true, 1)
    );
}

#[tokio::test]
async fn who_only_observes_refuses_nothing() {
    let observe = Stance {
        observe: true,
        ..Stance::default()
    };
    let server = server(Some(&[]), observe);
    let (allowed, warnings) = verdict(&server, &review("runstamp", "ConfigMap", "no: policy")).await;
    assert!(allowed && warnings > 0, "{warnings} warnings");
}

#[tokio::test]
async fn what_is_no_review_is_turned_away() {
    let server = server(Some(&[]), Stance::default());
    for body in ["", "{}", "[]", "null", "{\"request\":{\"uid\":\"1\"}}"] {
        let answer = server.client().await.post(PATH, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let none = TestServer::start();
    assert_eq!(
        none.client().await.post(PATH, "{}").await.status,
        404,
        "outside of an installation"
    );
}

/// More at once than are judged at once wait for their turn.
#[tokio::test(flavor = "multi_thread")]
async fn edits_at_once_are_all_judged() {
    let content = policy("other");
    let server = Arc::new(server(Some(&[("other", &content)]), Stance::default()));
    let edits = (0..4).map(|_| {
        let server = Arc::clone(&server);
        tokio::spawn(async move { verdict(&server, &review("runstamp", "ConfigMap", "no: policy")).await })
    });
    for edit in edits.collect::<Vec<_>>() {
        assert_eq!(edit.await.unwrap(), (false, 0));
    }
}
