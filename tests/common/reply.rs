//! What the API server demands of a reply, and what clients can show of it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runstamp::domain::decision::Lineage;
use runstamp::review::{Reply, Webhook};
use serde_json::Value;

/// A reply is one that the API server accepts, whatever was asked.
pub(crate) fn assert_reply(webhook: Webhook, reply: &Reply<'_>) {
    let body: Value = serde_json::from_slice(&reply.body).expect("the reply is JSON");
    assert_eq!(body["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(body["kind"], "AdmissionReview");
    assert_eq!(fields(&body), BTreeSet::from(["apiVersion", "kind", "response"]));
    let response = &body["response"];
    assert_eq!(response["uid"], *reply.subject.uid, "the uid of the request");
    let is_allowed = response["allowed"].as_bool().expect("a verdict");
    assert_eq!(
        is_allowed,
        response.get("status").is_none(),
        "a status goes with a refusal"
    );
    assert_patch(webhook, response, is_allowed);
    if !is_allowed {
        assert_status(&response["status"]);
    }
    assert_warnings(response);
    for (key, value) in response["auditAnnotations"].as_object().expect("audit annotations") {
        let value = value.as_str().expect("a text");
        assert!(!value.is_empty() && value.len() <= 1100, "{key}: {} bytes", value.len());
    }
    if reply.decision.lineage == Some(Lineage::Child) {
        assert!(is_allowed, "a Child is never denied");
    }
}

/// One line without anything that a terminal or a code fence would act upon.
pub(crate) fn assert_one_line(text: &str) {
    assert!(!text.is_empty());
    assert!(!text.contains(char::is_control), "{text:?}");
}

fn assert_patch(webhook: Webhook, response: &Value, is_allowed: bool) {
    let Some(patch) = response.get("patch") else {
        assert!(response.get("patchType").is_none(), "a type without a patch");
        return;
    };
    assert_eq!(response["patchType"], "JSONPatch");
    assert_eq!(webhook, Webhook::Mutate, "only /mutate patches");
    assert!(is_allowed, "a refused Run is not changed");
    let patch = STANDARD.decode(patch.as_str().expect("a text")).expect("base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("RFC 6902");
    assert!(!patch.0.is_empty(), "an empty patch is none");
    for operation in &patch.0 {
        let path = operation.path().to_string();
        let is_ours = [
            "/metadata/annotations",
            "/metadata/labels",
            "/metadata/finalizers",
            "/metadata/ownerReferences",
            "/metadata/managedFields/",
            "/status",
        ];
        assert!(is_ours.iter().any(|prefix| path.starts_with(prefix)), "{path}");
    }
}

fn assert_status(status: &Value) {
    let message = status["message"].as_str().expect("a message");
    let unsafe_character = |character: char| character == '`' || (character.is_control() && character != '\n');
    assert!(!message.contains(unsafe_character), "{message:?}");
    match status["code"].as_u64() {
        Some(400) => assert_one_line(message),
        Some(422) => {
            assert_eq!(status["reason"], "Invalid");
            let causes = status["details"]["causes"].as_array().expect("causes");
            assert!(!causes.is_empty());
            for cause in causes {
                let message = cause["message"].as_str().expect("a message");
                assert_one_line(message);
                assert!(!message.contains('`'), "{message:?}");
                assert!(message.ends_with(')') && message.contains("(runstamp"), "{message:?}");
                assert!(!cause["field"].as_str().expect("a field").is_empty());
            }
        }
        code => panic!("the code {code:?}"),
    }
}

/// At most 256 characters each and 4096 together; one with a line break would vanish.
fn assert_warnings(response: &Value) {
    let mut together = 0;
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().expect("a text");
        assert_one_line(warning);
        let length = warning.chars().count();
        assert!(length <= 256, "{length} characters: {warning}");
        together += length;
    }
    assert!(together <= 4096, "{together} characters of warnings");
}

fn fields(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}
