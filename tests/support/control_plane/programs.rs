//! Finds kube-apiserver, etcd and kubectl, or builds them with Go, once a machine.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow};
use sha2::{Digest as _, Sha256};

/// The folder of the Go module that builds the three.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/controlplane");

/// The files of that module that decide what comes out.
const SOURCES: [&str; 5] = [
    "go.mod",
    "go.sum",
    "cmd/etcd/main.go",
    "cmd/kube-apiserver/main.go",
    "cmd/kubectl/main.go",
];

/// Without a version, kubectl cannot parse the server's, and clients refuse it.
const LINK_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37";

/// The oldest Go that the Kubernetes modules accept.
const OLDEST_GO: (u32, u32) = (1, 26);

/// Where the three programs are.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) etcd: PathBuf,
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) kubectl: PathBuf,
}

/// What a look at this machine gives.
pub(crate) enum Found {
    /// They are there.
    Programs(Programs),
    /// They are not and cannot be built; the sentence says what to install.
    Missing(String),
}

/// Looks in `KUBEBUILDER_ASSETS`, then in the cache, then builds.
pub(crate) fn find_or_build() -> anyhow::Result<Found> {
    if let Some(assets) = env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        return in_folder(Path::new(&assets))
            .map(Found::Programs)
            .context("KUBEBUILDER_ASSETS must name a folder with etcd, kube-apiserver and kubectl");
    }
    let cache = cache_folder().join("controlplane");
    let folder = cache.join(digest()?);
    if let Ok(programs) = in_folder(&folder) {
        return Ok(Found::Programs(programs));
    }
    if let Err(reason) = check_go() {
        return Ok(Found::Missing(format!(
            "{reason}: the cluster tests need Go {}.{} or newer, \
             or KUBEBUILDER_ASSETS with the name of a folder that holds etcd, kube-apiserver and kubectl",
            OLDEST_GO.0, OLDEST_GO.1
        )));
    }
    build_once(&cache, &folder)?;
    in_folder(&folder).map(Found::Programs)
}

fn in_folder(folder: &Path) -> anyhow::Result<Programs> {
    let program = |name: &str| {
        let path = folder.join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(anyhow!("{} is not there", path.display()))
        }
    };
    Ok(Programs {
        etcd: program("etcd")?,
        kube_apiserver: program("kube-apiserver")?,
        kubectl: program("kubectl")?,
    })
}

/// A folder of the user, so that a fresh clone on the same machine builds nothing.
pub(crate) fn cache_folder() -> PathBuf {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("RUNSTAMP_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("runstamp")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/runstamp")))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/runstamp-cache"))
}

fn digest() -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    digest.update([env::consts::OS, env::consts::ARCH, LINK_FLAGS].join("\n"));
    for source in SOURCES {
        let path = Path::new(MODULE).join(source);
        digest.update(fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?);
    }
    Ok(digest
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

pub(crate) fn check_go() -> Result<(), String> {
    let output = go(Path::new(MODULE))
        .arg("version")
        .output()
        .map_err(|error| format!("go does not start ({error})"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text
        .split_whitespace()
        .nth(2)
        .and_then(|word| word.strip_prefix("go"))
        .unwrap_or_default();
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or_default());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if found < OLDEST_GO {
        Err(format!("Go is too old (found {version})"))
    } else {
        Ok(())
    }
}

/// Go as installed: no download of another toolchain, no flags from the user's environment.
pub(crate) fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    command
}

/// Builds into a folder beside the final one and renames it, under a lock: test binaries run in parallel.
fn build_once(cache: &Path, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(cache).with_context(|| format!("failed to create {}", cache.display()))?;
    let lock_path = folder.with_extension("lock");
    let lock = File::create(&lock_path).with_context(|| format!("failed to create {}", lock_path.display()))?;
    lock.lock()
        .with_context(|| format!("failed to lock {}", lock_path.display()))?;
    if in_folder(folder).is_ok() {
        return Ok(());
    }
    say(&format!(
        "building kube-apiserver, etcd and kubectl into {} (some five minutes, once a machine)",
        folder.display()
    ));
    let unfinished = folder.with_extension("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).with_context(|| format!("failed to create {}", unfinished.display()))?;
    let mut output_folder = OsString::from(&unfinished);
    output_folder.push("/");
    let output = go(Path::new(MODULE))
        .args([
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            LINK_FLAGS,
            "-o",
        ])
        .arg(output_folder)
        .arg("./cmd/...")
        .output()
        .context("failed to start go build")?;
    if !output.status.success() {
        return Err(anyhow!(
            "go build failed ({})\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let _ = fs::remove_dir_all(folder);
    fs::rename(&unfinished, folder).with_context(|| format!("failed to put {} in place", folder.display()))
}

/// Speaks past the test harness, which hides what a passing test prints.
pub(crate) fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "runstamp cluster tests: {sentence}");
}
