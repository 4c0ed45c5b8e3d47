//! What every row needs: a certificate, policies in folders, requests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::load::runstamp_program;
use crate::process::Server;
use crate::traffic::{Connections, runtime};
use crate::{client, load};

/// Connections of the rows that keep them open.
pub(crate) const CONNECTIONS: usize = 16;

/// A folder with everything, and the one thread that makes the load.
pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) connector: TlsConnector,
    pub(crate) runtime: Runtime,
}

impl Stage {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("failed to create a folder")?;
        let made = Command::new(runstamp_program())
            .args(["certs", "generate", "--dir"])
            .arg(folder.path())
            .output()
            .context("failed to start runstamp")?;
        anyhow::ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(Self {
            connector: client::connector(folder.path())?,
            folder,
            runtime: runtime()?,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A folder with so many policies of teams, of which those of `benches/load.rs` are for the Run of [`review`].
    pub(crate) fn policies(&self, count: usize) -> anyhow::Result<PathBuf> {
        let folder = self.folder().join(format!("policies-{count}"));
        fs::create_dir_all(&folder).context("failed to create a folder of policies")?;
        for text in load::texts_with_teams(count).into_iter().filter(|text| !text.builtin) {
            fs::write(folder.join(text.name), text.content).context("failed to write a policy")?;
        }
        Ok(folder)
    }

    /// The echo.
    pub(crate) fn echo(&self) -> anyhow::Result<Server> {
        Server::echo(self.folder())
    }

    /// Runstamp with so many policies of teams besides the built-in ones.
    pub(crate) fn runstamp(&self, policies: usize) -> anyhow::Result<Server> {
        self.runstamp_with(policies, &[])
    }

    /// The same with further arguments.
    pub(crate) fn runstamp_with(&self, policies: usize, more: &[&str]) -> anyhow::Result<Server> {
        let folder = (policies > 0).then(|| self.policies(policies)).transpose()?;
        Server::runstamp(self.folder(), folder.as_deref(), more)
    }

    /// Connections that are kept, after a look at the first answer: it must hold a patch or must hold none.
    pub(crate) fn connect(
        &self,
        server: &Server,
        request: &[u8],
        has_patch: bool,
        count: usize,
    ) -> anyhow::Result<Connections> {
        self.runtime.block_on(async {
            let mut first = client::Connection::open(&self.connector, server.address).await?;
            let (status, answer) = first.ask_for_text(request).await?;
            let answer = String::from_utf8_lossy(answer);
            anyhow::ensure!(
                status == 200 && answer.contains("\"uid\":\"5dd9") && answer.contains("\"patch\"") == has_patch,
                "not what is meant to be measured: {status} {answer}"
            );
            Connections::open(&self.connector, server.address, count).await
        })
    }
}

/// A PipelineRun of Pipelines-as-Code as its controller creates it.
pub(crate) fn review() -> Vec<u8> {
    load::recorded("pipelines-as-code.mutate")
}

/// The request that asks about it.
pub(crate) fn request() -> Rc<[u8]> {
    client::request(&review()).into()
}
