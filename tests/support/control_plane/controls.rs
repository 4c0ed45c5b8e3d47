//! What befalls a control plane: an API server that is restarted or killed, an etcd that stops for a while.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Method;
use serde_json::Value;

use super::access::plain_post;
use super::{ControlPlane, START, Supervised, User, start_api_server};

/// How long an API server has to answer what is under way. It would wait a minute for watches, which do not end.
const GRACE: Duration = Duration::from_secs(3);

/// A program that is killed ends at once, on a busy machine a little later.
const END: Duration = Duration::from_secs(30);

/// Restarts of all control planes of this process, so that no log is written over.
static RESTARTS: AtomicUsize = AtomicUsize::new(0);

impl ControlPlane {
    /// Ends the API server as a rollout does, with SIGTERM, and kills it if it takes too long; starts it again where it
    /// was.
    pub(crate) fn restart_api_server(&self) -> anyhow::Result<()> {
        self.replace_api_server(|old| match old.terminate(GRACE) {
            Ok(_) => Ok(()),
            Err(_) => old.kill(END),
        })
    }

    /// Kills the API server and starts it again where it was.
    pub(crate) fn crash_api_server(&self) -> anyhow::Result<()> {
        self.replace_api_server(|old| old.kill(END))
    }

    fn replace_api_server(&self, end: impl FnOnce(&mut Supervised) -> anyhow::Result<()>) -> anyhow::Result<()> {
        {
            let mut api_server = self.api_server.lock().unwrap_or_else(PoisonError::into_inner);
            end(&mut api_server)?;
            let earlier = 1 + RESTARTS.fetch_add(1, Ordering::Relaxed);
            *api_server = start_api_server(&self.programs, &self.folder, &self.api_server_arguments, earlier)?;
        }
        self.wait_until_ready()
    }

    /// Waits until the API server says that it is ready.
    pub(crate) fn wait_until_ready(&self) -> anyhow::Result<()> {
        let mut api_server = self.api_server.lock().unwrap_or_else(PoisonError::into_inner);
        api_server.wait_for("ready", START, || {
            let answer = self.request(&User::Admin, Method::GET, "/readyz", "text/plain", None);
            answer.ok()?.is_success().then_some(())
        })
    }

    /// Stops etcd where it is: whoever asks it waits.
    pub(crate) fn stop_etcd(&self) -> anyhow::Result<()> {
        self.signal_etcd("STOP")
    }

    /// Lets a stopped etcd go on.
    pub(crate) fn continue_etcd(&self) -> anyhow::Result<()> {
        self.signal_etcd("CONT")
    }

    /// Forgets all older versions of everything, as the API server has etcd do every five minutes.
    pub(crate) fn compact_etcd(&self) -> anyhow::Result<()> {
        let address = self
            .api_server_arguments
            .iter()
            .find_map(|argument| argument.strip_prefix("--etcd-servers="));
        let address = address.context("the API server was given no etcd")?;
        let ask = |path: &str, body: &str| plain_post(&format!("{address}{path}"), body);
        let now: Value =
            serde_json::from_str(&ask("/v3/kv/range", r#"{"key":"AA=="}"#).context("etcd does not answer")?)?;
        let revision = now
            .pointer("/header/revision")
            .and_then(Value::as_str)
            .context("etcd tells no revision")?;
        let answer = ask(
            "/v3/kv/compaction",
            &format!(r#"{{"revision":"{revision}","physical":true}}"#),
        );
        answer.map(drop).context("etcd does not answer")
    }

    fn signal_etcd(&self, signal: &str) -> anyhow::Result<()> {
        self.etcd.lock().unwrap_or_else(PoisonError::into_inner).signal(signal)
    }
}
