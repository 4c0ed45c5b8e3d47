//! `runstamp review`: what the API server would do with a Run, without one.

mod against;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Verdict;
use super::output::{self, OutputFormat};
use super::policy_args::PolicyArgs;
use crate::diagnostics::Style;
use crate::domain::policy_set::PolicySet;
use crate::review::{Stance, Webhook, answer};
use crate::review_run::{self, Request, parse_label, put_through};

const EXAMPLE: &str = "\
Examples:
  runstamp review -f run.yaml --policies policies/
  kubectl get pipelinerun build-1 -o yaml | runstamp review -f - --explain
  runstamp review -f run.yaml -o json | jq .causes
  kubectl get pipelineruns -A -o yaml | runstamp review -f - --policies new/ --against current/

With --against only the Runs are shown that the two policy sets decide differently: - is what the policies of \
--against decide, + what those of --policies do.

Exit code 0: every Run is allowed; 1: a Run is refused; 2: a file or the policies cannot be read.
With --against 0: nothing is decided differently; 1: something is.";

/// Put Runs through the policies: what would be changed, refused, warned about
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct ReviewArgs {
    /// Runs or recorded AdmissionReviews, YAML or JSON, several documents; - for stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Show what is decided otherwise than by the policies of this file or directory; may be given several times
    #[arg(long, value_name = "PATH", conflicts_with = "explain")]
    against: Vec<PathBuf>,
    /// User who sends the Run; the default is nobody in particular, so the Run is a Root
    #[arg(long, value_name = "NAME", default_value = "system:anonymous")]
    user: String,
    /// Group of the user; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// What is being done
    #[arg(long, value_enum, default_value_t = Operation::Create)]
    operation: Operation,
    /// The Run as it was before an UPDATE
    #[arg(long, value_name = "FILE", required_if_eq("operation", "UPDATE"))]
    old: Option<PathBuf>,
    /// Namespace, instead of the one that the Run names
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Label of the namespace; may be given several times
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = parse_label)]
    namespace_labels: Vec<(String, String)>,
    /// Review as a dry run
    #[arg(long)]
    dry_run: bool,
    /// Tell why and why not: every fact, every policy, every key
    #[arg(long)]
    explain: bool,
    /// Answer each review so many times besides: .ci/count-instructions counts what one answer costs in this very binary
    #[arg(long, hide = true, value_name = "TIMES", default_value_t = 0)]
    repeat: usize,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Operation {
    Create,
    Update,
}

/// Reviews the Runs that the arguments name.
pub(super) fn run(arguments: &ReviewArgs) -> anyhow::Result<Verdict> {
    if arguments.operation == Operation::Create && arguments.old.is_some() {
        bail!("--old is the Run before an UPDATE: give --operation UPDATE with it");
    }
    let set = arguments.policies.load()?;
    let against = match arguments.against.as_slice() {
        [] => None,
        paths => Some(arguments.policies.at(paths).load().context("--against")?),
    };
    let mut differences = against::Summary::default();
    let request = Request {
        user: &arguments.user,
        groups: &arguments.groups,
        namespace: arguments.namespace.as_deref(),
        old: arguments.old.as_deref().map(review_run::read_old).transpose()?,
        dry_run: arguments.dry_run,
    };
    let labels: BTreeMap<String, String> = arguments.namespace_labels.iter().cloned().collect();
    let labels = (!labels.is_empty()).then_some(&labels);
    let mut verdict = Verdict::Fine;
    for file in &arguments.files {
        let reviews = review_run::read_reviews(file, &request)?;
        if reviews.is_empty() {
            bail!(
                "{}: expected a PipelineRun, TaskRun, CustomRun or AdmissionReview, found none",
                file.display()
            );
        }
        for review in reviews {
            repeat(&review, &set, arguments.repeat)?;
            let (report, before) = put_through(&review, &set, labels, arguments.explain)?;
            if let Some(against) = &against {
                let (other, _) = put_through(&review, against, labels, false)?;
                if let Some(difference) = differences.count(&other, &report) {
                    output::print(&match arguments.output {
                        OutputFormat::Json => format!("{}\n", serde_json::to_string(&difference)?),
                        OutputFormat::Text => difference.text(),
                    })?;
                }
                continue;
            }
            if !report.allowed {
                verdict = Verdict::Bad;
            }
            output::print(&match arguments.output {
                OutputFormat::Json => format!("{}\n", serde_json::to_string(&report)?),
                OutputFormat::Text => format!(
                    "{}{}",
                    diff(&before, &report.object, output::stdout_style())?,
                    report.text()
                ),
            })?;
        }
    }
    if against.is_some() {
        output::print(&match arguments.output {
            OutputFormat::Json => format!("{}\n", serde_json::to_string(&differences)?),
            OutputFormat::Text => differences.text(),
        })?;
        return Ok(if differences.has_differences() {
            Verdict::Bad
        } else {
            Verdict::Fine
        });
    }
    if arguments.output == OutputFormat::Text {
        output::print(&format!("policy set {}\n", set.digest()))?;
    }
    Ok(verdict)
}

/// Answers a review as the server does, and throws the answers away.
fn repeat(review: &Value, set: &PolicySet, times: usize) -> anyhow::Result<()> {
    let body = serde_json::to_vec(review)?;
    for _ in 0..times {
        let reply = answer(Webhook::Mutate, black_box(&body), set, Stance::default())?;
        black_box(reply.body.len());
    }
    Ok(())
}

/// The change to the Run, in colours where they are wanted.
fn diff(before: &Value, after: &Value, style: Style) -> anyhow::Result<String> {
    let diff = review_run::diff(before, after).context("failed to write the Run as YAML")?;
    if style == Style::Plain {
        return Ok(diff);
    }
    Ok(diff.lines().map(coloured).collect())
}

fn coloured(line: &str) -> String {
    let colour = match line.as_bytes().first() {
        Some(b'-') => "\u{1b}[31m",
        Some(b'+') => "\u{1b}[32m",
        Some(b'@') => "\u{1b}[36m",
        _ => return format!("{line}\n"),
    };
    format!("{colour}{line}\u{1b}[0m\n")
}
