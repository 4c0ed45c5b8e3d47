//! Refusals that nobody sees, on their way out of the request path.

use std::sync::Arc;

use runstamp::headless::{HeadlessRefusal, QUEUE_LENGTH, RefusalQueue};
use runstamp::review::{Stance, answer};
use runstamp::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use crate::client::Answer;
use crate::harness::{TestServer, review};

/// A server that really decides, and the end of its queue.
fn start(stance: Stance) -> (TestServer, Receiver<HeadlessRefusal>) {
    let mut receiver = None;
    let server = TestServer::start_with(|config| {
        let metrics = Arc::new(Metrics::new());
        let (queue, refusals) = RefusalQueue::new(Arc::clone(&metrics));
        receiver = Some(refusals);
        config.answer = answer;
        config.stance = stance;
        config.metrics = metrics;
        config.refusals = Some(queue);
        config.policies = builtins(&config.metrics);
    });
    (server, receiver.unwrap())
}

fn malformed(uid: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut review: Value = serde_json::from_str(&review(uid, 0)).unwrap();
    review["request"]["userInfo"]["username"] = json!("system:serviceaccount:ci:triggers");
    review["request"]["object"]["metadata"]["annotations"] = json!({ "github.integrations.tekton.dev/sha": "main" });
    change(&mut review["request"]);
    review.to_string()
}
