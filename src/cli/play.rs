//! `runstamp play`: a page to try policies on.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::policy_args::PolicyArgs;
use super::{Verdict, output};
use crate::play::{MOST_REQUEST_BYTES, OwnFiles, Playground, PolicyFile};
use crate::policy_file;
use crate::review_run::read_text;

/// Links to the page hold the port, so it is the same every time.
const DEFAULT_PORT: u16 = 8484;

const EXAMPLE: &str = "\
Examples:
  runstamp play
  runstamp play --policies policies/ -f run.yaml
  kubectl get pipelinerun build-1 -o yaml | runstamp play -f -

Open the address that it prints. Policies stand left, a Run right, the decision below, live as you type: the same that \
runstamp review gives. It listens on this machine alone, where other users can reach it, too, and asks nobody else. Files are only read; what you type stays in the \
page and in its address, which you can send to somebody else who runs this. Ctrl-C ends it.

Exit code 0: ended by a signal; 2: a file cannot be read, or the port is in use.";

/// Serve a page to try policies on
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct PlayArgs {
    #[command(flatten)]
    policies: PolicyArgs,
    /// Run that the page begins with, YAML or JSON; - for stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 is any free one
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,
}

/// Serves the page until a signal comes.
pub(super) fn run(arguments: &PlayArgs) -> anyhow::Result<Verdict> {
    let own = own_files(arguments)?;
    let runtime = Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(serve(arguments.port, own))?;
    // Whatever the engine still works on has nobody left to read it.
    runtime.shutdown_background();
    Ok(Verdict::Fine)
}

async fn serve(port: u16, own: OwnFiles) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for signals")?;
    let playground = Playground::bind(port, own).await?;
    output::print(&format!("playing at {}\nStop it with Ctrl-C.\n", playground.url()))?;
    playground
        .serve(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(())
}

/// Reads the files of the flags: policy files with policies or mistakes in them, not the Runs that stand beside them for Suites.
fn own_files(arguments: &PlayArgs) -> anyhow::Result<OwnFiles> {
    let texts = policy_file::collect_texts(arguments.policies.paths())?;
    let (_, loaded) = policy_file::read_texts(texts.iter().cloned());
    let mut wanted = loaded.files_with_documents();
    wanted.extend(loaded.problems.iter().map(|problem| problem.span.file));
    let mut policies = Vec::new();
    for (index, text) in (0..).zip(texts) {
        if !wanted.contains(&index) {
            continue;
        }
        let name = text.name;
        match String::from_utf8(text.content) {
            Ok(text) => policies.push(PolicyFile { name, text }),
            Err(_) => bail!("{name} is not UTF-8: save it as UTF-8"),
        }
    }
    if policies.is_empty() && !arguments.policies.paths().is_empty() {
        bail!("expected policies in what --policies names, found none");
    }
    let run = arguments.file.as_deref().map(read_text).transpose()?;
    let bytes: usize = policies.iter().map(|file| file.text.len()).sum();
    if bytes + run.as_ref().map_or(0, String::len) > MOST_REQUEST_BYTES {
        bail!(
            "the files are larger than the {MOST_REQUEST_BYTES} bytes that the page takes: name fewer, or use runstamp review"
        );
    }
    Ok(OwnFiles {
        policies,
        run,
        builtin: arguments.policies.wants_builtin(),
    })
}
