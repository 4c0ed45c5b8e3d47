//! `runstamp check`: every mistake in policy files, and what the set is when there is none.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::policy_args::PolicyArgs;
use super::{Verdict, output};
use crate::diagnostics::{self, Explanation, Record, Style};
use crate::domain::compile::{Compilation, compile};
use crate::domain::definition::{Definitions, Header};
use crate::domain::source::{Code, Problem, Severity};
use crate::domain::suggest::nearest;
use crate::policy_file::SourceFiles;

const EXAMPLE: &str = "\
Examples:
  runstamp check policies/
  runstamp check --explain evadable-rule
  runstamp check -o json policies/ | jq -r .message
  runstamp check -o sarif --deny-warnings policies/ > runstamp.sarif

Exit code 0: no errors; 1: errors in the policies, or warnings with --deny-warnings; 2: a path could not be read.";

/// The value of `--explain` without a code.
const ALL_CODES: &str = "";

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
    output: CheckFormat,
    /// End with exit code 1 where there is a warning, too
    #[arg(long)]
    deny_warnings: bool,
    /// Explain a code, such as unknown-field, and check nothing; without a code, list them all
    #[arg(
        long,
        value_name = "CODE",
        num_args = 0..=1,
        default_missing_value = ALL_CODES,
        conflicts_with_all = ["paths", "policies", "output", "deny_warnings"]
    )]
    explain: Option<String>,
}

/// The form of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum CheckFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

/// Checks the policy files that the arguments name.
pub(super) fn run(arguments: &CheckArgs) -> anyhow::Result<Verdict> {
    if let Some(word) = &arguments.explain {
        return explain(word);
    }
    let (files, loaded) = arguments.policies.read(&arguments.paths)?;
    let counts = Counts::of(&loaded.definitions);
    let Compilation { set, problems } = compile(loaded.definitions);
    let mut report = Report::new(loaded.problems, problems, &files);
    report.counts = counts;
    // A set that compiled from what could be read is not the set that was written.
    report.digest = set
        .filter(|_| report.errors == 0)
        .map(|set| set.digest().as_str().to_owned());
    output::print(&match arguments.output {
        CheckFormat::Text => report.text(output::stdout_style()),
        CheckFormat::Json => report.json()?,
        CheckFormat::Sarif => report.sarif()?,
    })?;
    let is_fine = report.errors == 0 && !(arguments.deny_warnings && report.warnings > 0);
    Ok(if is_fine { Verdict::Fine } else { Verdict::Bad })
}

/// Explains a code, or lists them.
fn explain(word: &str) -> anyhow::Result<Verdict> {
    if word == ALL_CODES {
        output::print(&diagnostics::list_of_codes())?;
        return Ok(Verdict::Fine);
    }
    let Some(code) = Code::from_word(word) else {
        let help = match nearest(word, Code::ALL.iter().map(|code| code.word())) {
            Some(near) => format!("did you mean {near}?"),
            None => "runstamp check --explain lists them".to_owned(),
        };
        bail!("expected the code of a diagnostic, found {word:?}; {help}");
    };
    output::print(&Explanation::of(code).text(output::stdout_style()))?;
    Ok(Verdict::Fine)
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
            if let Some(first) = self.problems.first() {
                let code = first.code.word();
                text.push_str(&format!("for more about a code: runstamp check --explain {code}\n"));
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

    fn sarif(&self) -> anyhow::Result<String> {
        let folder = std::env::current_dir().context("failed to find the current folder")?;
        let report = diagnostics::sarif(&self.problems, self.files, &folder);
        Ok(format!("{}\n", serde_json::to_string_pretty(&report)?))
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
