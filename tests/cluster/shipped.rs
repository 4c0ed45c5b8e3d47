//! The shipped webhook configurations agree with each other and with what the stories rest on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cluster::stage::cluster;
use crate::support::control_plane::User;
use crate::support::manifests;

fn entries() -> Vec<(String, Value)> {
    let configurations = manifests::webhooks().unwrap();
    let of = |configuration: &Value| {
        let kind = configuration["kind"].as_str().unwrap().to_owned();
        let webhooks = configuration["webhooks"].as_array().unwrap().clone();
        webhooks
            .into_iter()
            .map(move |webhook| (kind.clone(), webhook))
            .collect::<Vec<_>>()
    };
    configurations.iter().flat_map(of).collect()
}

#[test]
fn the_entries_are_those_of_the_design() {
    let line = |(kind, webhook): &(String, Value)| {
        let operations = webhook["rules"][0]["operations"].as_array().unwrap().iter();
        let operations: Vec<&str> = operations.filter_map(Value::as_str).collect();
        let operations = operations.join("+");
        let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap();
        let policy = webhook["failurePolicy"].as_str().unwrap();
        let kind = kind.trim_end_matches("WebhookConfiguration");
        format!(
            "{kind} {} {operations} {path} {policy} {}s",
            webhook["name"].as_str().unwrap(),
            webhook["timeoutSeconds"]
        )
    };
    let lines: Vec<String> = entries().iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "Mutating runs.runstamp.dev CREATE /mutate Fail 3s",
            "Mutating children.runstamp.dev CREATE /mutate Ignore 1s",
            "Mutating updates.runstamp.dev UPDATE /mutate Ignore 1s",
            "Validating runs.runstamp.dev CREATE /validate Fail 3s",
            "Validating updates.runstamp.dev UPDATE /validate Ignore 1s",
            "Validating policies.runstamp.dev CREATE+UPDATE+DELETE /validate-policies Ignore 3s",
        ]
    );
}

#[test]
fn all_entries_are_about_the_same_runs_in_the_same_namespaces() {
    let mut seen = BTreeSet::new();
    for (kind, webhook) in entries() {
        if webhook["name"] == "policies.runstamp.dev" {
            continue;
        }
        let mut rules = webhook["rules"].clone();
        for rule in rules.as_array_mut().unwrap() {
            rule["operations"] = json!([]);
        }
        let same = json!([
            rules,
            webhook["namespaceSelector"],
            webhook["matchPolicy"],
            webhook["sideEffects"]
        ]);
        seen.insert(same.to_string());
        let reinvocation = webhook.get("reinvocationPolicy").and_then(Value::as_str);
        assert_eq!(
            reinvocation,
            (kind == "MutatingWebhookConfiguration").then_some("IfNeeded")
        );
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

#[test]
fn entries_of_one_name_ask_the_same_conditions() {
    for (_, webhook) in entries() {
        for (_, other) in entries() {
            if webhook["name"] == other["name"] {
                assert_eq!(webhook["matchConditions"], other["matchConditions"]);
            }
        }
    }
}

#[test]
fn the_api_server_accepts_them_as_they_are() {
    let Some(cluster) = cluster() else { return };
    let arguments = ["create", "--dry-run=server", "--validate=strict", "-f", "-"];
    let shipped = include_str!("../../manifests/base/500-webhooks.yaml");
    let answer = cluster.plane().kubectl(&User::Admin, &arguments, shipped).unwrap();
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
}

#[test]
fn runstamp_comes_before_tekton() {
    for configuration in manifests::webhooks().unwrap() {
        assert!(configuration["metadata"]["name"].as_str().unwrap() < "webhook.pipeline.tekton.dev");
    }
}
