//! Requests that are turned away without a decision: their words, and a log that survives a flood of them.

use super::throttle::Throttle;

/// Why a request was turned away without a decision, or ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Over the size limit.
    TooLarge,
    /// The body took longer than its time limit.
    TooSlow,
    /// The client broke off in the middle of the body.
    CutOff,
    /// As many requests as allowed were under way.
    Overloaded,
    /// As many connections as allowed were open.
    Connections,
    /// The body is no AdmissionReview.
    NotAReview,
    /// The content type is not JSON.
    ContentType,
    /// A method other than POST.
    Method,
    /// A path that is none of the webhooks.
    Path,
    /// The TLS handshake failed.
    Handshake,
    /// A defect of this program.
    Panic,
}

impl Rejection {
    /// All of them, each at its own position.
    pub(super) const ALL: [Self; 11] = [
        Self::TooLarge,
        Self::TooSlow,
        Self::CutOff,
        Self::Overloaded,
        Self::Connections,
        Self::NotAReview,
        Self::ContentType,
        Self::Method,
        Self::Path,
        Self::Handshake,
        Self::Panic,
    ];

    /// The label value.
    pub fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::CutOff => "cut_off",
            Self::Overloaded => "overloaded",
            Self::Connections => "connections",
            Self::NotAReview => "not_a_review",
            Self::ContentType => "content_type",
            Self::Method => "method",
            Self::Path => "path",
            Self::Handshake => "handshake",
            Self::Panic => "panic",
        }
    }
}

/// Logs requests that are turned away. The API server passes on nothing of what such an answer says, so this is where
/// an operator learns of it.
#[derive(Debug, Default)]
pub struct RejectionLog {
    throttles: [Throttle; Rejection::ALL.len()],
}

impl RejectionLog {
    /// Logs one, unless the same was logged a moment ago; `detail` must not repeat the request.
    pub fn warn(&self, reason: Rejection, detail: &str) {
        let held_back = self.throttles.get(reason as usize).and_then(Throttle::pass);
        if let Some(held_back) = held_back {
            tracing::warn!(reason = reason.word(), detail, held_back, "a request was turned away");
        }
    }
}
