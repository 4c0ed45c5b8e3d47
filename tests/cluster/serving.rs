//! The server that the API server talks to: how it is reached, and how it ends.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Guard, admitted, annotation, cluster};
use crate::support::control_plane::programs::say;
use crate::support::runstamp::{Options, RunstampServer, binary};

#[test]
fn the_shipped_service_leads_to_the_server() {
    let Some(cluster) = cluster() else { return };
    let forbidden =
        TcpListener::bind(("127.1.0.1", 443)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if forbidden {
        say("SKIPPED the story of the shipped Service: this user may not listen on port 443");
        return;
    }
    let ci = cluster.namespace("service", Guard::Service);
    let run = admitted(
        ci.as_user(ALICE)
            .create(&pipeline_run("copy", &json!({ "chains.tekton.dev/signed": "true" }))),
    );
    assert_eq!(annotation(&ci.stored(&run).unwrap(), "chains.tekton.dev/signed"), None);
}

#[test]
fn the_server_ends_well_when_it_is_asked_to() {
    let Some(cluster) = cluster() else { return };
    let options = Options {
        name: "ends-well",
        arguments: &["--shutdown-delay", "0s"],
        ..Options::default()
    };
    let program = binary(Path::new(env!("CARGO_BIN_EXE_runstamp")));
    let server = RunstampServer::start(cluster.plane(), &program, &options).unwrap();
    assert!(server.terminate(Duration::from_secs(30)).unwrap());
}
