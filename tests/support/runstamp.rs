//! A running `runstamp serve`, on free loopback ports.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::control_plane::access::{plain_get, plain_get_text};
use super::control_plane::{ControlPlane, Supervised};

/// A debug build beside compilers needs longer than the tens of milliseconds of a release build.
const START: Duration = Duration::from_secs(60);

/// How a server is started.
pub(crate) struct Options<'a> {
    /// What its files and its certificate are called.
    pub(crate) name: &'a str,
    /// The address of the admission endpoints; port 0 is any free one.
    pub(crate) listen: &'a str,
    /// The names that the certificate is for; without any the server is given none and sees to it itself.
    pub(crate) server_names: &'a [&'a str],
    /// What `serve` gets besides.
    pub(crate) arguments: &'a [&'a str],
    /// What its environment holds besides ours.
    pub(crate) environment: &'a [(&'a str, &'a Path)],
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            name: "runstamp",
            listen: "127.0.0.1:0",
            server_names: &["127.0.0.1", "localhost"],
            arguments: &[],
            environment: &[],
        }
    }
}

/// A server that runs until it is dropped.
pub(crate) struct RunstampServer {
    process: Supervised,
    admission: String,
    probes: String,
}

impl RunstampServer {
    /// Starts `program serve` and waits until it says it is ready.
    pub(crate) fn start(plane: &ControlPlane, program: &Path, options: &Options<'_>) -> anyhow::Result<Self> {
        let mut server = Self::launch(plane, program, options)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Starts `program serve` and waits until it says where it listens, which is before it is ready.
    pub(crate) fn launch(plane: &ControlPlane, program: &Path, options: &Options<'_>) -> anyhow::Result<Self> {
        let mut all: Vec<String> = ["serve", "--listen", options.listen, "--listen-plain", "127.0.0.1:0"]
            .map(str::to_owned)
            .to_vec();
        if !options.server_names.is_empty() {
            let serving = plane.serving_files(options.name, options.server_names)?;
            all.extend(["--tls-cert".to_owned(), serving.certificate.display().to_string()]);
            all.extend(["--tls-key".to_owned(), serving.key.display().to_string()]);
        }
        all.extend(options.arguments.iter().map(ToString::to_string));
        let mut process =
            Supervised::start_with(options.name, program, &all, options.environment, plane.folder(), None)?;
        let out = process.stdout_file();
        let (admission, probes) = process.wait_for("serving", START, || {
            let text = std::fs::read_to_string(&out).ok()?;
            let line = |start: &str| {
                text.split_inclusive('\n')
                    .find_map(|line| whole_line(line)?.strip_prefix(start))
            };
            Some((line("serving ")?.to_owned(), line("probes ")?.to_owned()))
        })?;
        Ok(Self {
            process,
            admission,
            probes,
        })
    }

    /// Waits until it says it is ready.
    pub(crate) fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let ready = format!("{}/readyz", self.probes);
        self.process
            .wait_for("ready", START, || (plain_get(&ready)? == 200).then_some(()))
    }

    /// `https://127.0.0.1:PORT` of the admission endpoints.
    pub(crate) fn url(&self) -> &str {
        &self.admission
    }

    /// `http://127.0.0.1:PORT` of the probes and metrics.
    pub(crate) fn probes(&self) -> &str {
        &self.probes
    }

    /// What `/readyz` says, or nothing where nobody answers.
    pub(crate) fn readiness(&self) -> Option<Value> {
        let (_, body) = plain_get_text(&format!("{}/readyz", self.probes))?;
        serde_json::from_str(&body).ok()
    }

    /// What `/metrics` says, or nothing where nobody answers.
    pub(crate) fn metrics(&self) -> Option<String> {
        plain_get_text(&format!("{}/metrics", self.probes)).map(|(_, body)| body)
    }

    /// Everything that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it as Kubernetes does, with SIGTERM; true if it ended well.
    pub(crate) fn terminate(mut self, deadline: Duration) -> anyhow::Result<bool> {
        self.process.terminate(deadline)
    }

    /// Sends SIGTERM and does not wait.
    pub(crate) fn ask_to_end(&mut self) -> anyhow::Result<()> {
        self.process.signal("TERM")
    }

    /// Waits for the end of one that was asked to; true if it ended well.
    pub(crate) fn wait_for_end(&mut self, deadline: Duration) -> anyhow::Result<bool> {
        Ok(self.process.wait_for_end(deadline)?.success())
    }

    /// Ends it as a machine that fails does, with SIGKILL.
    pub(crate) fn kill(mut self, deadline: Duration) -> anyhow::Result<()> {
        self.process.kill(deadline)
    }
}

/// A line whose end has been written: the file may be read in the middle of one.
fn whole_line(line: &str) -> Option<&str> {
    line.strip_suffix('\n')
}

/// The binary to judge: `RUNSTAMP_BINARY` where it is set, so that the stories can be told of an installed one.
pub(crate) fn binary(built: &Path) -> PathBuf {
    let named = env::var_os("RUNSTAMP_BINARY").filter(|path| !path.is_empty());
    named.map_or_else(|| built.to_owned(), PathBuf::from)
}
