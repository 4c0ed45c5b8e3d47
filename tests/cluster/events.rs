//! Refusals that nobody sees: a trigger's Run is refused, and something that exists says so.

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Cluster, Guard, Namespace, cluster, expect, wait_until};
use crate::support::control_plane::User;
use crate::support::control_plane::programs::say;
use crate::support::runstamp::{Options, RunstampServer, binary};

/// How long a server may take to end on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const LISTENER: &str = "triggers.tekton.dev/eventlistener";

fn triggers(namespace: &str) -> User {
    User::service_account(namespace, "triggers")
}

/// A replica that acts as a service account of its own, which has these rights in the whole cluster.
fn start_replica(cluster: &Cluster, name: &str, rules: &Value) -> RunstampServer {
    let own = cluster.own_namespace();
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
    cluster.create_object("/api/v1/namespaces/runstamp/serviceaccounts", &account);
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": name },
        "rules": rules,
    });
    cluster.create_object(&format!("{rbac}/clusterroles"), &role);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "namespace": own.name, "name": name }],
    });
    cluster.create_object(&format!("{rbac}/clusterrolebindings"), &binding);
    let kubeconfig = cluster.plane().access().token_kubeconfig(&own.name, name).unwrap();
    let options = Options {
        name,
        arguments: &["--namespace", "runstamp", "--replica", name, "--shutdown-delay", "0s"],
        environment: &[("KUBECONFIG", &kubeconfig)],
        ..Options::default()
    };
    let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
    // It has no right to more than Events, so it is never ready; requests that come all the same are answered.
    RunstampServer::launch(cluster.plane(), &program, &options).unwrap()
}

/// What writing Events needs.
fn rights() -> Value {
    json!([
        { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] },
        { "apiGroups": ["triggers.tekton.dev"], "resources": ["eventlisteners"], "verbs": ["get"] },
        { "apiGroups": ["pipelinesascode.tekton.dev"], "resources": ["repositories"], "verbs": ["get"] },
    ])
}

/// A Run as an EventListener creates it, with a branch where a commit belongs.
fn malformed(name: &str, labels: &Value) -> Value {
    let mut run = pipeline_run(name, &json!({ "github.integrations.tekton.dev/sha": "main" }));
    run["metadata"]["labels"] = labels.clone();
    run
}

/// The Events about refusals in a namespace.
fn events(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    let answer = cluster.admin(Method::GET, &path, None);
    let items = answer.body["items"].as_array().expect("a list").iter();
    items.filter(|event| event["reason"] == "RunRefused").cloned().collect()
}

/// Waits until a namespace has one Event of which this holds.
fn event_where(cluster: &Cluster, namespace: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    wait_until(what, || {
        let all = events(cluster, namespace);
        match all.as_slice() {
            [event] if condition(event) => {
                found = event.clone();
                Ok(())
            }
            _ => Err(format!("{all:#?}")),
        }
    });
    found
}

#[track_caller]
fn refused(ci: &Namespace<'_>, user: User, run: &Value) {
    let answer = ci.as_user(user).create(run);
    assert_eq!(answer.code, 422, "{answer:#?}");
}

/// A kind of object that a Run may name, as far as the story needs it: where its objects of a namespace are.
fn install_kind(cluster: &Cluster, group: &str, version: &str, kind: &str, plural: &str) -> impl Fn(&str) -> String {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind },
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": open },
            }],
        },
    });
    cluster.create_object("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd);
    wait_until(&format!("{plural} are served"), || {
        let answer = cluster.admin(Method::GET, &format!("/apis/{group}/{version}/{plural}"), None);
        expect(answer.is_success(), &answer)
    });
    move |namespace| format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
}

#[test]
fn a_refusal_that_nobody_sees_becomes_one_event_that_counts() {
    let Some(cluster) = cluster() else { return };
    let path = install_kind(
        cluster,
        "triggers.tekton.dev",
        "v1beta1",
        "EventListener",
        "eventlisteners",
    );
    let server = start_replica(cluster, "headless-a", &rights());
    let ci = cluster.namespace_guarded_by("headless", &server);
    let listener = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1",
        "kind": "EventListener",
        "metadata": { "name": "github" },
    });
    let listener = cluster.create_object(&path("headless"), &listener);

    let labels = json!({ LISTENER: "github" });
    refused(&ci, ALICE, &malformed("of-a-person", &labels));
    let dry = ci.as_user(triggers("headless")).dry_run(&malformed("dry", &labels));
    assert_eq!(dry.code, 422, "{dry:#?}");
    // Names differ from Run to Run, as those of a TriggerTemplate do.
    for number in 0..4 {
        refused(
            &ci,
            triggers("headless"),
            &malformed(&format!("build-{number}"), &labels),
        );
    }

    let event = event_where(cluster, "headless", "one Event counts four refusals", |event| {
        event["series"]["count"] == 4
    });
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["action"], "CreateRun");
    assert_eq!(event["reportingController"], "runstamp.dev/runstamp");
    assert_eq!(event["reportingInstance"], "headless-a");
    let regarding = json!({
        "apiVersion": "triggers.tekton.dev/v1beta1",
        "kind": "EventListener",
        "namespace": "headless",
        "name": "github",
        "uid": listener["metadata"]["uid"],
    });
    assert_eq!(event["regarding"], regarding);
    let creator = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "namespace": "headless", "name": "triggers" });
    assert_eq!(event["related"], creator);
    let note = event["note"].as_str().unwrap();
    let start = "Refused PipelineRun \"build-0\" in namespace headless, \
                 created by system:serviceaccount:headless:triggers: \
                 metadata.annotations[github.integrations.tekton.dev/sha]: expected 40 or 64 hex digits, found \"main\"";
    assert!(note.starts_with(start), "{note}");

    let admin = ci.as_user(User::Admin);
    let shown = admin.kubectl(&["get", "events"], "").stdout;
    assert!(
        shown.contains("eventlistener/github") && shown.contains("RunRefused"),
        "{shown}"
    );
    let described = admin.kubectl(&["describe", "eventlistener", "github"], "").stdout;
    assert!(described.contains("Refused PipelineRun \"build-0\""), "{described}");
    say(&format!(
        "kubectl get events\n{shown}\nkubectl describe eventlistener github\n{described}"
    ));

    // What waits is written before the end: the next repetition would be due seconds later.
    refused(&ci, triggers("headless"), &malformed("last", &labels));
    assert!(server.terminate(DEADLINE).unwrap());
    let all = events(cluster, "headless");
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(all[0]["series"]["count"], 5, "{all:#?}");
}

#[test]
fn what_a_run_names_and_does_not_exist_gives_way_to_its_creator() {
    let Some(cluster) = cluster() else { return };
    let server = start_replica(cluster, "headless-b", &rights());
    let ci = cluster.namespace_guarded_by("headless-runs", &server);
    let creators = cluster.namespace("headless-creator", Guard::Off);
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "triggers" } });
    let account = cluster.create_object("/api/v1/namespaces/headless-creator/serviceaccounts", &account);

    let labels = json!({ LISTENER: "nowhere", "pipelinesascode.tekton.dev/repository": "nowhere" });
    let kubeconfig = cluster
        .plane()
        .access()
        .token_kubeconfig("headless-creator", "triggers")
        .unwrap();
    let arguments = ["--kubeconfig", kubeconfig.to_str().unwrap(), "create", "-f", "-"];
    let run = malformed("build", &labels).to_string();
    let answer = ci.as_user(User::Admin).kubectl(&arguments, &run);
    assert!(
        answer.stderr.contains("The PipelineRun \"build\" is invalid"),
        "{answer:?}"
    );
    let event = event_where(
        cluster,
        "headless-creator",
        "the creator's namespace has an Event",
        |_| true,
    );
    let regarding = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "namespace": "headless-creator",
        "name": "triggers",
        "uid": account["metadata"]["uid"],
    });
    assert_eq!(event["regarding"], regarding);
    assert_eq!(event["related"], Value::Null);
    assert!(
        event["note"].as_str().unwrap().contains("in namespace headless-runs"),
        "{event}"
    );
    assert_eq!(events(cluster, "headless-runs"), [Value::Null; 0]);
    let described = creators
        .as_user(User::Admin)
        .kubectl(&["describe", "serviceaccount", "triggers"], "");
    assert!(
        described.stdout.contains("Refused PipelineRun \"build\""),
        "{described:?}"
    );
}

/// A replica that may not write Events refuses Runs all the same, and counts what it could not tell.
#[test]
fn without_the_right_to_write_events_requests_are_unaffected() {
    let Some(cluster) = cluster() else { return };
    let server = start_replica(cluster, "headless-c", &json!([]));
    let ci = cluster.namespace_guarded_by("headless-forbidden", &server);
    for number in 0..5 {
        let run = malformed(&format!("build-{number}"), &json!({ LISTENER: "github" }));
        refused(&ci, triggers("headless-forbidden"), &run);
    }
    wait_until("what could not be told is counted", || {
        let metrics = server.metrics().unwrap_or_default();
        let is_counted = metrics.contains("\nrunstamp_events_dropped_total 5\n");
        if is_counted { Ok(()) } else { Err(metrics) }
    });
    assert_eq!(events(cluster, "headless-forbidden"), [Value::Null; 0]);
    let log = server.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("failed to write an Event"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        lines[0].contains("cannot create resource") && lines[0].contains("events.k8s.io"),
        "{log}"
    );
    say(lines[0]);
}
