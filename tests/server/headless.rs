//! Refusals that nobody sees, on their way out of the request path.

use std::sync::Arc;

use runstamp::headless::{HeadlessRefusal, QUEUE_LENGTH, RefusalQueue};
use runstamp::review::{Stance, answer_with};
use runstamp::server::now;
use runstamp::store::PolicyStore;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::harness::{TestServer, review};

/// A server that really decides, and the end of its queue.
fn start(stance: Stance) -> (TestServer, Receiver<HeadlessRefusal>) {
    let mut end = None;
    let server = TestServer::start_with(|config| {
        let texts = runstamp::builtin::policies();
        config.policies = Arc::new(PolicyStore::open(texts, Arc::clone(&config.metrics), now()).unwrap());
        config.answer = answer_with;
        config.stance = stance;
        let (queue, refusals) = RefusalQueue::new(Arc::clone(&config.metrics));
        config.refusals = Some(queue);
        end = Some(refusals);
    });
    (server, end.unwrap())
}

/// A review of a malformed Run that an EventListener's service account creates.
fn malformed(change: impl FnOnce(&mut Value)) -> String {
    let mut review: Value = serde_json::from_str(&review("build", 0)).unwrap();
    let request = &mut review["request"];
    request["userInfo"] = json!({ "username": "system:serviceaccount:ci:triggers", "uid": "7b1d" });
    request["object"]["metadata"]["labels"] = json!({ "triggers.tekton.dev/eventlistener": "github" });
    request["object"]["metadata"]["annotations"] = json!({ "github.integrations.tekton.dev/sha": "main" });
    change(request);
    review.to_string()
}

#[tokio::test]
async fn what_nobody_sees_is_queued_and_nothing_else() {
    let (server, mut refusals) = start(Stance::default());
    let mut client = server.client().await;
    let silent: [fn(&mut Value); 4] = [
        |request| request["dryRun"] = json!(true),
        |request| request["userInfo"]["username"] = json!("alice"),
        |request| request["object"]["metadata"]["annotations"] = json!({}),
        |request| {
            request["operation"] = json!("UPDATE");
            request["oldObject"] = request["object"].clone();
            request["oldObject"]["metadata"]["annotations"] = json!({});
        },
    ];
    for change in silent {
        assert_eq!(client.post("/validate", &malformed(change)).await.status, 200);
        assert!(refusals.try_recv().is_err());
    }
    let half = |request: &mut Value| {
        request["object"]["metadata"]["annotations"] = json!({ "github.integrations.tekton.dev/owner": "acme" });
    };
    for (path, review) in [
        ("/mutate", malformed(|_| {})),
        ("/validate", malformed(half)),
        ("/mutate", malformed(|request| request["object"]["metadata"] = json!(5))),
    ] {
        let answer = client.post(path, &review).await.json();
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
        let refusal = refusals.try_recv().expect("a refusal");
        assert_eq!(refusal.creator.name, "triggers");
        assert_eq!(refusal.creator.uid.as_deref(), Some("7b1d"));
    }
}

#[tokio::test]
async fn what_is_only_observed_refuses_nobody() {
    let observe = Stance {
        observe: true,
        ..Stance::default()
    };
    let (server, mut refusals) = start(observe);
    let answer = server.client().await.post("/mutate", &malformed(|_| {})).await.json();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    assert!(refusals.try_recv().is_err());
}

#[tokio::test]
async fn a_full_queue_keeps_nobody_waiting() {
    let (server, mut refusals) = start(Stance::default());
    let mut client = server.client().await;
    for _ in 0..QUEUE_LENGTH + 3 {
        let answer = client.post("/mutate", &malformed(|_| {})).await.json();
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
    }
    assert_eq!(server.metric("runstamp_events_dropped_total"), Some(3.0));
    let mut queued = 0;
    while refusals.try_recv().is_ok() {
        queued += 1;
    }
    assert_eq!(queued, QUEUE_LENGTH);
}
