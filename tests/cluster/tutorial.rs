//! docs/tutorial.md from its first command to its last, against a real API server.
//!
//! What is missing here is played: there is no kubelet that could be asked for a log, so the log is read where it is written.
//! `UPDATE_GOLDENS=1 cargo test --test cluster tutorial` writes what is printed into the document.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::stage::{ALICE, Cluster, Namespace, expect, wait_until};
use crate::console::shell;
use crate::golden::is_update;
use crate::session;
use crate::support::control_plane::User;
use crate::support::manifests;
use crate::support::runstamp::{Options, RunstampServer, binary};

const TUTORIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorial.md");
const LOGS: &str = "kubectl -n runstamp logs deployment/runstamp --all-pods";
const TEAM: &str = "team-harbour";

#[test]
fn tutorial_every_command_prints_what_it_shows() {
    let Some(cluster) = Cluster::start(&manifests::crds().unwrap()).unwrap() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
    symlink(cluster.plane().kubectl_program(), programs.path().join("kubectl")).unwrap();
    symlink(&program, programs.path().join("runstamp")).unwrap();
    let server = install(&cluster, &program);
    let _team: Namespace<'_> = cluster.namespace_guarded_by(TEAM, &server);
    let markdown = fs::read_to_string(TUTORIAL).unwrap();
    let played = session::play(&markdown, folder.path(), |command| {
        fs::write(folder.path().join("serve.log"), server.log()).unwrap();
        let before = policies_of(&server);
        let output = typed(&cluster, folder.path(), programs.path(), command);
        if command.contains("kubectl apply") {
            wait_until("the policies are live", || {
                let now = policies_of(&server);
                expect(
                    now["policies"] == "Current" && now["policySet"] != before["policySet"],
                    &(now, &output),
                )
            });
        }
        Some(output)
    });
    if is_update() {
        fs::write(TUTORIAL, played.rewritten).unwrap();
        return;
    }
    assert!(played.differences.is_empty(), "{}", played.differences.join("\n"));
}

/// A replica that follows the ConfigMaps of its own namespace.
fn install(cluster: &Cluster, program: &Path) -> RunstampServer {
    cluster.own_namespace();
    // Without one nobody would call the replica, which keeps it from being ready. No Run meets it.
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "tutorial" },
        "webhooks": [],
    });
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    cluster.create_object(path, &configuration);
    let kubeconfig = cluster.plane().kubeconfig(&User::Admin).unwrap();
    let options = Options {
        name: "tutorial",
        arguments: &[
            "--namespace",
            "runstamp",
            "--replica",
            "runstamp-1",
            "--webhook-configuration",
            "tutorial",
            "--shutdown-delay",
            "0s",
            "--log-format",
            "json",
        ],
        environment: &[("KUBECONFIG", &kubeconfig)],
        ..Options::default()
    };
    RunstampServer::start(cluster.plane(), program, &options).unwrap()
}

fn policies_of(server: &RunstampServer) -> Value {
    server.readiness().unwrap_or_default()
}

/// Both streams of a command. Alice works in the namespace of her team, an administrator in that of Runstamp.
fn typed(cluster: &Cluster, folder: &Path, programs: &Path, command: &str) -> String {
    let user = if command.contains(&format!("-n {TEAM} ")) {
        ALICE
    } else {
        User::Admin
    };
    let kubeconfig = cluster.plane().kubeconfig(&user).unwrap();
    let environment = [
        ("HOME", folder),
        ("KUBECONFIG", &kubeconfig),
        ("NO_PROXY", Path::new("*")),
    ];
    shell(&command.replace(LOGS, "cat serve.log"), folder, programs, &environment)
}
