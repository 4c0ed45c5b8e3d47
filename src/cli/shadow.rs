//! `runstamp shadow`: what policies in Shadow mode would have changed, out of logs.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::Verdict;
use super::output::{self, OutputFormat};
use crate::shadow_report::ShadowReport;

const EXAMPLE: &str = "\
Examples:
  kubectl -n runstamp logs deployment/runstamp --all-pods | runstamp shadow -f -
  runstamp shadow -f /var/log/kubernetes/audit.log
  runstamp shadow -f audit.log -o json | jq 'select(.refused > 0) | .policy'

A policy with mode: Shadow decides and changes nothing. What it would have done stands in the log of serve \
(--log-format json) and in the audit log of the API server; this sums it up, policy by policy:
  Inject, Overwrite      the key would have been put in, or would have replaced the user's value
  Violation, Warning     the Run would have been refused, or admitted with a warning
Dry runs are left out. Runs that are refused for something else are not counted.
Runs are counted as requests: one that is both changed and refused counts in both.
Give one of the two logs: they tell of the same requests.

Exit code 0: no Run would have been refused; 1: some would; 2: a log cannot be read.";

/// Sum up what policies in Shadow mode would have changed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct ShadowArgs {
    /// Log of serve in JSON, or audit log of the API server; may be given several times, - for stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Reads the logs that the arguments name.
pub(super) fn run(arguments: &ShadowArgs) -> anyhow::Result<Verdict> {
    let mut report = ShadowReport::default();
    for path in &arguments.files {
        read(path, &mut report).with_context(|| format!("failed to read {}", path.display()))?;
    }
    let lines = report.lines;
    if lines.read > 0 && lines.not_json == lines.read {
        bail!(
            "expected the log of runstamp serve --log-format json or an audit log, found {} lines of which none is JSON",
            lines.read
        );
    }
    match arguments.output {
        OutputFormat::Text => output::print(&report.text())?,
        OutputFormat::Json => {
            for policy in report.policies() {
                output::print(&format!("{}\n", record("ShadowPolicy", policy)?))?;
            }
            let mut summary = record("ShadowSummary", &lines)?;
            if let (Some(summary), Some((from, to))) = (summary.as_object_mut(), report.period()) {
                summary.insert("from".to_owned(), from.into());
                summary.insert("to".to_owned(), to.into());
            }
            output::print(&format!("{summary}\n"))?;
        }
    }
    Ok(if report.would_refuse() {
        Verdict::Bad
    } else {
        Verdict::Fine
    })
}

fn read(path: &Path, report: &mut ShadowReport) -> io::Result<()> {
    if path == Path::new("-") {
        return report.read(&mut io::stdin().lock());
    }
    report.read(&mut BufReader::new(File::open(path)?))
}

fn record(kind: &str, of: &impl Serialize) -> anyhow::Result<Value> {
    let mut record = json!({"apiVersion": "runstamp.dev/v1alpha1", "kind": kind});
    if let (Some(record), Value::Object(fields)) = (record.as_object_mut(), serde_json::to_value(of)?) {
        record.extend(fields);
    }
    Ok(record)
}
