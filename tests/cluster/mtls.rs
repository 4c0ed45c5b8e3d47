//! mTLS: the API server shows a certificate, by the shipped files, and whoever shows none or another is turned away.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Cluster, Namespace, admitted, annotation, wait_until};
use crate::support::control_plane::programs::say;
use crate::support::manifests;
use crate::support::runstamp::{Options, RunstampServer, binary};

/// Where the shipped files expect each other on the machine of an API server.
const PLACE: &str = "/etc/kubernetes/runstamp";

const SIGNED: &str = "chains.tekton.dev/signed";

/// How long a server may take to end on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Writes what `runstamp certs client` writes.
fn certify(folder: &Path, name: &str) {
    let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
    let arguments = ["certs", "client", "--name", name, "--dir"];
    let output = Command::new(program).args(arguments).arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Puts a shipped file into the folder, which stands for the one on the machine of an API server.
fn install(folder: &Path, file: &str) -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/mtls").join(file);
    let text = fs::read_to_string(shipped).unwrap();
    assert!(text.contains(PLACE), "{text}");
    let path = folder.join(file);
    fs::write(&path, text.replace(PLACE, folder.to_str().unwrap())).unwrap();
    path.display().to_string()
}

/// Asks for a Run while nobody is admitted: what the API server says of it.
#[track_caller]
fn refusal(ci: &Namespace<'_>, server: &RunstampServer, expected: [&str; 2]) {
    let before = handshakes(server);
    let [alert, reason] = expected;
    wait_until(&format!("the API server is turned away with {alert:?}"), || {
        let answer = ci.as_user(ALICE).create(&pipeline_run("refused", &json!({})));
        let is_told = answer.code == 500
            && answer
                .message()
                .contains("failed calling webhook \"runs.runstamp.dev\"")
            && answer.message().ends_with(alert);
        if is_told { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    // The API server may hear of it a moment before it is written down.
    let mut line = None;
    wait_until("the server counts and says it", || {
        let log = server.log();
        line = log
            .lines()
            .find(|line| line.contains("a client was turned away"))
            .map(str::to_owned);
        let is_counted = handshakes(server) > before;
        if is_counted && line.is_some() { Ok(()) } else { Err(log) }
    });
    let line = line.unwrap();
    assert!(line.contains(reason), "{line}");
    say(&line);
}

fn handshakes(server: &RunstampServer) -> u64 {
    let metrics = server.metrics().unwrap();
    let name = "runstamp_rejected_requests_total{reason=\"handshake\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

/// The API server reads its configuration when it starts, so it stays the same, and the server asks for other things.
#[test]
fn the_api_server_is_admitted_by_its_certificate_and_nobody_else() {
    let forbidden =
        TcpListener::bind(("127.1.0.1", 443)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if forbidden {
        say("SKIPPED the story of mTLS: this user may not listen on port 443");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certify(folder, "kube-apiserver");
    let other = folder.join("other");
    certify(&other, "kube-apiserver");
    install(folder, "kubeconfig.yaml");
    let configuration = format!("--admission-control-config-file={}", install(folder, "admission.yaml"));
    let crds = manifests::crds().unwrap();
    let Some(cluster) = Cluster::start_with(&crds, &[configuration]).unwrap() else {
        return;
    };
    let listen = cluster.shipped_service();
    let (address, _) = listen.split_once(':').unwrap();
    let start = |name: &str, authority: &Path, client: &str| {
        let authority = authority.join("ca.crt").display().to_string();
        let options = Options {
            name,
            listen: &listen,
            server_names: &["runstamp.runstamp.svc", address],
            arguments: &[
                "--client-ca",
                &authority,
                "--client-name",
                client,
                "--shutdown-delay",
                "0s",
            ],
            ..Options::default()
        };
        let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
        RunstampServer::start(cluster.plane(), &program, &options).unwrap()
    };

    let server = start("admits", folder, "kube-apiserver");
    let ci = cluster.namespace_guarded_at("mtls", None);
    let copy = pipeline_run("copy", &json!({ SIGNED: "true" }));
    let run = admitted(ci.as_user(ALICE).create(&copy));
    assert_eq!(annotation(&ci.stored(&run).unwrap(), SIGNED), None);

    // The kubeconfig names the Service; under another name the same server is called without a certificate.
    let anonymous = cluster.namespace_sent_to("mtls-anonymous", Some(&format!("https://{listen}")));
    refusal(
        &anonymous,
        &server,
        ["remote error: tls: certificate required", "it shows none"],
    );
    assert!(server.terminate(DEADLINE).unwrap());

    let server = start("other-authority", &other, "kube-apiserver");
    refusal(
        &ci,
        &server,
        [
            "remote error: tls: unknown certificate authority",
            "of another authority",
        ],
    );
    assert!(server.terminate(DEADLINE).unwrap());

    let server = start("other-name", folder, "somebody-else");
    refusal(
        &ci,
        &server,
        ["remote error: tls: access denied", "none of the names of --client-name"],
    );
}
