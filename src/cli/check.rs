//! `runstamp check`: every mistake in policy files, and what the set is when there is none.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::output::{self, OutputFormat};
use super::policy_args::PolicyArgs;
use crate::diagnostics::{self, Record, Style};
use crate::domain::definition::{Definitions, Header};
use crate::domain::compile::{Compilation, compile};
use crate::domain::source::{Problem, Severity};
use crate::policy_file::SourceFiles;

const EXAMPLE: &str = "\
Examples:
  runstamp check policies/
  runstamp check -o json policies/ | jq -r .message

Exit code 0: no errors; 1: errors in the policies; 2: a path could not be read.";

/// Check policy files: every mistake with its place, and a summary
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct CheckArgs {
    /// Policy files, and directories read recursively; without any, the built-in policies alone
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Checks the policy files that the arguments name.
pub(super) fn run(arguments: &CheckArgs) -> anyhow::Result<Verdict> {
    let (files, loaded) = arguments.policies.read(&arguments.paths)?;
    let counts = Counts::of(&loaded.definitions);
    let Compilation { set, problems } = compile(loaded.definitions);
    let mut report = Report::new(loaded.problems, problems, &files);
    report.counts = counts;
    // A set that compiled from what could be read is not the set that was written.
    report.digest = set.filter(|_| report.errors == 0).map(|set| set.digest().as_str().to_owned());
    output::print(&match arguments.output {
        OutputFormat::Text => report.text(output::stdout_style()),
        OutputFormat::Json => report.json()?,
    })?;
    Ok(if report.errors == 0 {
        Verdict::Fine
    } else {
        Verdict::Bad
    })
}

/// What a set holds, built-in and user documents of one name counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    integrations: usize,
    trigger_sources: usize,
    run_policies: usize,
}

impl Counts {
    fn of(definitions: &Definitions) -> Self {
        fn names<'a>(headers: impl Iterator<Item = &'a Header>) -> usize {
            headers.map(|header| &header.name.value).collect::<HashSet<_>>().len()
        }
        Self {
            integrations: names(definitions.integrations.iter().map(|document| &document.header)),
            trigger_sources: names(definitions.trigger_sources.iter().map(|document| &document.header)),
            run_policies: names(definitions.run_policies.iter().map(|document| &document.header)),
        }
    }
}

/// Everything that is printed.
struct Report<'a> {
    files: &'a SourceFiles,
    problems: Vec<Problem>,
    errors: usize,
    warnings: usize,
    counts: Counts,
    digest: Option<String>,
}

/// The last line of the JSON form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    api_version: &'static str,
    kind: &'static str,
    errors: usize,
    warnings: usize,
    files: usize,
    #[serde(flatten)]
    counts: Counts,
    policy_set: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn new(read: Vec<Problem>, compiled: Vec<Problem>, files: &'a SourceFiles) -> Self {
        let mut problems = read;
        problems.extend(compiled);
        problems.sort_by_key(|problem| problem.span);
        let warnings = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Warning)
            .count();
        Self {
            files,
            errors: problems.len() - warnings,
            warnings,
            problems,
            counts: Counts::default(),
            digest: None,
        }
    }

    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&diagnostics::render(problem, self.files, style));
            text.push('\n');
        }
        if !self.problems.is_empty() {
            let mut found = Vec::new();
            if self.errors > 0 {
                found.push(counted(self.errors, "error", "errors"));
            }
            if self.warnings > 0 {
                found.push(counted(self.warnings, "warning", "warnings"));
            }
            let files = counted(self.own_files(), "file", "files");
            text.push_str(&format!("{} in {files}\n", found.join(", ")));
        }
        if let Some(digest) = &self.digest {
            let Counts {
                integrations,
                trigger_sources,
                run_policies,
            } = self.counts;
            text.push_str(&format!(
                "ok: {}, {}, {}; policy set {digest}\n",
                counted(integrations, "integration", "integrations"),
                counted(trigger_sources, "trigger source", "trigger sources"),
                counted(run_policies, "policy", "policies"),
            ));
        }
        text
    }

    fn json(&self) -> serde_json::Result<String> {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&serde_json::to_string(&Record::new(problem, self.files))?);
            text.push('\n');
        }
        text.push_str(&serde_json::to_string(&Summary {
            api_version: "runstamp.dev/v1alpha1",
            kind: "CheckSummary",
            errors: self.errors,
            warnings: self.warnings,
            files: self.own_files(),
            counts: self.counts,
            policy_set: self.digest.as_deref(),
        })?);
        text.push('\n');
        Ok(text)
    }

    /// The files that the user named; where there are none, the built-in ones.
    fn own_files(&self) -> usize {
        let own = self.files.iter().filter(|file| !file.builtin).count();
        if own == 0 { self.files.iter().count() } else { own }
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
