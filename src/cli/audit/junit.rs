//! An audit as JUnit XML: one test suite a kind, one failed case a Run that was found, and one case for all the others.

use std::fmt::Write as _;

use crate::cli::test::junit::{escaped, escaped_lines};
use crate::domain::audit::{Found, Tally};
use crate::domain::words::RunKind;

/// The document. No times and no host stand in it: equal results are equal bytes.
pub(super) fn document(kept: &[Found], tally: &Tally) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let failures: usize = kept.len();
    let suites: Vec<Suite<'_>> = RunKind::WORDS
        .iter()
        .map(|(word, kind)| Suite::new(word, *kind, kept, tally))
        .collect();
    let tests: usize = suites.iter().map(Suite::tests).sum();
    let failures = failures + suites.iter().filter(|suite| suite.dropped > 0).count();
    let _ = writeln!(
        text,
        "<testsuites name=\"runstamp audit\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">"
    );
    suites.iter().for_each(|suite| suite.write(&mut text));
    text.push_str("</testsuites>\n");
    text
}

struct Suite<'f> {
    kind: &'static str,
    found: Vec<&'f Found>,
    /// Runs that were found and not kept.
    dropped: usize,
    /// Runs that nothing is wrong with.
    fine: usize,
}

impl<'f> Suite<'f> {
    fn new(word: &'static str, kind: RunKind, kept: &'f [Found], tally: &Tally) -> Self {
        let found: Vec<&Found> = kept.iter().filter(|found| found.run.kind == kind).collect();
        let count = |counts: &[usize; 3]| counts.get(Tally::position(kind)).copied().unwrap_or_default();
        Self {
            kind: word,
            dropped: count(&tally.found).saturating_sub(found.len()),
            fine: count(&tally.runs).saturating_sub(count(&tally.found)),
            found,
        }
    }

    fn failures(&self) -> usize {
        self.found.len() + usize::from(self.dropped > 0)
    }

    fn tests(&self) -> usize {
        self.failures() + usize::from(self.fine > 0)
    }

    fn write(&self, text: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
            self.kind,
            self.tests(),
            self.failures()
        );
        for found in &self.found {
            let mut reasons: Vec<&str> = found.findings.iter().map(|finding| finding.reason.word()).collect();
            reasons.sort_unstable();
            reasons.dedup();
            let name = format!("{}/{}", found.run.namespace, found.run.name);
            let _ = writeln!(
                text,
                "    <testcase classname=\"{}\" name=\"{}\">\n      <failure message=\"{}\">",
                self.kind,
                escaped(&name),
                escaped(&reasons.join(", "))
            );
            text.push_str(&escaped_lines(&super::outcome::text(found)));
            text.push_str("</failure>\n    </testcase>\n");
        }
        let mut case = |name: String, body: &str| {
            let _ = writeln!(text, "    <testcase classname=\"{}\" name=\"{name}\"{body}", self.kind);
        };
        if self.dropped > 0 {
            case(
                format!("not listed: {}", self.dropped),
                "><failure message=\"more Runs were found than a report can hold\"/></testcase>",
            );
        }
        if self.fine > 0 {
            case(format!("all others: {}", self.fine), "/>");
        }
        text.push_str("  </testsuite>\n");
    }
}
