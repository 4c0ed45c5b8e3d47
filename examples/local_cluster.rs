//! A throwaway API server with Tekton's three kinds and Runstamp registered: something to try it on.
//!
//! `cargo run --release --example local-cluster -- [further arguments of runstamp serve]`
#![allow(clippy::print_stdout, reason = "this is a program that talks to a person")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};

use support::control_plane::{ControlPlane, Start, User};
use support::manifests::{self, Local};
use support::runstamp::{self, Options, RunstampServer};

#[path = "../tests/support"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support {
    pub(crate) mod control_plane;
    pub(crate) mod manifests;
    pub(crate) mod runstamp;
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> anyhow::Result<()> {
    let program = built_binary()?;
    let plane = match ControlPlane::start()? {
        Start::Running(plane) => plane,
        Start::Missing(sentence) => return Err(anyhow!(sentence)),
    };
    plane.create_crds(&manifests::crds()?)?;

    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = Options {
        arguments: &arguments,
        ..Options::default()
    };
    let server = RunstampServer::start(&plane, &runstamp::binary(&program), &options)?;
    let bundle = plane.ca_bundle();
    let local = Local {
        suffix: "",
        url: Some(server.url()),
        ca_bundle: &bundle,
        namespaces: None,
    };
    plane.create(&manifests::local_webhooks(&local)?)?;

    introduce(&plane, &server)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start tokio")?
        .block_on(tokio::signal::ctrl_c())
        .context("failed to wait for Ctrl-C")
}

/// The binary beside this example, built now: `cargo run --example` builds no binaries.
fn built_binary() -> anyhow::Result<PathBuf> {
    let example = env::current_exe().context("failed to find this program")?;
    let profile = example
        .parent()
        .and_then(Path::parent)
        .context("this program is not in a target folder")?;
    if let Some(cargo) = env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.current_dir(ROOT).args(["build", "--quiet", "--bin", "runstamp"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().context("failed to start cargo")?;
        if !status.success() {
            return Err(anyhow!("cargo build --bin runstamp failed ({status})"));
        }
    }
    Ok(profile.join("runstamp"))
}

fn introduce(plane: &ControlPlane, server: &RunstampServer) -> anyhow::Result<()> {
    println!(
        "A Kubernetes API server is running, with Runstamp registered for Tekton's Runs.

In another terminal, in {ROOT}:

  export KUBECONFIG={}
  alias kubectl={}

  kubectl create -f examples/copied-run.yaml      # created; a warning names what was another Run's
  kubectl create -f examples/malformed-run.yaml   # refused; all three mistakes at once
  kubectl create -f examples/clean-run.yaml       # created as it is
  kubectl get pipelineruns -o yaml                # what was stored
  curl {}/readyz

You are alice, of the group devs. For the administrator: export KUBECONFIG={}
Ctrl-C ends everything and leaves nothing behind.",
        plane.kubeconfig(&User::Person("alice"))?.display(),
        plane.kubectl_program().display(),
        server.probes(),
        plane.kubeconfig(&User::Admin)?.display(),
    );
    Ok(())
}
