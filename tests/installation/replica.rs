//! A replica of an installation, as a process.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::support::runstamp::RunstampServer;

/// How long a drain may take, with the delay and the grace of the server and a busy machine.
const END: Duration = Duration::from_secs(60);

/// A running replica.
pub(crate) struct Replica {
    pub(crate) name: String,
    server: RunstampServer,
}

impl Replica {
    /// The process of this name.
    pub(crate) fn new(name: String, server: RunstampServer) -> Self {
        Self { name, server }
    }

    /// Where the API server's connections go.
    pub(crate) fn admission(&self) -> SocketAddr {
        address(self.server.url())
    }

    /// Where probes go.
    pub(crate) fn probes(&self) -> SocketAddr {
        address(self.server.probes())
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        self.server.wait_until_ready().unwrap();
    }

    /// The digest of the policies that decide there; none where nobody answers.
    pub(crate) fn policy_set(&self) -> Option<String> {
        Some(self.readiness()?["policySet"].as_str()?.to_owned())
    }

    /// What `/readyz` says.
    pub(crate) fn readiness(&self) -> Option<Value> {
        self.server.readiness()
    }

    /// The sum of a metric's samples, over all its labels. It must be there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.server.metrics().unwrap_or_default();
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let rest = rest
                .strip_prefix(' ')
                .or_else(|| rest.split_once("} ").map(|(_, rest)| rest))?;
            rest.split(' ').next()?.parse::<f64>().ok()
        };
        let samples: Vec<f64> = text.lines().filter_map(value).collect();
        assert!(!samples.is_empty(), "{name} is not among the metrics:\n{text}");
        samples.into_iter().sum()
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// Sends SIGTERM and does not wait.
    pub(crate) fn ask_to_end(&mut self) {
        self.server.ask_to_end().unwrap();
    }

    /// Waits for the end of a replica that was asked to: it must have answered everybody.
    pub(crate) fn wait_for_end(self) {
        self.wait_for_end_with_log();
    }

    /// The same, and what it has logged until then.
    pub(crate) fn wait_for_end_with_log(mut self) -> String {
        let ended = self.server.wait_for_end(END).unwrap();
        let log = self.log();
        assert!(ended, "{} did not end well:\n{log}", self.name);
        log
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(self) {
        self.server.kill(END).unwrap();
    }
}

fn address(url: &str) -> SocketAddr {
    let (_, address) = url.split_once("://").unwrap();
    address.parse().unwrap()
}
