//! What a policy in Shadow mode would have done with one key, for people and programs.

use serde::Serialize;

use crate::domain::decision::ShadowOutcome;
use crate::domain::schema::quoted;

/// What a policy in Shadow mode would have done.
#[derive(Debug, Serialize)]
pub struct ShadowReport {
    /// The policy.
    pub policy: String,
    /// `Inject`, `Overwrite`, `Equal`, `Skip`, `Violation`, `Warning` or `Audited`.
    pub outcome: &'static str,
    /// Where.
    pub field: String,
    /// The value, or why it would be left out, or what is wrong.
    pub detail: Option<String>,
    /// Whether anything would be another.
    #[serde(skip)]
    pub is_change: bool,
}

pub(super) fn report(outcome: &ShadowOutcome) -> ShadowReport {
    ShadowReport {
        policy: outcome.policy.to_string(),
        outcome: outcome.outcome,
        field: outcome.field.to_string(),
        detail: outcome.detail.clone(),
        is_change: outcome.is_change(),
    }
}

impl ShadowReport {
    pub(super) fn text(&self) -> String {
        let Self { policy, field, .. } = self;
        let detail = self.detail.as_deref().unwrap_or_default();
        match self.outcome {
            "Inject" => format!("policy {policy} would inject {field} = {}", quoted(detail)),
            "Overwrite" => format!("policy {policy} would overwrite {field} with {}", quoted(detail)),
            "Violation" => format!("policy {policy} would refuse {field}: {detail}"),
            _ => format!("policy {policy} would warn of {field}: {detail}"),
        }
    }
}
