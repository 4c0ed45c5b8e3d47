//! What is suggested for a key that nobody declares: the key that was meant, and nothing for keys of other systems.
#![cfg(test)]

mod common;

use std::fs;

use runstamp::domain::key_facts::{Answer, look_up};
use runstamp::domain::request::Options;
use runstamp::review::{Webhook, decide};
use serde_json::json;

use common::starter_set;

fn lines(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_misspelt_key_is_told_with_the_one_that_was_meant() {
    let set = starter_set();
    let cases = lines("tests/keys/misspelt-keys.txt");
    assert!(cases.len() >= 15);
    for case in cases {
        let (misspelt, meant) = case.split_once(' ').unwrap();
        let Answer::Unknown(unknown) = look_up(misspelt, &set) else {
            panic!("{misspelt} is declared")
        };
        assert_eq!(unknown.suggestion.as_deref(), Some(meant), "{misspelt}");
    }
}

#[test]
fn a_key_of_another_system_is_no_misspelling_and_no_matter() {
    let set = starter_set();
    let keys = lines("tests/keys/unrelated-keys.txt");
    assert!(keys.len() >= 25);
    for key in keys {
        let Answer::Unknown(unknown) = look_up(&key, &set) else {
            panic!("{key} is declared")
        };
        assert_eq!(unknown.suggestion, None, "{key}");
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "u", "kind": {"group": "tekton.dev", "version": "v1", "kind": "PipelineRun"},
                "namespace": "ci", "operation": "CREATE", "userInfo": {"username": "alice"},
                "object": {"metadata": {"name": "a", "annotations": {&key: "x"}, "labels": {&key: "x"}}, "spec": {}},
            },
        });
        for webhook in [Webhook::Mutate, Webhook::Validate] {
            let body = serde_json::to_vec(&review).unwrap();
            let (_, decision) = decide(webhook, &body, &set, Options::default()).unwrap();
            assert!(
                decision.is_allowed() && decision.patch.is_empty() && decision.notices.is_empty(),
                "{key}"
            );
            assert!(decision.violations.is_empty(), "{key}: {:?}", decision.violations);
        }
    }
}
