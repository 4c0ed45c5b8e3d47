//! `/validate-policies`: an edit of a ConfigMap of policies is judged before it is stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use tokio::sync::{Semaphore, watch};

use super::answers::{Answered, json, text};
use super::webhooks::{admit, patience, refuse};
use super::{App, PolicySources};
use crate::policy_file::ConfigMaps;
use crate::review::{ConfigMapReview, NotAReview, answer_config_map, read_config_map};
use crate::store::{Edit, Judgement};
use crate::telemetry::Rejection;

/// Edits that are judged at once: each compiles the whole set once or twice, and Runs are waiting beside them.
const AT_ONCE: usize = 2;

/// How long an edit waits for its turn. The API server waits 3 s for the answer, and stores the edit without one.
const TURN: Duration = Duration::from_millis(1500);

/// What edits are judged by.
#[derive(Debug)]
pub struct PolicyEdits {
    namespace: String,
    sources: PolicySources,
    config_maps: watch::Receiver<Option<Arc<ConfigMaps>>>,
    turns: Arc<Semaphore>,
}

impl PolicyEdits {
    /// Judges edits in a namespace by these sources and the ConfigMaps as they are; `None` until they are known.
    pub fn new(
        namespace: String,
        sources: PolicySources,
        config_maps: watch::Receiver<Option<Arc<ConfigMaps>>>,
    ) -> Self {
        Self {
            namespace,
            sources,
            config_maps,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    fn judge(&self, review: &ConfigMapReview) -> Judgement {
        let is_about_policies = review.before.is_some() || review.after.is_some();
        if !review.is_config_map || review.namespace != self.namespace || !is_about_policies {
            return Judgement::default();
        }
        let unchecked = |why: &str| Judgement {
            warnings: vec![format!("runstamp has not checked the policies: {why}")],
            ..Judgement::default()
        };
        let config_maps = self.config_maps.borrow().clone();
        let Some(config_maps) = config_maps else {
            return unchecked("it has not read the ConfigMaps yet");
        };
        let own = match self.sources.read() {
            Ok(own) => own,
            Err(error) => return unchecked(&error.to_string()),
        };
        // The watch may not have seen yet what the API server has.
        let before = config_maps.with(&review.name, review.before.clone().map(Arc::new));
        let edit = Edit {
            own,
            before: &before,
            name: &review.name,
            after: review.after.clone().map(Arc::new),
        };
        edit.judge()
    }
}

pub(super) async fn validate_policies(app: Arc<App>, head: Parts, mut body: Incoming) -> Answered {
    let patience = patience(head.uri.query());
    let Some(edits) = app.policy_edits.clone() else {
        return refuse(&app, Rejection::Path, &head.headers, &mut body, patience).await;
    };
    let admitted = match admit(&app, &head.headers, &mut body, patience).await {
        Ok(admitted) => admitted,
        Err(answer) => return answer,
    };
    // After the body, or clients that send slowly would take the turns of others; its memory is bounded besides.
    let limit = TURN.min(patience / 2);
    let turn = tokio::time::timeout(limit, Arc::clone(&edits.turns).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        drop(admitted);
        let rest = patience.saturating_sub(limit);
        return refuse(&app, Rejection::Overloaded, &head.headers, &mut body, rest).await;
    };
    let task = tokio::task::spawn_blocking(move || {
        // Both go along: a client that hangs up does not end the work.
        let (admitted, _turn) = (admitted, turn);
        decide(&app, &edits, &admitted.received.bytes)
    });
    task.await
        .unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
}

fn decide(app: &App, edits: &PolicyEdits, bytes: &[u8]) -> Answered {
    let begun = Instant::now();
    let decided = catch_unwind(AssertUnwindSafe(|| {
        let review = read_config_map(bytes)?;
        let mut judgement = edits.judge(&review);
        if app.stance.observe {
            let told = judgement.mistakes.drain(..).map(|mistake| mistake.line);
            judgement.warnings.splice(0..0, told);
        }
        let body = answer_config_map(&review, &judgement.mistakes, &judgement.warnings);
        tracing::info!(
            took = ?begun.elapsed(),
            operation = review.operation.escape_debug().to_string(),
            config_map = review.name,
            mistakes = judgement.mistakes.len(),
            warnings = judgement.warnings.len(),
            "an edit of policies was judged"
        );
        Ok(body)
    }));
    match decided {
        Ok(Ok(body)) => json(body),
        Ok(Err(error @ NotAReview(_))) => {
            let line = error.to_string();
            app.metrics.count_rejection(Rejection::NotAReview);
            app.rejections.warn(Rejection::NotAReview, &line);
            text(StatusCode::BAD_REQUEST, &line)
        }
        Err(_) => {
            app.metrics.count_rejection(Rejection::Panic);
            tracing::error!("judging an edit of policies ended in a panic: please report this as a bug");
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}
