//! A server as a process of its own, on a core of its own, and what the kernel says of it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::load::runstamp_program;

/// Where servers run; the load has [`LOAD_CORE`].
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// Keeps this process, which makes the load, away from the core of the servers.
pub(crate) fn pin_the_load() -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["--all-tasks", "--pid", "--cpu-list", LOAD_CORE, &own])
        .stdout(Stdio::null())
        .status()
        .context("expected taskset (package util-linux) and two cores")?;
    status
        .success()
        .then_some(())
        .context("expected a second core for the load")
}

/// A process that is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Of the webhooks.
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// The echo: this very program, with the argument that makes it one.
    pub(crate) fn echo(folder: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find this program")?;
        let arguments = [
            "echo".to_owned(),
            folder.join("tls.crt").display().to_string(),
            folder.join("tls.key").display().to_string(),
        ];
        Self::start(&program, &arguments, 1, &folder.join("echo.log"))
    }

    /// `runstamp serve`, as built beside this program, with the policies of a folder besides the built-in ones.
    pub(crate) fn runstamp(folder: &Path, policies: Option<&Path>, more: &[&str]) -> anyhow::Result<Self> {
        let mut arguments: Vec<String> = ["serve", "--listen", "127.0.0.1:0", "--listen-plain", "127.0.0.1:0"]
            .map(str::to_owned)
            .to_vec();
        for (flag, file) in [("--tls-cert", "tls.crt"), ("--tls-key", "tls.key")] {
            arguments.extend([flag.to_owned(), folder.join(file).display().to_string()]);
        }
        if let Some(policies) = policies {
            arguments.extend(["--policies".to_owned(), policies.display().to_string()]);
        }
        arguments.extend(more.iter().map(ToString::to_string));
        Self::start(&runstamp_program(), &arguments, 2, &folder.join("runstamp.log"))
    }

    /// Waits until it has printed so many addresses.
    fn start(program: &Path, arguments: &[String], addresses: usize, log: &Path) -> anyhow::Result<Self> {
        let errors = File::create(log).with_context(|| format!("failed to create {}", log.display()))?;
        // Killed with this process, however that ends.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "--cpu-list", SERVER_CORE])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("expected setpriv and taskset (package util-linux)")?;
        let stdout = child.stdout.take().context("the server has no stdout")?;
        let mut printed = Vec::new();
        for line in BufReader::new(stdout).lines().take(addresses) {
            let line = line.context("failed to read from the server")?;
            let (_, address) = line.split_once("://").with_context(|| format!("no address: {line}"))?;
            printed.push(address.parse().with_context(|| format!("no address: {line}"))?);
        }
        let Some(address) = printed.first().copied() else {
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(anyhow!("{} did not start: {said}", program.display()));
        };
        Ok(Self {
            child,
            address,
            log: log.to_owned(),
        })
    }

    /// Everything that it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Processor time of all its threads that live. Threads that judge large reviews may end, and their time with them.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut total = Duration::ZERO;
        for task in fs::read_dir(&tasks).with_context(|| format!("failed to read {tasks}"))? {
            if let Ok(statistics) = fs::read_to_string(task?.path().join("schedstat")) {
                total += on_cpu(&statistics)?;
            }
        }
        Ok(total)
    }

    /// Memory that is resident now, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory that was ever resident, in bytes.
    pub(crate) fn most_resident(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let kibibytes = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("{field} is not in {path}"))?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of this thread. It may be late by a tick of the kernel, some milliseconds.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    on_cpu(&fs::read_to_string("/proc/thread-self/schedstat").context("failed to read schedstat")?)
}

fn on_cpu(statistics: &str) -> anyhow::Result<Duration> {
    let nanoseconds = statistics.split(' ').next().unwrap_or_default();
    let nanoseconds = nanoseconds.parse().context("expected nanoseconds in schedstat")?;
    Ok(Duration::from_nanos(nanoseconds))
}
