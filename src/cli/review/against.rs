//! `runstamp review --against`: what another policy set decides differently, before it decides anything.

use std::fmt::Write as _;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::report::Report;

/// How many Runs two policy sets decide differently.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    api_version: &'static str,
    kind: &'static str,
    /// All Runs.
    runs: usize,
    /// Those that are decided differently.
    differ: usize,
    /// Those that were allowed and are refused.
    newly_refused: usize,
    /// Those that were refused and are allowed.
    newly_allowed: usize,
}

/// A Run that is decided differently.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference<'r> {
    api_version: &'static str,
    kind: &'static str,
    before: &'r Report,
    after: &'r Report,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            api_version: "runstamp.dev/v1alpha1",
            kind: "DifferenceSummary",
            runs: 0,
            differ: 0,
            newly_refused: 0,
            newly_allowed: 0,
        }
    }
}

impl Summary {
    /// Counts a Run; the difference, if there is one.
    pub(super) fn count<'r>(&mut self, before: &'r Report, after: &'r Report) -> Option<Difference<'r>> {
        self.runs += 1;
        if before.text() == after.text() && before.object == after.object {
            return None;
        }
        self.differ += 1;
        self.newly_refused += usize::from(before.allowed && !after.allowed);
        self.newly_allowed += usize::from(!before.allowed && after.allowed);
        Some(Difference {
            api_version: "runstamp.dev/v1alpha1",
            kind: "DecisionDifference",
            before,
            after,
        })
    }

    /// Whether any Run is decided differently.
    pub(super) fn has_differences(&self) -> bool {
        self.differ > 0
    }

    /// The last line for people.
    pub(super) fn text(&self) -> String {
        let runs = if self.runs == 1 { "Run" } else { "Runs" };
        format!(
            "{} of {} {runs} decided differently: {} refused that were allowed, {} allowed that were refused\n",
            self.differ, self.runs, self.newly_refused, self.newly_allowed
        )
    }
}

impl Difference<'_> {
    /// The lines of the decision that go and come.
    pub(super) fn text(&self) -> String {
        let (before, after) = (self.before.text(), self.after.text());
        let mut text = String::new();
        // A verdict that differs is a line of the difference itself.
        if let Some(verdict) = after
            .lines()
            .next()
            .filter(|verdict| before.lines().next() == Some(verdict))
        {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{verdict}");
        }
        let diff = TextDiff::from_lines(&before, &after);
        for change in diff.iter_all_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => continue,
            };
            let _ = write!(text, "{sign} {}", change.value());
        }
        text
    }
}
