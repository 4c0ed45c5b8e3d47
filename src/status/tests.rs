//! Installations in every state, and what is said of them.

use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::builtin;
use crate::cert::{self, CertificateRequest};
use crate::manifests::{Parameters, webhook_configurations};
use crate::policy_file::ConfigMaps;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

const NOW: i64 = 1_790_000_000;

fn question() -> Question {
    Question {
        namespace: "runstamp".to_owned(),
        configuration: "runstamp.dev".to_owned(),
    }
}

/// The built-in policies, compiled once.
static EXPECTED: LazyLock<Expected> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let own = builtin::policies();
    let expected = expect(&own, ConfigMaps::default(), async || Err::<_, ()>(()));
    runtime.block_on(expected).unwrap()
});

fn expected() -> Expected {
    EXPECTED.clone()
}

fn installed() -> Vec<Value> {
    webhook_configurations(&Parameters::new(&expected().settings)).unwrap()
}

fn replica(name: &str) -> Replica {
    Replica {
        name: name.to_owned(),
        renewed_at: Some(NOW - 9),
        lease_seconds: 30,
        ready_since: Some(NOW - 3000),
        policy_set: Some(expected().policy_set),
        policies_loaded_at: Some(NOW - 2000),
        policies_from: Some("Sources".to_owned()),
        certificate: Some("aa".to_owned()),
        certificate_expires_at: Some(NOW + 5000),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Replica::default()
    }
}

/// The caBundle that one authority is.
fn bundle() -> String {
    let request = CertificateRequest {
        hosts: vec!["localhost".to_owned()],
        now: u64::try_from(NOW).unwrap(),
        days: 1,
    };
    BASE64.encode(cert::generate(&request).unwrap().authority)
}

/// An installation of two replicas with nothing wrong.
fn well() -> Facts {
    let mut configurations = installed();
    let bundle = bundle();
    for configuration in &mut configurations {
        for webhook in configuration["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"]["caBundle"] = json!(bundle);
        }
    }
    let kinds = [("v1", "pipelineruns"), ("v1", "taskruns"), ("v1beta1", "customruns")];
    Facts {
        now: NOW,
        replicas: vec![replica("one"), replica("two")],
        wanted: Wanted::Replicas(2),
        configurations,
        platform: Platform {
            kubernetes: ["1".to_owned(), "36".to_owned()],
            runs: kinds
                .map(|(version, name)| (version.to_owned(), name.to_owned()))
                .into(),
            tekton: None,
        },
    }
}

fn status(facts: &Facts) -> Status {
    judge(&question(), facts, expected(), &installed())
}

/// What is said of an installation after a change: the problems, and whether the replicas converge all the same.
#[track_caller]
fn check(change: impl FnOnce(&mut Facts), converged: bool, problems: &[&str]) -> Status {
    let mut facts = well();
    change(&mut facts);
    let status = status(&facts);
    let found: Vec<&str> = status.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(found, problems);
    assert_eq!(status.convergence.converged, converged);
    assert_eq!(status.convergence.since.is_some(), converged);
    assert_eq!(status.healthy, problems.is_empty());
    status
}

#[test]
fn nothing_wrong_is_four_lines() {
    let status = check(|_| {}, true, &[]);
    let expected = format!(
        "2 of 2 replicas converged on {} since 2026-09-21T13:40:00Z\n\
         certificate aa until 2026-09-21T15:36:40Z\n\
         webhook configurations runstamp.dev as this version and these Settings install them, 1 authority\n\
         Kubernetes 1.36\n",
        expected().policy_set
    );
    assert_eq!(render(&status), expected);
}

#[test]
fn who_does_not_answer_is_missed() {
    check(|facts| facts.replicas[1].renewed_at = Some(NOW - 30), true, &[]);
    let status = check(
        |facts| facts.replicas[1].renewed_at = Some(NOW - 31),
        false,
        &["expected 2 replicas, found 1 that answers"],
    );
    assert_eq!(
        status.problems[0].places,
        ["two: last renewed its Lease at 2026-09-21T14:12:49Z"]
    );
    assert!(
        render(&status).contains("\n  two: no answer since 2026-09-21T14:12:49Z\n"),
        "{}",
        render(&status)
    );
    check(
        |facts| facts.replicas[0].renewed_at = None,
        false,
        &["expected 2 replicas, found 1 that answers"],
    );
    check(
        |facts| facts.wanted = Wanted::Replicas(1),
        false,
        &["expected 1 replica, found 2 that answer"],
    );
    check(
        |facts| facts.replicas.clear(),
        false,
        &["expected replicas that renew a Lease in the namespace runstamp, found none"],
    );
    check(
        |facts| {
            facts.wanted = Wanted::Replicas(0);
            facts
                .replicas
                .iter_mut()
                .for_each(|replica| replica.renewed_at = Some(0));
        },
        false,
        &["no replica answers"],
    );
    // A replica that was replaced is no problem.
    let status = check(
        |facts| {
            facts.replicas[1].renewed_at = Some(NOW - 100);
            facts.replicas.push(replica("three"));
        },
        true,
        &[],
    );
    assert_eq!(status.notes.len(), 1);
    for wanted in [Wanted::NoDeployment, Wanted::Forbidden] {
        let status = check(|facts| facts.wanted = wanted, true, &[]);
        assert!(status.notes[0].starts_with("how many replicas there should be is not known"));
    }
}

#[test]
fn who_serves_something_else_is_named() {
    let different = check(
        |facts| facts.replicas[1].policy_set = Some("sha256:00".to_owned()),
        false,
        &["the replicas have 2 different policy sets"],
    );
    assert_eq!(different.problems[0].places[0], "replica two: sha256:00");
    check(
        |facts| facts.replicas[0].certificate = None,
        false,
        &["the replicas have 2 different certificates"],
    );
    check(
        |facts| facts.replicas[0].version = Some("0.0.1".to_owned()),
        false,
        &["the replicas have 2 different versions"],
    );
    let other = format!(
        "the replicas serve sha256:00, the ConfigMaps and the flags of this command make {}",
        expected().policy_set
    );
    check(
        |facts| {
            for replica in &mut facts.replicas {
                replica.policy_set = Some("sha256:00".to_owned());
            }
        },
        true,
        &[&other],
    );
    let version = format!(
        "the replicas have version 9.9.9, this program has {}: what it would install is not what they need",
        env!("CARGO_PKG_VERSION")
    );
    check(
        |facts| {
            for replica in &mut facts.replicas {
                replica.version = Some("9.9.9".to_owned());
            }
        },
        true,
        &[&version],
    );
}

#[test]
fn what_replicas_say_is_repeated_once() {
    check(
        |facts| {
            for replica in &mut facts.replicas {
                replica.policies_error = Some("a mistake".to_owned());
                replica.policies_from = Some("LastGood".to_owned());
            }
        },
        false,
        &["replicas one, two: Stale: the last good policies decide, as they were kept: a mistake"],
    );
    check(
        |facts| {
            facts.replicas[0].ready_since = None;
            facts.replicas[0].missing = Some("certificate".to_owned());
            facts.replicas[0].troubles = Some("certificate: no right".to_owned());
            facts.replicas[1].is_draining = true;
        },
        false,
        &[
            "replica two: about to end",
            "replica one: not ready, missing: certificate (certificate: no right)",
        ],
    );
    check(
        |facts| facts.replicas[0].certificate_expires_at = Some(NOW),
        false,
        &["replica one: the certificate has expired"],
    );
    check(
        |facts| facts.replicas[1].troubles = Some("caBundle: wrong".to_owned()),
        false,
        &["replica two: caBundle: wrong"],
    );
    let status = check(
        |facts| {
            facts
                .replicas
                .iter_mut()
                .for_each(|replica| replica.not_kept = Some("too large".to_owned()))
        },
        true,
        &[],
    );
    assert_eq!(
        status.notes,
        ["the policies would not outlive a restart on a mistake: too large"]
    );
    // A terminal takes what others wrote as text.
    let status = check(
        |facts| facts.replicas[1].troubles = Some(format!("\u{1b}[2Jx\n{}", "y".repeat(9999))),
        false,
        &[&format!("replica two: \u{1b}[2Jx\n{}", "y".repeat(9999))],
    );
    let text = render(&status);
    assert!(text.contains("problem: replica two:  [2Jx y"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 1001));
}

#[test]
fn webhooks_that_somebody_edited_are_shown() {
    let differs = "the webhook configurations runstamp.dev are not as this version installs them";
    let status = check(
        |facts| {
            facts.configurations[0]["webhooks"][0]["failurePolicy"] = json!("Ignore");
            facts.configurations[1]["webhooks"].as_array_mut().unwrap().remove(0);
        },
        true,
        &[differs],
    );
    assert_eq!(
        status.problems[0].places,
        [
            "MutatingWebhookConfiguration, runs.runstamp.dev: failurePolicy: expected \"Fail\", found \"Ignore\"",
            "ValidatingWebhookConfiguration, runs.runstamp.dev: is not there",
        ]
    );
    let status = check(|facts| facts.configurations.truncate(1), true, &[differs]);
    assert_eq!(
        status.problems[0].places,
        ["ValidatingWebhookConfiguration: is not there"]
    );
    check(
        |facts| {
            let condition = &mut facts.configurations[0]["webhooks"][1]["matchConditions"][0];
            condition["expression"] = json!("request.userInfo.username in ['somebody']");
        },
        true,
        &[
            "the pipelines controllers in the conditions of runstamp.dev are not those of Settings: Children would meet Fail, or people would pass unanswered",
        ],
    );
}

#[test]
fn whom_the_api_server_trusts_is_judged_apart() {
    let set = |facts: &mut Facts, index: usize, bundle: Value| {
        facts.configurations[0]["webhooks"][index]["clientConfig"]["caBundle"] = bundle;
    };
    let status = check(
        |facts| set(facts, 0, Value::Null),
        true,
        &["caBundle is empty: the API server trusts no certificate there"],
    );
    assert_eq!(
        status.problems[0].places,
        ["MutatingWebhookConfiguration, runs.runstamp.dev"]
    );
    assert!(status.webhook_configurations.as_installed);
    check(
        |facts| set(facts, 0, json!(bundle())),
        true,
        &["the entries have 2 different caBundles, expected one"],
    );
    check(
        |facts| {
            for configuration in &mut facts.configurations {
                for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                    webhook["clientConfig"]["caBundle"] = json!("bm90aGluZw==");
                }
            }
        },
        true,
        &["expected certificates in caBundle, found none"],
    );
}
