//! What `runstamp status` says of an installation: converged, on a mistake, edited by hand, with a replica that is gone.

use std::path::{Path, PathBuf};
use std::process::Command;

use hyper::Method;
use regex::Regex;
use serde_json::{Value, json};

use crate::cluster::stage::{ALICE, Cluster, expect, wait_until};
use crate::golden::{agrees_with_golden, is_update};
use crate::support::control_plane::User;
use crate::support::manifests;
use crate::support::runstamp::{Options, RunstampServer, binary};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What people read.
const OPERATIONS: &str = include_str!("../../docs/operations.md");

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/runstamp/leases";

/// Where Tekton Pipelines tells its version.
const TEKTON: &str = "/api/v1/namespaces/tekton-pipelines/configmaps";

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn runstamp(kubeconfig: &Path, arguments: &[&str]) -> Said {
    let output = Command::new(binary(Path::new(env!("CARGO_BIN_EXE_runstamp"))))
        .args(arguments)
        .current_dir(ROOT)
        .env("KUBECONFIG", kubeconfig)
        .envs([("NO_PROXY", "*"), ("no_proxy", "*")])
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A text without what differs from one moment to the next, and from one machine to another.
fn masked(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, mask) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"sha256:[0-9a-f]{64}", "DIGEST"),
        (r"\b[0-9a-f]{64}\b", "FINGERPRINT"),
        (r"Kubernetes \d+\.\d+", "Kubernetes VERSION"),
        (r#""kubernetes": "\d+\.\d+""#, r#""kubernetes": "VERSION""#),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, mask).into_owned();
    }
    text.replace(env!("CARGO_PKG_VERSION"), "THIS")
}

/// People read in docs/operations.md what they will see.
#[track_caller]
fn assert_documented(text: &str) {
    if is_update() {
        return eprintln!("docs/operations.md must show:\n{text}");
    }
    assert!(
        masked(OPERATIONS).contains(&masked(text)),
        "docs/operations.md shows another answer: {text}"
    );
}

/// The installation as shipped, on an API server of its own: its webhooks hold for every namespace.
struct Story {
    cluster: Cluster,
    admin: PathBuf,
}

impl Story {
    fn begin() -> Option<Self> {
        let cluster = Cluster::start(&manifests::crds().unwrap()).unwrap()?;
        let admin = cluster.plane().kubeconfig(&User::Admin).unwrap();
        let story = Self { cluster, admin };
        let tekton = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "tekton-pipelines" } });
        story.cluster.create_object("/api/v1/namespaces", &tekton);
        let info = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "pipelines-info" },
            "data": { "version": "v1.6.0" },
        });
        story.cluster.create_object(TEKTON, &info);
        story.apply();
        Some(story)
    }

    fn apply(&self) {
        let printed = runstamp(&self.admin, &["manifests"]).out;
        let applied = self
            .cluster
            .plane()
            .kubectl(&User::Admin, &["apply", "-f", "-"], &printed);
        applied.unwrap().succeeded().unwrap();
    }

    fn replica(&self, name: &str) -> RunstampServer {
        let options = Options {
            name,
            server_names: &[],
            arguments: &["--namespace", "runstamp", "--replica", name, "--shutdown-delay", "0s"],
            environment: &[("KUBECONFIG", &self.admin)],
            ..Options::default()
        };
        let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
        RunstampServer::launch(self.cluster.plane(), &program, &options).unwrap()
    }

    fn status(&self, flags: &[&str]) -> Said {
        runstamp(&self.admin, &[&["status"], flags].concat())
    }

    /// Waits until the status has this code and says this, and compares what it says with a golden.
    #[track_caller]
    fn wait_for(&self, flags: &[&str], code: i32, words: &str, golden: &str) -> String {
        let mut found = String::new();
        wait_until(&format!("status says {words:?}"), || {
            let said = self.status(flags);
            let is_met = said.code == code && said.out.contains(words);
            found.clone_from(&said.out);
            if is_met { Ok(()) } else { Err(format!("{said:?}")) }
        });
        let path = Path::new(ROOT).join("tests/cluster/installation_status").join(golden);
        assert!(agrees_with_golden(&path, &masked(&found)), "{golden}");
        found
    }

    fn patch(&self, path: &str, kind: &str, patch: &Value) {
        let answer = self
            .cluster
            .plane()
            .request(&User::Admin, Method::PATCH, path, kind, Some(patch));
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{answer:?}");
    }

    /// Changes a webhook configuration as somebody with `kubectl edit` does.
    fn edit(&self, plural: &str, patch: &Value) {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/runstamp.dev");
        self.patch(&path, "application/json-patch+json", patch);
    }

    fn lease(&self, name: &str) -> Value {
        let answer = self.cluster.admin(Method::GET, &format!("{LEASES}/{name}"), None);
        assert!(answer.is_success(), "{answer:?}");
        answer.body
    }

    /// Makes the Lease of a replica that is gone as old as it will be a minute later.
    fn age(&self, name: &str) {
        let mut lease = self.lease(name);
        let owners = lease["metadata"]["managedFields"].as_array_mut().unwrap();
        for entry in owners {
            assert_eq!(entry["manager"], "runstamp");
            let time: jiff::Timestamp = entry["time"].as_str().unwrap().parse().unwrap();
            entry["time"] = json!((time - jiff::SignedDuration::from_secs(60)).to_string());
        }
        let answer = self
            .cluster
            .admin(Method::PUT, &format!("{LEASES}/{name}"), Some(&lease));
        assert!(answer.is_success(), "{answer:?}");
    }

    fn config_map(&self, method: Method, text: &str) {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "team", "namespace": "runstamp", "labels": { "runstamp.dev/policies": "true" } },
            "data": { "team.yaml": text },
        });
        let collection = "/api/v1/namespaces/runstamp/configmaps";
        let path = match method {
            Method::POST => collection.to_owned(),
            _ => format!("{collection}/team"),
        };
        let answer = self.cluster.admin(method, &path, Some(&object));
        assert!(answer.is_success(), "{answer:?}");
    }
}

/// The moment at which the API server last saw a replica.
fn seen(lease: &Value) -> &Value {
    &lease["metadata"]["managedFields"][0]["time"]
}

const POLICY: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata:\n  name: team\nspec:\n  match:\n    namespaces: [team]\n  inject:\n    annotations:\n      ci.example.com/team: team\n";

#[test]
fn status_says_what_is_wrong_and_nothing_else() {
    let Some(story) = Story::begin() else { return };
    // Installed, and nobody runs.
    story.wait_for(&[], 1, "found none", "nobody.txt");

    let (one, two) = (story.replica("one"), story.replica("two"));
    let well = story.wait_for(&[], 0, "2 of 2 replicas converged", "well.txt");
    assert_documented(&well);
    let said = story.status(&["-o", "json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(said.code, 0);
    assert_eq!(report["replicas"][0]["policySet"], report["policies"]["policySet"]);
    let pretty = format!("{}\n", serde_json::to_string_pretty(&report).unwrap());
    let path = Path::new(ROOT).join("tests/cluster/installation_status/well.json");
    assert!(agrees_with_golden(&path, &masked(&pretty)));
    let first = story.lease("one");
    wait_until("the policies are kept", || {
        let path = "/api/v1/namespaces/runstamp/configmaps/runstamp-last-good-policies";
        let answer = story.cluster.admin(Method::GET, path, None);
        expect(answer.is_success(), &answer)
    });

    a_mistake(&story);
    edits(&story);
    tekton(&story, "v0.53.2");
    story.wait_for(&[], 1, "Tekton Pipelines", "old-tekton.txt");
    tekton(&story, "v1.6.0");

    // Other policies than the replicas have.
    let said = story.status(&["--policies", "policies/optional/openshift"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("the ConfigMaps and the flags of this command make"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("the pipelines controllers in the conditions"),
        "{}",
        said.out
    );

    // The API server's clock says that a replica lives, also while it has nothing new to say.
    wait_until("the Lease of a replica is renewed", || {
        let current = story.lease("one");
        let is_met = seen(&current) != seen(&first) && current["spec"]["renewTime"] != first["spec"]["renewTime"];
        if is_met { Ok(()) } else { Err(current.to_string()) }
    });

    two.kill(std::time::Duration::from_secs(30)).unwrap();
    story.age("two");
    let short = story.wait_for(&[], 1, "1 of 2", "gone.txt");
    assert_documented(&short);
    let deployment = "/apis/apps/v1/namespaces/runstamp/deployments/runstamp";
    story.patch(
        deployment,
        "application/merge-patch+json",
        &json!({ "spec": { "replicas": 1 } }),
    );
    story.wait_for(&[], 0, "1 of 1", "scaled.txt");

    unanswered(&story);
    drop(one);
}

/// Makes the Tekton of the story another one.
fn tekton(story: &Story, version: &str) {
    let patch = json!({ "data": { "version": version } });
    story.patch(
        &format!("{TEKTON}/pipelines-info"),
        "application/merge-patch+json",
        &patch,
    );
}

/// A ConfigMap that nobody judged holds a mistake.
fn a_mistake(story: &Story) {
    story.config_map(Method::POST, &POLICY.replace("  match:", "  mtach:"));
    story.wait_for(&[], 1, "replicas one, two: Stale", "mistake.txt");
    story.config_map(Method::PUT, POLICY);
    story.wait_for(&[], 0, "2 of 2", "well.txt");
}

/// Somebody edits the webhook configurations.
fn edits(story: &Story) {
    let (mutating, validating) = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations");
    let webhook = "/webhooks/0";
    let replace =
        |field: &str, value: Value| json!({ "op": "replace", "path": format!("{webhook}/{field}"), "value": value });
    story.edit(
        mutating,
        &json!([
            replace("failurePolicy", json!("Ignore")),
            replace(
                "matchConditions/0/expression",
                json!("!(request.userInfo.username in ['system:serviceaccount:ci:controller'])"),
            ),
            replace("objectSelector", json!({ "matchLabels": { "team": "web" } })),
            replace("clientConfig/caBundle", Value::Null),
        ]),
    );
    story.edit(validating, &json!([{ "op": "remove", "path": "/webhooks/1" }]));
    // The replicas heal what they publish.
    wait_until("caBundle is there again", || {
        let said = story.status(&[]);
        let is_met = said.code == 1 && !said.out.contains("caBundle");
        if is_met { Ok(()) } else { Err(said.out) }
    });
    let edited = story.wait_for(&[], 1, "not as this version installs them", "edited.txt");
    assert_documented(&edited);
    // What is wanted is no difference.
    let wanted = story.status(&["--failure-policy", "Ignore"]).out;
    assert!(
        !wanted.contains("MutatingWebhookConfiguration, runs.runstamp.dev: failurePolicy"),
        "{wanted}"
    );
    assert!(
        wanted.contains(
            "ValidatingWebhookConfiguration, runs.runstamp.dev: failurePolicy: expected \"Ignore\", found \"Fail\""
        ),
        "{wanted}"
    );

    // What it says to do helps.
    story.apply();
    let said = story.status(&[]);
    assert!(
        said.out.contains("objectSelector.matchLabels: expected nothing"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("failurePolicy"), "{}", said.out);
    assert!(!said.out.contains("matchConditions"), "{}", said.out);
    story.edit(mutating, &json!([replace("objectSelector", json!({}))]));
    story.wait_for(&[], 0, "2 of 2", "well.txt");
}

/// Nobody may ask, or nobody is there to answer.
fn unanswered(story: &Story) {
    let plane = story.cluster.plane();
    let alice = plane.kubeconfig(&ALICE).unwrap();
    let said = runstamp(&alice, &["status"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    let path = Path::new(ROOT).join("tests/cluster/installation_status/no-rights.txt");
    assert!(agrees_with_golden(&path, &said.err));

    // With the rights that the documentation names, and no other, she is told everything.
    let (_, rest) = OPERATIONS
        .split_once("# Who may ask for the status")
        .expect("the rights");
    let (rights, _) = rest.split_once("```").unwrap();
    let rights = rights.replace("name: platform", "name: devs");
    let granted = plane.kubectl(&User::Admin, &["apply", "-f", "-"], &rights).unwrap();
    granted.succeeded().unwrap();
    wait_until("alice may ask", || {
        let said = runstamp(&alice, &["status"]);
        let is_met = said.code == 0 && said.out.contains("1 of 1 replicas converged");
        if is_met { Ok(()) } else { Err(format!("{said:?}")) }
    });

    let text = std::fs::read_to_string(&alice).unwrap();
    let nowhere = plane.folder().join("nowhere.kubeconfig");
    let address = Regex::new(r"https://127\.0\.0\.1:\d+").unwrap();
    std::fs::write(&nowhere, address.replace(&text, "https://127.0.0.1:1").as_ref()).unwrap();
    let said = runstamp(&nowhere, &["status"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(
        said.err
            .starts_with("error: failed to ask the API server for its version: "),
        "{said:?}"
    );
}
