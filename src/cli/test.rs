//! `runstamp test`: runs the Suites beside the policies.

pub(super) mod junit;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::output::{self, OutputFormat};
use super::policy_args::PolicyArgs;
use crate::diagnostics::{self, Style};
use crate::domain::source::Severity;
use crate::policy_file;
use crate::store::LoadError;
use crate::suite::{self, CaseResult, Coverage, Failure, PrepareError, Reason, StaleGolden};

const EXAMPLE: &str = "\
Examples:
  runstamp test policies/
  runstamp test policies/ --filter chains -o json | jq 'select(.passed == false)'
  runstamp test policies/ --junit report.xml
  runstamp test policies/ --coverage
  runstamp test policies/ --update && git diff

A case puts one Run through /mutate and then /validate, as the API server would:
  run                a Run, or the path of its file; relative to the suite's file, as all paths are
  operation, old     UPDATE, and the Run (or its file) as it was before
  review             a recorded AdmissionReview instead of run, operation, old and namespace
  user, groups       who sends it; nobody in particular without them
  namespace, namespaceLabels

What a case may expect; what is not written is not checked, and a case must expect something:
  allowed            true or false: the verdict of both webhooks
  lineage, copied    Root, Child or Mirror; true or false
  annotations        each of these keys with exactly this value, on the Run as admitted
  labels             likewise
  absent             none of these annotations, labels and finalizers, on the Run as admitted
  facts              each of these facts of the trigger has exactly this value; '' expects none
  removed            what is taken away: keys, finalizers, or fields such as status
  injected           the keys that policies put in
  skipped            what policies leave out: key, policy and reason
  warnings           what the client is told
  causes             why the Run is refused: field and message; the message as -o json of review
                     prints it, or with the suggestion and the author that clients see
  decision           everything, as the file of this name holds it. --update writes it into
                     the folder of the suite, and no Suite: read what has changed before you keep it
absent, removed, injected, skipped, warnings and causes are globs: * stands for any text.
Of removed, injected, skipped, warnings and causes each must match at least one, and each one found must be matched; \
an empty list expects none.

--coverage counts, in the policy files that are not built in: each policy (a case has a Run that it is for), \
each key that it injects, what it requires and constrains, and each rule of an Integration (a case breaks it).
It changes no exit code.

Exit code 0: every case passes; 1: a case fails; 2: a suite, a policy or a Run cannot be read.";

/// Run the Suites beside the policies
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct TestArgs {
    /// Files with Suites, and directories read recursively
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Run only the cases with this text in "SUITE: CASE"
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Also write the results to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the golden decisions that differ (expect.decision) instead of failing for them
    #[arg(long)]
    update: bool,
    /// Also tell which policies and rules, built-in ones left out, no case has exercised
    #[arg(long, conflicts_with = "filter")]
    coverage: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Runs the suites that the arguments name.
pub(super) fn run(arguments: &TestArgs) -> anyhow::Result<Verdict> {
    let (files, loaded) = policy_file::read_paths(&arguments.paths)?;
    let errors: Vec<String> = loaded
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| diagnostics::render(problem, &files, Style::Plain))
        .collect();
    if !errors.is_empty() {
        output::print_diagnostics(&errors.join("\n"));
        bail!("the files hold mistakes");
    }
    if loaded.suites.is_empty() {
        let paths: Vec<String> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
        bail!("expected documents of kind Suite in {}, found none", paths.join(", "));
    }
    let base: Vec<_> = arguments
        .policies
        .embedded()
        .into_iter()
        .chain(policy_file::collect_texts(arguments.policies.paths())?)
        .collect();
    let cases = match suite::prepare(&loaded.suites, &files, &base, arguments.filter.as_deref()) {
        Ok(cases) => cases,
        Err(errors) => {
            errors.iter().for_each(|error| output::print_diagnostics(&told(error)));
            bail!("the suites cannot be run");
        }
    };
    if let (Some(filter), true) = (&arguments.filter, cases.is_empty()) {
        bail!("no case has \"{filter}\" in its name");
    }
    let mut summary = Summary::default();
    let mut results = Vec::with_capacity(cases.len());
    let mut coverage = Coverage::default();
    for case in &cases {
        let mut result = case.run_counted(&mut coverage).map_err(|error| {
            let (file, line) = case.place();
            anyhow::Error::from(error).context(format!("{file}:{line}"))
        })?;
        if let Some(stale) = result.stale_golden.as_ref().filter(|_| arguments.update) {
            write_golden(stale)?;
            summary.updated.push(stale.path.display().to_string());
            result.forget_golden();
        }
        summary.count(&result);
        output::print(&match arguments.output {
            OutputFormat::Text => text(&result),
            OutputFormat::Json => format!("{}\n", serde_json::to_string(&CaseRecord::new(&result))?),
        })?;
        results.push(result);
    }
    if let Some(path) = &arguments.junit {
        output::write_atomically(path, junit::document(&results).as_bytes(), 0o644)?;
    }
    if arguments.coverage {
        let record = CoverageRecord::new(&coverage);
        output::print(&match arguments.output {
            OutputFormat::Text => record.text(),
            OutputFormat::Json => format!("{}\n", serde_json::to_string(&record)?),
        })?;
    }
    output::print(&match arguments.output {
        OutputFormat::Text => summary.text(),
        OutputFormat::Json => format!("{}\n", serde_json::to_string(&summary)?),
    })?;
    Ok(if summary.failed == 0 {
        Verdict::Fine
    } else {
        Verdict::Bad
    })
}

/// Writes a golden, whole or not at all.
fn write_golden(stale: &StaleGolden) -> anyhow::Result<()> {
    if let Some(folder) = stale.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    }
    output::write_atomically(&stale.path, stale.text.as_bytes(), 0o644)
}

/// An error with the snippets of the policies, where these are what is wrong.
fn told(error: &PrepareError) -> String {
    match &error.reason {
        Reason::Policies(LoadError::Refused { rendered, .. }) => {
            format!(
                "{rendered}\n{}:{}: the policies of this suite hold mistakes",
                error.file, error.line
            )
        }
        Reason::Input(input) => std::iter::successors(input.source(), |&cause| cause.source())
            .fold(error.to_string(), |text, cause| format!("{text}: {cause}")),
        _ => error.to_string(),
    }
}

/// Nothing for a case that passes; else where it stands and what is wrong.
fn text(result: &CaseResult<'_>) -> String {
    if result.failures.is_empty() {
        return String::new();
    }
    format!("FAILED {}: {}\n{}\n", result.suite, result.case, told_failure(result))
}

/// What does not hold, and then the whole decision.
fn told_failure(result: &CaseResult<'_>) -> String {
    let mut text = format!("  {}:{}\n", result.file, result.line);
    for failure in &result.failures {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}, line {}", failure.expectation, failure.line);
        let _ = writeln!(text, "    expected  {}", failure.expected);
        let _ = writeln!(
            text,
            "    found     {}",
            failure.found.replace('\n', "\n              ")
        );
    }
    if !result.why.is_empty() {
        text.push_str("  why\n");
        for line in &result.why {
            let _ = writeln!(text, "    {line}");
        }
    }
    text.push_str("  decision\n");
    for line in result.report.text().lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// One line of the JSON form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseRecord<'r> {
    api_version: &'static str,
    kind: &'static str,
    suite: &'r str,
    case: &'r str,
    file: &'r str,
    line: usize,
    passed: bool,
    failures: Vec<FailureRecord<'r>>,
    why: &'r [String],
}

#[derive(Serialize)]
struct FailureRecord<'r> {
    expectation: &'r str,
    line: usize,
    expected: &'r str,
    found: &'r str,
}

impl<'r> CaseRecord<'r> {
    fn new(result: &'r CaseResult<'_>) -> Self {
        let record = |failure: &'r Failure| FailureRecord {
            expectation: &failure.expectation,
            line: failure.line,
            expected: &failure.expected,
            found: &failure.found,
        };
        Self {
            api_version: "runstamp.dev/v1alpha1",
            kind: "CaseResult",
            suite: result.suite,
            case: result.case,
            file: result.file,
            line: result.line,
            passed: result.failures.is_empty(),
            failures: result.failures.iter().map(record).collect(),
            why: &result.why,
        }
    }
}

/// What no case has exercised.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CoverageRecord<'c> {
    api_version: &'static str,
    kind: &'static str,
    total: usize,
    covered: usize,
    uncovered: Vec<UncoveredRecord<'c>>,
}

#[derive(Serialize)]
struct UncoveredRecord<'c> {
    file: &'c str,
    line: usize,
    message: &'c str,
}

impl<'c> CoverageRecord<'c> {
    fn new(coverage: &'c Coverage) -> Self {
        let uncovered = coverage.uncovered();
        Self {
            api_version: "runstamp.dev/v1alpha1",
            kind: "Coverage",
            total: coverage.total(),
            covered: coverage.total() - uncovered.len(),
            uncovered: uncovered
                .into_iter()
                .map(|unit| UncoveredRecord {
                    file: unit.file,
                    line: unit.line,
                    message: unit.text,
                })
                .collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for unit in &self.uncovered {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}:{}: {}", unit.file, unit.line, unit.message);
        }
        let _ = writeln!(text, "{} of {} policies and rules exercised", self.covered, self.total);
        text
    }
}

/// The last line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    api_version: &'static str,
    kind: &'static str,
    passed: usize,
    failed: usize,
    /// The goldens that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    updated: Vec<String>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            api_version: "runstamp.dev/v1alpha1",
            kind: "TestSummary",
            passed: 0,
            failed: 0,
            updated: Vec::new(),
        }
    }
}

impl Summary {
    fn text(&self) -> String {
        let written: String = self.updated.iter().map(|path| format!("wrote {path}\n")).collect();
        format!("{written}{} passed, {} failed\n", self.passed, self.failed)
    }

    fn count(&mut self, result: &CaseResult<'_>) {
        if result.failures.is_empty() {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }
}
