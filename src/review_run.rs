//! A review without an API server: Runs from files become AdmissionReviews and go through both webhooks, one after the other.

mod change;
mod input;

pub use self::change::diff;
pub use self::input::{
    InputError, Request, SyntaxError, documents, is_run, open, parse_label, read_documents, read_documents_from,
    read_old, read_reviews, read_text, reviews_of, runs_of,
};

use std::sync::Arc;

use serde_json::Value;

use crate::domain::decision::Decision;
use crate::domain::matching::NamespaceLabels;
use crate::domain::policy_set::PolicySet;
use crate::domain::request::Options;
use crate::domain::trace::Trace;
use crate::report::{Outcome, Report, RunName};
use crate::review::{LabelsOf, NotAReview, Webhook, decide_with};

/// Why a review could not be put through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewRunError {
    /// The AdmissionReview is none.
    #[error(transparent)]
    NotAReview(#[from] NotAReview),
    /// The patch, or the review with the patched Run, is no JSON that can be written.
    #[error("failed to write the review: {0}")]
    Write(#[from] serde_json::Error),
    /// The patch does not fit the Run, which is a mistake of Runstamp.
    #[error("failed to apply the patch to the Run: {0}")]
    Patch(#[from] json_patch::PatchError),
}

/// What both webhooks decided about one review.
#[derive(Debug)]
pub struct Reviewed {
    run: RunName,
    /// Of `/mutate`, without its trace, which would be taken for warnings.
    pub mutated: Decision,
    /// Why `/mutate` decided so.
    pub trace: Option<Trace>,
    /// Of `/validate`; absent where `/mutate` refused.
    pub validated: Option<Decision>,
    object: Value,
    before: Value,
}

impl Reviewed {
    /// The decisions, in order.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        std::iter::once(&self.mutated).chain(&self.validated)
    }

    /// The decision for people and programs, and the Run as it was sent.
    pub fn into_report(mut self, set: &PolicySet, explain: bool) -> (Report, Value) {
        let outcome = Outcome {
            mutated: &self.mutated,
            validated: self.validated.as_ref(),
            object: self.object,
        };
        let mut report = Report::new(self.run, outcome, set.digest().to_string());
        if explain {
            self.mutated.trace = self.trace;
            report = report.with_trace(&self.mutated);
        }
        (report, self.before)
    }
}

/// `/mutate`, and then `/validate` on what it made, as the API server calls them; with the Run as it was sent.
///
/// # Errors
/// When the review is none.
pub fn put_through(
    review: &Value,
    set: &PolicySet,
    labels: NamespaceLabels<'_>,
    explain: bool,
) -> Result<(Report, Value), ReviewRunError> {
    Ok(decide_both(review, set, labels)?.into_report(set, explain))
}

/// The same as decisions, for those who ask for more than the report tells.
///
/// # Errors
/// When the review is none.
pub fn decide_both(review: &Value, set: &PolicySet, labels: NamespaceLabels<'_>) -> Result<Reviewed, ReviewRunError> {
    let labels = labels.map(|labels| Arc::new(labels.clone()));
    let labels: LabelsOf<'_> = &|_| labels.as_ref().map(Arc::clone);
    let before = review.pointer("/request/object").cloned().unwrap_or_default();
    let body = serde_json::to_vec(review)?;
    // The trigger context is part of the answer whether or not anybody asked for the trace.
    let options = Options {
        judge_all_in_mutate: false,
        explain: true,
    };
    let (subject, mut mutated) = decide_with(Webhook::Mutate, &body, set, labels, options)?;
    let run = RunName {
        kind: subject
            .kind
            .map_or_else(|| "object".to_owned(), |kind| kind.word().to_owned()),
        namespace: subject.namespace.into_owned(),
        name: subject.name.into_owned(),
    };
    let mut object = before.clone();
    let patch: json_patch::Patch = serde_json::from_value(serde_json::to_value(&mutated.patch)?)?;
    json_patch::patch(&mut object, &patch)?;
    let mut second = review.clone();
    if let Some(place) = second.pointer_mut("/request/object") {
        *place = object.clone();
    }
    let second = serde_json::to_vec(&second)?;
    let options = Options {
        explain: false,
        ..options
    };
    let validated = match mutated.is_allowed() {
        true => Some(decide_with(Webhook::Validate, &second, set, labels, options)?.1),
        false => None,
    };
    let trace = mutated.trace.take();
    Ok(Reviewed {
        run,
        mutated,
        trace,
        validated,
        object,
        before,
    })
}
