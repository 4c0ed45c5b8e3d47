//! What an audit prints: each Run that is found at once, and what they come to at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::junit;
use crate::cli::output::{self, OutputFormat};
use crate::domain::audit::{Finding, Found, Reason, RunIdentity, Tally};
use crate::domain::policy_set::PolicySet;
use crate::domain::words::RunKind;

/// Most Runs that are kept for a JUnit document; those beyond are counted in it.
const MOST_KEPT: usize = 10_000;

/// What has been found so far.
pub(super) struct Outcome {
    form: OutputFormat,
    keeps: bool,
    /// Runs by reason.
    reasons: BTreeMap<Reason, usize>,
    kept: Vec<Found>,
    notes: Vec<String>,
}

impl Outcome {
    pub(super) fn new(form: OutputFormat, keeps: bool) -> Self {
        Self {
            form,
            keeps,
            reasons: BTreeMap::new(),
            kept: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Something that the reader must know to judge the result.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Prints a Run that was found.
    pub(super) fn tell(&mut self, found: Found) -> anyhow::Result<()> {
        for reason in Reason::ALL {
            if found.findings.iter().any(|finding| finding.reason == reason) {
                *self.reasons.entry(reason).or_default() += 1;
            }
        }
        output::print(&match self.form {
            OutputFormat::Text => text(&found),
            OutputFormat::Json => format!("{}\n", serde_json::to_string(&FoundRecord::new(&found))?),
        })?;
        if self.keeps && self.kept.len() < MOST_KEPT {
            self.kept.push(found);
        }
        Ok(())
    }

    /// Prints what it comes to.
    pub(super) fn conclude(&mut self, tally: &Tally, set: &PolicySet, is_complete: bool) -> anyhow::Result<()> {
        self.note_what_was_not_judged(tally);
        output::print(&match self.form {
            OutputFormat::Text => self.summary(tally, set),
            OutputFormat::Json => {
                let record = SummaryRecord {
                    api_version: API_VERSION,
                    kind: "AuditSummary",
                    complete: is_complete,
                    runs: by_kind(&tally.runs),
                    found: by_kind(&tally.found),
                    reasons: (self.reasons.iter())
                        .map(|(reason, count)| (reason.word(), *count))
                        .collect(),
                    notes: &self.notes,
                    policy_set: set.digest().to_string(),
                };
                format!("{}\n", serde_json::to_string(&record)?)
            }
        })
    }

    /// The results as JUnit XML.
    pub(super) fn junit(&self, tally: &Tally) -> String {
        junit::document(&self.kept, tally)
    }

    fn note_what_was_not_judged(&mut self, tally: &Tally) {
        let runs = |count: usize| {
            if count == 1 {
                "1 Run".to_owned()
            } else {
                format!("{count} Runs")
            }
        };
        if tally.without_managed_fields > 0 {
            self.notes.push(format!(
                "{} with state came without managedFields: who wrote it cannot be told; kubectl shows them with --show-managed-fields",
                runs(tally.without_managed_fields)
            ));
        }
        if tally.never_stored > 0 {
            self.notes.push(format!(
                "{} came without a uid: only the policies could be judged",
                runs(tally.never_stored)
            ));
        }
        if tally.mirrors > 0 {
            self.notes.push(format!(
                "{} came from a backup or another cluster and may carry what they carried there",
                runs(tally.mirrors)
            ));
        }
    }

    fn summary(&self, tally: &Tally, set: &PolicySet) -> String {
        let mut text = String::new();
        let listed = |counts: &[usize; 3]| {
            let kinds = by_kind(counts).into_iter().filter(|(_, count)| *count > 0);
            let kinds: Vec<String> = kinds
                .map(|(kind, count)| format!("{count} {kind}{}", plural(count)))
                .collect();
            kinds.join(", ")
        };
        let (all, found) = (tally.all(), tally.all_found());
        // Writing to a string cannot fail.
        let _ = match (all, found) {
            (0, _) => writeln!(text, "no Runs"),
            (_, 0) => writeln!(text, "nothing found in {}", listed(&tally.runs)),
            _ => writeln!(text, "found {} of {all} Runs: {}", found, listed(&tally.found)),
        };
        for (reason, count) in &self.reasons {
            let _ = writeln!(text, "  {count:>6}  {}", reason.word());
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        let _ = writeln!(text, "policy set {}", set.digest());
        text
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

const API_VERSION: &str = "runstamp.dev/v1alpha1";

/// A Run that was found, for people.
pub(super) fn text(found: &Found) -> String {
    let RunIdentity {
        kind, namespace, name, ..
    } = &found.run;
    let mut text = format!("{kind} {}/{}\n", namespace.escape_debug(), name.escape_debug());
    for finding in &found.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {}  {}: {}",
            finding.reason.word(),
            finding.field,
            said(finding)
        );
        if !finding.written_by.is_empty() && !says_who_wrote_it(finding) {
            let writers: Vec<String> = (finding.written_by.iter())
                .map(|writer| writer.escape_debug().to_string())
                .collect();
            let _ = writeln!(text, "    written by {}", writers.join(", "));
        }
    }
    let advice: BTreeSet<(Reason, &str)> = (found.findings.iter())
        .map(|finding| (finding.reason, finding.advice()))
        .collect();
    for (reason, advice) in advice {
        let _ = writeln!(text, "  do about {}: {advice}", reason.word());
    }
    for command in &found.commands {
        let _ = writeln!(text, "      {command}");
    }
    text
}

/// Whether the message itself says who wrote the field.
fn says_who_wrote_it(finding: &Finding) -> bool {
    matches!(finding.reason, Reason::UndeclaredWriter | Reason::OwnerReference)
}

/// What is wrong, what to write instead where that is near, and whose rule it is.
fn said(finding: &Finding) -> String {
    let mut said = finding.message.clone();
    if let Some(suggestion) = &finding.suggestion {
        let _ = write!(said, "; did you mean \"{}\"?", suggestion.escape_debug());
    }
    if let Some(author) = finding
        .author
        .describe()
        .filter(|_| finding.reason != Reason::UndeclaredWriter)
    {
        let _ = write!(said, " ({author})");
    }
    said
}

fn by_kind(counts: &[usize; 3]) -> Vec<(&'static str, usize)> {
    let kinds = RunKind::WORDS.iter();
    kinds
        .map(|(word, kind)| (*word, counts.get(Tally::position(*kind)).copied().unwrap_or_default()))
        .collect()
}

/// One line of the JSON form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundRecord<'f> {
    api_version: &'static str,
    kind: &'static str,
    run: RunRecord<'f>,
    findings: Vec<FindingRecord<'f>>,
    commands: &'f [String],
}

#[derive(Serialize)]
struct RunRecord<'f> {
    kind: &'static str,
    namespace: &'f str,
    name: &'f str,
    uid: &'f str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingRecord<'f> {
    reason: &'static str,
    field: String,
    message: &'f str,
    integration: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'f str>,
    suggestion: Option<&'f str>,
    written_by: &'f [String],
    advice: &'static str,
}

impl<'f> FoundRecord<'f> {
    fn new(found: &'f Found) -> Self {
        let record = |finding: &'f Finding| FindingRecord {
            reason: finding.reason.word(),
            field: finding.field.to_string(),
            message: &finding.message,
            integration: finding.author.integration(),
            policy: finding.author.policy(),
            suggestion: finding.suggestion.as_deref(),
            written_by: &finding.written_by,
            advice: finding.advice(),
        };
        Self {
            api_version: API_VERSION,
            kind: "AuditFinding",
            run: RunRecord {
                kind: found.run.kind.word(),
                namespace: &found.run.namespace,
                name: &found.run.name,
                uid: &found.run.uid,
            },
            findings: found.findings.iter().map(record).collect(),
            commands: &found.commands,
        }
    }
}

/// The last line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryRecord<'o> {
    api_version: &'static str,
    kind: &'static str,
    complete: bool,
    #[serde(serialize_with = "as_map")]
    runs: Vec<(&'static str, usize)>,
    #[serde(serialize_with = "as_map")]
    found: Vec<(&'static str, usize)>,
    #[serde(serialize_with = "as_map")]
    reasons: Vec<(&'static str, usize)>,
    notes: &'o [String],
    policy_set: String,
}

fn as_map<S: serde::Serializer>(pairs: &[(&'static str, usize)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}
