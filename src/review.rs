//! AdmissionReview on the wire: borrowed requests in, replies out. The only place that knows its shape.

use std::borrow::Cow;

use crate::domain::decision::Decision;
use crate::domain::policy_set::PolicySet;
use crate::domain::words::RunKind;

/// Which of the two webhooks was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// `/mutate`
    Mutate,
    /// `/validate`
    Validate,
}

/// How the server stands to the decisions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stance {
    /// Decide and count, but change and refuse nothing.
    pub observe: bool,
    /// Judge everything in `/mutate`, for clusters that register only that.
    pub mutate_only: bool,
}

/// What is asked, for logs and metrics.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Uid of the request.
    pub uid: Cow<'a, str>,
    /// Kind of Run, where it is one.
    pub kind: Option<RunKind>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`.
    pub operation: &'static str,
    /// Namespace of the request.
    pub namespace: Cow<'a, str>,
    /// `metadata.name`, or `<generateName>*` where there is none yet.
    pub name: Cow<'a, str>,
    /// Name of the user.
    pub user: Cow<'a, str>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// The reply to one review.
#[derive(Debug)]
pub struct Reply<'a> {
    /// The AdmissionReview as JSON.
    pub body: Vec<u8>,
    /// What was asked.
    pub subject: Subject<'a>,
    /// What was decided, for logs and metrics.
    pub decision: Decision,
    /// `allow`, `patch`, `deny`, `unreadable` or `unjudged`: the label of the metric.
    pub outcome: &'static str,
}

/// The body is no AdmissionReview: HTTP 400 with this line.
#[derive(Debug, thiserror::Error)]
#[error("not an AdmissionReview: {0}")]
pub struct NotAReview(pub String);

/// Answers one call of the API server: body bytes in, body bytes out.
///
/// # Errors
/// When the body is no AdmissionReview of `admission.k8s.io/v1` with a uid.
pub fn answer<'a>(webhook: Webhook, body: &'a [u8], set: &PolicySet, stance: Stance) -> Result<Reply<'a>, NotAReview> {
    let _ = (webhook, body, set, stance);
    Err(NotAReview("not built yet".to_owned()))
}
