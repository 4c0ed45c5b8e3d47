//! Policies that select namespaces by their labels, which a watch brings.

use std::path::Path;

use hyper::Method;
use serde_json::json;

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Cluster, admitted, annotation, cluster, expect, wait_until};
use crate::support::control_plane::User;
use crate::support::control_plane::access::Answer;
use crate::support::manifests::{self, Local};
use crate::support::runstamp::{Options, RunstampServer, binary};

const STORY: &str = "namespace-labels";

const POLICY: &str = "\
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: team}
spec:
  match:
    namespaceSelector: {matchLabels: {team: web}}
  inject:
    annotations: {ci.example.com/team: web}
";

const STAMP: &str = "ci.example.com/team";

fn start(cluster: &Cluster) -> RunstampServer {
    let own = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": STORY } });
    cluster.create_object("/api/v1/namespaces", &own);
    let policies = cluster.plane().folder().join(STORY);
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("team.yaml"), POLICY).unwrap();
    let kubeconfig = cluster.plane().kubeconfig(&User::Admin).unwrap();
    let options = Options {
        name: STORY,
        arguments: &[
            "--namespace",
            STORY,
            "--webhook-configuration",
            "runstamp.dev-namespace-labels",
            "--policies",
            policies.to_str().unwrap(),
        ],
        environment: &[("KUBECONFIG", &kubeconfig)],
        ..Options::default()
    };
    let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
    let mut server = RunstampServer::launch(cluster.plane(), &program, &options).unwrap();
    let local = Local {
        suffix: "-namespace-labels",
        url: Some(server.url()),
        ca_bundle: &cluster.plane().ca_bundle(),
        namespaces: Some(json!({ "key": "tests.runstamp.dev/labels", "operator": "Exists" })),
    };
    for configuration in manifests::local_webhooks(&local).unwrap() {
        let kind = configuration["kind"].as_str().unwrap().to_lowercase();
        cluster.create_object(
            &format!("/apis/admissionregistration.k8s.io/v1/{kind}s"),
            &configuration,
        );
    }
    server.wait_until_ready().unwrap();
    server
}

fn create_namespace(cluster: &Cluster, name: &str, team: &str) {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "labels": { "tests.runstamp.dev/labels": "", "team": team } },
    });
    cluster.create_object("/api/v1/namespaces", &namespace);
}

fn try_run(cluster: &Cluster, namespace: &str) -> Answer {
    let path = format!("/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns?dryRun=All");
    let run = pipeline_run("build", &json!({}));
    let request = cluster
        .plane()
        .request(&ALICE, Method::POST, &path, "application/json", Some(&run));
    request.unwrap()
}

#[test]
fn a_policy_selects_namespaces_by_their_labels() {
    let Some(cluster) = cluster() else { return };
    let _server = start(cluster);
    create_namespace(cluster, "labels-first", "web");
    wait_until("the webhooks are called", || {
        let answer = try_run(cluster, "labels-first");
        expect(annotation(&answer.body, STAMP) == Some("web"), &answer)
    });
    // The Run comes as soon as the namespace is there: it is stamped, or not, as if the namespace had always been.
    for (number, team) in ["web", "api"].iter().cycle().take(20).enumerate() {
        let name = format!("labels-{number}");
        create_namespace(cluster, &name, team);
        let run = admitted(try_run(cluster, &name));
        let expected = (*team == "web").then_some("web");
        assert_eq!(annotation(&run, STAMP), expected, "{name} of team {team}");
    }
    let patch = json!({ "metadata": { "labels": { "team": "api" } } });
    let path = "/api/v1/namespaces/labels-first";
    let merge = "application/merge-patch+json";
    let plane = cluster.plane();
    let answer = plane.request(&User::Admin, Method::PATCH, path, merge, Some(&patch));
    admitted(answer.unwrap());
    wait_until("a namespace of another team is left alone", || {
        let answer = try_run(cluster, "labels-first");
        expect(
            answer.is_success() && annotation(&answer.body, STAMP).is_none(),
            &answer,
        )
    });
}
