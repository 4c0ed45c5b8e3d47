//! Warnings that the author of a document means to cause: the annotation `runstamp.dev/accept` names their codes.

use std::collections::HashSet;

use super::context::{Context, part_of, quote, suggest_among};
use crate::domain::definition::{Definitions, Header, Text};
use crate::domain::source::{Code, Problem, Severity, Span};

/// The documents of a set as they stand in their files, with what each of them accepts.
#[derive(Debug)]
pub(super) struct Acceptances {
    /// Sorted by their beginnings.
    documents: Vec<(Span, Vec<Accepted>)>,
}

/// A code that a document accepts.
#[derive(Debug)]
struct Accepted {
    code: Code,
    place: Span,
}

impl Acceptances {
    /// Reads what the documents accept, and reports what is no code.
    pub(super) fn new(definitions: &Definitions, context: &mut Context) -> Self {
        let Definitions {
            integrations,
            trigger_sources,
            run_policies,
            settings,
        } = definitions;
        let headers = (integrations.iter().map(|document| &document.header))
            .chain(trigger_sources.iter().map(|document| &document.header))
            .chain(run_policies.iter().map(|document| &document.header))
            .chain(settings.iter().map(|document| &document.header));
        let mut documents: Vec<(Span, Vec<Accepted>)> = headers
            .map(|Header { span, accepts, .. }| {
                let codes = accepts.as_ref().map(|accepts| codes(accepts, context));
                (*span, codes.unwrap_or_default())
            })
            .collect();
        documents.sort_by_key(|(span, _)| *span);
        Self { documents }
    }

    /// The problems without the warnings that are accepted, and with a warning for each acceptance that was not needed.
    pub(super) fn apply(self, problems: Vec<Problem>, context: &mut Context) {
        if self.documents.iter().all(|(_, accepted)| accepted.is_empty()) {
            return context.restore(problems);
        }
        // Behind a mistake not everything is looked for.
        let is_complete = problems.iter().all(|problem| problem.severity != Severity::Error);
        let mut used: HashSet<(Span, Code)> = HashSet::new();
        let mut left = Vec::with_capacity(problems.len());
        for problem in problems {
            let document = self.document_of(problem.span).filter(|(_, accepted)| {
                problem.severity == Severity::Warning && accepted.iter().any(|accepted| accepted.code == problem.code)
            });
            match document {
                Some((span, _)) => {
                    used.insert((*span, problem.code));
                }
                None => left.push(problem),
            }
        }
        context.restore(left);
        for (span, accepted) in self.documents.iter().filter(|_| is_complete) {
            for unused in accepted
                .iter()
                .filter(|accepted| !used.contains(&(*span, accepted.code)))
            {
                let message = format!("this document has no warning {} to accept", unused.code.word());
                let problem = Problem::warning(Code::UnusedAcceptance, unused.place, message);
                context.report(problem.with_help("remove it from the list"));
            }
        }
    }

    /// The document that a place is in: the last one that begins before it in the file.
    fn document_of(&self, place: Span) -> Option<&(Span, Vec<Accepted>)> {
        let begins_before = |span: &Span| (span.file, span.start) <= (place.file, place.start);
        let after = self.documents.partition_point(|(span, _)| begins_before(span));
        let document = self.documents.get(after.checked_sub(1)?)?;
        (document.0.file == place.file).then_some(document)
    }
}

/// The codes of a list with commas between them.
fn codes(accepts: &Text, context: &mut Context) -> Vec<Accepted> {
    let mut codes = Vec::new();
    let mut start = 0;
    for entry in accepts.value.split(',') {
        let word = entry.trim();
        let at = start + entry.len() - entry.trim_start().len();
        start += entry.len() + 1;
        if word.is_empty() {
            continue;
        }
        let place = part_of(accepts, at, at + word.len());
        match Code::from_word(word) {
            Some(code) => codes.push(Accepted { code, place }),
            None => {
                let message = format!("there is no warning {} to accept", quote(word));
                let problem = Problem::warning(Code::UnknownCode, place, message)
                    .with_help("runstamp check --explain lists the codes");
                context.report(suggest_among(problem, word, Code::ALL.iter().map(|code| code.word())));
            }
        }
    }
    codes
}
