//! Finds helm, or builds it with Go, once a machine.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow};
use sha2::{Digest as _, Sha256};

use super::control_plane::programs::{cache_folder, check_go, go, say};

/// The folder of the Go module that builds it.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/helm");

const SOURCES: [&str; 3] = ["go.mod", "go.sum", "cmd/helm/main.go"];

/// helm, or why there is none.
pub(crate) enum Helm {
    Found(PathBuf),
    Missing(String),
}

/// Looks at `RUNSTAMP_HELM`, then in the cache, then builds.
pub(crate) fn find_or_build() -> anyhow::Result<Helm> {
    if let Some(named) = env::var_os("RUNSTAMP_HELM").filter(|path| !path.is_empty()) {
        return Ok(Helm::Found(named.into()));
    }
    let cache = cache_folder().join("helm");
    let program = cache.join(format!("helm-{}", digest()?));
    if program.is_file() {
        return Ok(Helm::Found(program));
    }
    if let Err(reason) = check_go() {
        return Ok(Helm::Missing(format!(
            "{reason}: the tests of the chart need Go, or RUNSTAMP_HELM with the path of helm"
        )));
    }
    build_once(&cache, &program)?;
    Ok(Helm::Found(program))
}

fn digest() -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    digest.update([env::consts::OS, env::consts::ARCH].join("\n"));
    for source in SOURCES {
        let path = Path::new(MODULE).join(source);
        digest.update(fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?);
    }
    let digest = digest.finalize();
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Builds beside the final place and renames, under a lock: test binaries run in parallel.
fn build_once(cache: &Path, program: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("failed to create {}", cache.display()))?;
    let lock_path = program.with_extension("lock");
    let lock = File::create(&lock_path).with_context(|| format!("failed to create {}", lock_path.display()))?;
    lock.lock()
        .with_context(|| format!("failed to lock {}", lock_path.display()))?;
    if program.is_file() {
        return Ok(());
    }
    say(&format!(
        "building {} (some two minutes, once a machine)",
        program.display()
    ));
    let unfinished = program.with_extension("unfinished");
    let output = go(Path::new(MODULE))
        .args([
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
        ])
        .arg(&unfinished)
        .arg("./cmd/helm")
        .stdin(Stdio::null())
        .output()
        .context("failed to start go build")?;
    if !output.status.success() {
        return Err(anyhow!(
            "go build failed ({})\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    fs::rename(&unfinished, program).with_context(|| format!("failed to put {} in place", program.display()))
}

/// Runs helm with a home of its own; what it printed, or its own words as an error.
pub(crate) fn run(helm: &Path, home: &Path, kubeconfig: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(helm)
        .args(arguments)
        .env("HOME", home)
        .env("KUBECONFIG", kubeconfig)
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output()
        .context("failed to start helm")?;
    if !output.status.success() {
        return Err(anyhow!(
            "helm {} ended with {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).context("helm prints UTF-8")
}
