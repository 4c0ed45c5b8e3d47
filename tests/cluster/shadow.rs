//! What policies in Shadow mode would do, told by the audit log of a real API server and by the log of the server itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, BOB, Cluster, admitted, expect, wait_until};
use crate::support::manifests;
use crate::support::runstamp::{Options, RunstampServer, binary};

const POLICIES: &str = "\
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: rehearsal}
spec:
  mode: Shadow
  match: {namespaces: [shadow]}
  inject: {annotations: {ci.example.com/stage: test}}
  require: {annotations: [ci.example.com/cost-centre]}
";

const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata}]
";

#[test]
fn both_logs_tell_what_a_shadow_policy_would_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("policies.yaml"), POLICIES).unwrap();
    fs::write(at("audit-policy.yaml"), AUDIT_POLICY).unwrap();
    let audit = [
        format!("--audit-policy-file={}", at("audit-policy.yaml")),
        format!("--audit-log-path={}", at("audit.log")),
        "--audit-log-mode=blocking".to_owned(),
    ];
    let Some(cluster) = Cluster::start_with(&manifests::crds().unwrap(), &audit).unwrap() else {
        return;
    };
    let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
    let options = Options {
        name: "shadow",
        arguments: &["--policies", &at("policies.yaml"), "--log-format", "json"],
        ..Options::default()
    };
    let server = RunstampServer::start(cluster.plane(), &program, &options).unwrap();
    let ci = cluster.namespace_guarded_by("shadow", &server);
    // What it took to see that the webhooks are in force is in the logs as well, and all of it was a dry run.
    admitted(ci.as_user(ALICE).create(&pipeline_run("one", &json!({}))));
    let complete = json!({ "ci.example.com/stage": "test", "ci.example.com/cost-centre": "7" });
    admitted(ci.as_user(BOB).create(&pipeline_run("two", &complete)));
    admitted(
        ci.as_user(BOB)
            .create(&pipeline_run("three", &json!({ "ci.example.com/cost-centre": "7" }))),
    );

    fs::write(at("serve.log"), server.log()).unwrap();
    let reports = ["serve.log", "audit.log"].map(|log| report(&program, &at(log)));
    for (report, log) in reports.iter().zip(["serve.log", "audit.log"]) {
        let counts = (
            &report["policy"],
            &report["changed"],
            &report["refused"],
            &report["warned"],
        );
        assert_eq!(
            counts,
            (&json!("rehearsal"), &json!(2), &json!(1), &json!(0)),
            "{log}: {report}"
        );
        let keys: Vec<_> = report["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| {
                (
                    key["outcome"].as_str().unwrap(),
                    key["field"].as_str().unwrap(),
                    key["count"].as_u64().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("Violation", "metadata.annotations[ci.example.com/cost-centre]", 1),
            ("Inject", "metadata.annotations[ci.example.com/stage]", 2),
        ];
        assert_eq!(keys, expected, "{log}");
    }
    // Nobody was told, and nothing was changed.
    let stored = ci.stored(&pipeline_run("one", &json!({}))).unwrap();
    assert_eq!(stored["metadata"]["annotations"], Value::Null, "{stored}");
    wait_until("the metric agrees", || {
        let metrics = server.metrics().unwrap_or_default();
        let violations = metrics
            .lines()
            .find(|line| line.starts_with("runstamp_shadow_total{policy=\"rehearsal\",outcome=\"Violation\"}"));
        expect(violations.is_some(), &metrics)
    });
}

/// What `runstamp shadow` says of the one policy.
fn report(program: &Path, log: &str) -> Value {
    let output = Command::new(program)
        .args(["shadow", "-o", "json", "-f", log])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(stdout.lines().next().unwrap()).unwrap()
}
