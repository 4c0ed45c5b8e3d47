//! `runstamp audit`: the Runs of a cluster or of a dump that carry another Run's state or violate the policies.

mod dump;
mod junit;
mod outcome;

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Verdict;
use super::output::{self, OutputFormat};
use super::policy_args::PolicyArgs;
use crate::cluster::{Listed, RunLister, Scope};
use crate::domain::audit::{Auditor, Found};
use crate::domain::policy_set::PolicySet;
use crate::domain::words::RunKind;
use outcome::Outcome;

const EXAMPLE: &str = "\
Examples:
  runstamp audit -A
  runstamp audit -n ci --selector app=shop --policies policies/
  runstamp audit -A -o json | jq -r 'select(.kind == \"AuditFinding\") | .commands[]'
  kubectl get pipelineruns -A -o json --show-managed-fields | runstamp audit -f -

Asks the API server of KUBECONFIG, or of the service account of the Pod, page by page and one request at a time, and changes \
nothing. It takes the right to list pipelineruns, taskruns and customruns of tekton.dev.

What proves that something is wrong:
  ForeignUid         a key of Results or Chains names the UID of another Run
  ForeignNamespace   it names another namespace
  UndeclaredWriter   state that none of the fieldManagers of its key has written
  Copied             the Run is a copy, and what says where the other one belongs came along
  OwnerReference     a PipelineRun as owner that no controller wrote, or that labels contradict
  ForeignStatus      the status is older than the Run
  ForeignChild       the status names a child of another Run
  Violation          an annotation or label that /validate would refuse

Children may carry what their PipelineRun carries, and Runs of a backup or of another cluster what they want. Where managedFields \
are missing nobody can tell who wrote what, and no Run is found for it: kubectl leaves them out without --show-managed-fields.

Exit code 0: nothing is found; 1: something is; 2: not all Runs could be looked at, for want of an API server or a right.";

/// Find the Runs that carry another Run's state or violate the policies
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct AuditArgs {
    /// Look into this namespace; without it and -A into that of the kubeconfig
    #[arg(short, long, value_name = "NAME", conflicts_with = "files")]
    namespace: Option<String>,
    /// Look into all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "files"])]
    all_namespaces: bool,
    /// Look at the Runs with these labels only, as kubectl takes them
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "files")]
    selector: Option<String>,
    /// Look at a dump instead of a cluster: YAML or JSON, several documents, lists; - for stdin; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Also write the results to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Looks at the Runs that the arguments name.
pub(super) fn run(arguments: &AuditArgs) -> anyhow::Result<Verdict> {
    let set = arguments.policies.load()?;
    let mut audit = Audit::new(arguments, &set);
    if arguments.files.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime")?;
        runtime.block_on(audit.look_at_cluster())?;
    } else {
        audit.look_at_dumps()?;
    }
    audit.conclude()
}

/// An audit under way.
struct Audit<'a> {
    arguments: &'a AuditArgs,
    set: &'a PolicySet,
    auditor: Auditor<'a>,
    outcome: Outcome,
    progress: ProgressBar,
    /// Why not all Runs could be looked at.
    unanswered: Vec<String>,
}

impl<'a> Audit<'a> {
    fn new(arguments: &'a AuditArgs, set: &'a PolicySet) -> Self {
        // Shows nothing unless stderr is a terminal.
        let progress = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:12} {wide_bar} {human_pos}/{human_len} {elapsed}") {
            progress.set_style(style);
        }
        Self {
            arguments,
            set,
            auditor: Auditor::new(set),
            outcome: Outcome::new(arguments.output, arguments.junit.is_some()),
            progress,
            unanswered: Vec::new(),
        }
    }

    async fn look_at_cluster(&mut self) -> anyhow::Result<()> {
        let arguments = self.arguments;
        let scope = match &arguments.namespace {
            _ if arguments.all_namespaces => Scope::All,
            Some(namespace) => Scope::Namespace(namespace.clone()),
            None => Scope::Default,
        };
        let lister = RunLister::begin(scope, arguments.selector.clone()).await?;
        let served = lister.served().await?;
        if served.iter().all(|kind| kind.version.is_none()) {
            bail!("expected the Runs of Tekton, found no such kind on the API server: is Tekton Pipelines installed?");
        }
        for kind in served {
            let Some(version) = kind.version else {
                self.outcome.note(format!(
                    "the cluster has no {}.tekton.dev: none were looked for",
                    kind.plural
                ));
                continue;
            };
            self.progress.set_message(kind.plural);
            let mut stopped = Ok(());
            let look = |page: Listed<'_>| {
                stopped = self.look_at_page(kind.kind, &page);
                if stopped.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            let outcome = lister.each_page(kind.plural, version, look).await;
            stopped?;
            if let Err(error) = outcome {
                self.unanswered.push(format!("{:#}", anyhow!(error)));
            }
        }
        Ok(())
    }

    fn look_at_page(&mut self, kind: RunKind, page: &Listed<'_>) -> anyhow::Result<()> {
        // Where labels select, the API server does not say how many are left.
        let left = page.remaining.map_or(0, |remaining| remaining + page.runs.len() as u64);
        self.progress
            .set_length(self.progress.position() + left.max(page.runs.len() as u64));
        for run in &page.runs {
            self.look(kind, run)?;
        }
        Ok(())
    }

    fn look_at_dumps(&mut self) -> anyhow::Result<()> {
        let files = &self.arguments.files;
        // Nobody knows how many Runs a dump holds.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} Runs {elapsed}") {
            self.progress.set_style(style);
        }
        let (mut lists, mut others) = (0, 0);
        for file in files {
            let rest = dump::each_run(file, &mut |kind, run| self.look(kind, run))?;
            lists += rest.lists;
            others += rest.others;
        }
        if self.auditor.tally().all() == 0 && lists == 0 {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            bail!(
                "{}: expected PipelineRuns, TaskRuns or CustomRuns, found none",
                names.join(", ")
            );
        }
        match others {
            0 => {}
            1 => self.outcome.note("1 object is no Run and was left out".to_owned()),
            many => self
                .outcome
                .note(format!("{many} objects are no Runs and were left out")),
        }
        Ok(())
    }

    fn look(&mut self, kind: RunKind, run: &str) -> anyhow::Result<()> {
        let found = self
            .auditor
            .look(kind, run)
            .with_context(|| format!("Run {} cannot be read as a {kind}", self.auditor.tally().all() + 1))?;
        self.progress.inc(1);
        found.map_or(Ok(()), |found| self.tell(found))
    }

    fn tell(&mut self, found: Found) -> anyhow::Result<()> {
        let Self { outcome, progress, .. } = self;
        progress.suspend(|| outcome.tell(found))
    }

    fn conclude(mut self) -> anyhow::Result<Verdict> {
        let (late, tally) = std::mem::replace(&mut self.auditor, Auditor::new(self.set)).finish();
        for found in late {
            self.tell(found)?;
        }
        self.progress.finish_and_clear();
        if self.set.selects_namespaces() {
            self.outcome.note(
                "policies with a namespaceSelector were left out: the labels of namespaces are not asked for"
                    .to_owned(),
            );
        }
        let is_complete = self.unanswered.is_empty();
        self.outcome.conclude(&tally, self.set, is_complete)?;
        if let Some(path) = &self.arguments.junit {
            output::write_atomically(path, self.outcome.junit(&tally).as_bytes(), 0o644)?;
        }
        if !is_complete {
            bail!("{}", self.unanswered.join("; "));
        }
        Ok(if tally.all_found() == 0 {
            Verdict::Fine
        } else {
            Verdict::Bad
        })
    }
}
