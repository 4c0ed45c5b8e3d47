//! Suites: puts their cases through the policies and compares what comes out with what is expected.

mod compare;
mod coverage;
mod golden;
mod prepare;
mod why;

pub use self::coverage::{Coverage, Uncovered};
pub use self::golden::{GoldenError, StaleGolden};
pub use self::prepare::{PrepareError, Reason, prepare};

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use self::compare::compare;
use self::golden::Golden;
use self::prepare::SuiteSet;
use self::why::why;
use crate::domain::definition::CaseDefinition;
use crate::domain::source::Span;
use crate::policy_file::SourceFiles;
use crate::report::Report;
use crate::review_run::{ReviewRunError, decide_both};

/// A case with everything that it needs read and compiled.
#[derive(Debug)]
pub struct PreparedCase<'d> {
    suite: &'d str,
    definition: &'d CaseDefinition,
    files: &'d SourceFiles,
    set: Rc<SuiteSet>,
    namespace_labels: BTreeMap<String, String>,
    review: Value,
    golden: Option<Golden>,
}

/// Why a case could not be put through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A recorded review is none.
    #[error(transparent)]
    Review(#[from] ReviewRunError),
    /// The golden decision can neither be compared nor written.
    #[error(transparent)]
    Golden(#[from] GoldenError),
}

/// What became of a case.
#[derive(Debug)]
pub struct CaseResult<'d> {
    /// Name of the suite.
    pub suite: &'d str,
    /// Name of the case.
    pub case: &'d str,
    /// The suite's file.
    pub file: &'d str,
    /// Where the case begins in it.
    pub line: usize,
    /// Every expectation that does not hold; none: the case has passed.
    pub failures: Vec<Failure>,
    /// Why what does not hold came out as it did: lines of the trace about it.
    pub why: Vec<String>,
    /// The golden decision, where it is not what came out; one of the failures says so too.
    pub stale_golden: Option<StaleGolden>,
    /// What came out.
    pub report: Report,
}

impl CaseResult<'_> {
    /// The golden decision is now what came out.
    pub fn forget_golden(&mut self) {
        self.stale_golden = None;
        self.failures.retain(|failure| failure.expectation != GOLDEN);
    }
}

/// The name of the expectation that is a golden decision.
const GOLDEN: &str = "decision";

/// An expectation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which: `annotations[chains.tekton.dev/signed]`, `warnings`.
    pub expectation: String,
    /// Where it is written in the suite's file.
    pub line: usize,
    /// What was expected, in words.
    pub expected: String,
    /// What was found; several things stand on a line each.
    pub found: String,
}

impl<'d> PreparedCase<'d> {
    /// Puts the case through both webhooks, as `runstamp review` does.
    ///
    /// # Errors
    /// When a recorded review is none, or a golden decision is something else.
    pub fn run(&self) -> Result<CaseResult<'d>, CaseError> {
        self.run_counted(&mut Coverage::default())
    }

    /// The same, counting what the case exercises.
    ///
    /// # Errors
    /// When a recorded review is none, or a golden decision is something else.
    pub fn run_counted(&self, coverage: &mut Coverage) -> Result<CaseResult<'d>, CaseError> {
        let labels = (!self.namespace_labels.is_empty()).then_some(&self.namespace_labels);
        let reviewed = decide_both(&self.review, &self.set.policies, labels)?;
        coverage.count(&self.set.units, &reviewed);
        let trace = reviewed.trace.clone().unwrap_or_default();
        let (report, _) = reviewed.into_report(&self.set.policies, false);
        let mismatches = compare(&self.definition.expect, &report);
        let mut failures: Vec<Failure> = mismatches
            .into_iter()
            .map(|mismatch| Failure {
                expectation: mismatch.expectation,
                line: place(self.files, mismatch.span).1,
                expected: mismatch.expected,
                found: mismatch.found,
            })
            .collect();
        let stale_golden = match &self.golden {
            Some(golden) => golden.compare(&report)?,
            None => None,
        };
        if let (Some(stale), Some(name)) = (&stale_golden, &self.definition.expect.decision) {
            failures.push(Failure {
                expectation: GOLDEN.to_owned(),
                line: place(self.files, name.span).1,
                expected: stale.path.display().to_string(),
                found: stale.difference.trim_end().to_owned(),
            });
        }
        let (file, line) = self.place();
        Ok(CaseResult {
            suite: self.suite,
            case: &self.definition.name.value,
            file,
            line,
            why: why(&failures, &trace, &self.set.policies),
            failures,
            stale_golden,
            report,
        })
    }

    /// The file and the line of the case.
    pub fn place(&self) -> (&'d str, usize) {
        place(self.files, self.definition.name.span)
    }
}

/// The file and the line of a span.
fn place(files: &SourceFiles, span: Span) -> (&str, usize) {
    files
        .get(span)
        .map_or(("", 0), |file| (&file.name, file.line_number(span.start)))
}
