//! The webhooks: a request is admitted to a slot, read, judged and answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;

use super::App;
use super::body;
use super::policy_edits::validate_policies;
use crate::review::{NotAReview, Webhook};
use crate::telemetry::{Rejection, log_reply};

/// Reviews from this size on are judged on a thread of their own. Parsing takes about a microsecond a kilobyte, so
/// smaller ones are done sooner than a thread would have begun; the largest would keep others waiting for milliseconds.
const LARGE_REVIEW: usize = 256 * 1024;

/// The paths that the API server calls; everything else is refused and counted.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/validate", post(validate))
        .route("/validate-policies", post(validate_policies))
        .method_not_allowed_fallback(wrong_method)
        .fallback(wrong_path)
        .with_state(app)
}

async fn mutate(State(app): State<Arc<App>>, request: Request) -> Response {
    review(app, Webhook::Mutate, request).await
}

async fn validate(State(app): State<Arc<App>>, request: Request) -> Response {
    review(app, Webhook::Validate, request).await
}

async fn wrong_method(State(app): State<Arc<App>>, request: Request) -> Response {
    refuse(&app, Rejection::Method, request.headers(), &mut Body::empty()).await
}

async fn wrong_path(State(app): State<Arc<App>>, request: Request) -> Response {
    refuse(&app, Rejection::Path, request.headers(), &mut Body::empty()).await
}

async fn review(app: Arc<App>, webhook: Webhook, request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    // Held until the answer is made. Being at the limit is said at once: late answers cost the API server more.
    let Ok(slot) = Arc::clone(&app.slots).try_acquire_owned() else {
        return refuse(&app, Rejection::Overloaded, &head.headers, &mut body).await;
    };
    let in_flight = app.metrics.enter();
    if !is_json(&head.headers) {
        return refuse(&app, Rejection::ContentType, &head.headers, &mut body).await;
    }
    let bytes = match body::read(&mut body, app.limits.body()).await {
        Ok(bytes) => bytes,
        Err(reason) => {
            drop((slot, in_flight));
            return refuse(&app, reason, &head.headers, &mut body).await;
        }
    };
    if bytes.len() < LARGE_REVIEW {
        return judge(&app, webhook, &bytes);
    }
    let task = tokio::task::spawn_blocking(move || {
        // The slot goes along: a client that hangs up does not end the work.
        let _held = (slot, in_flight);
        judge(&app, webhook, &bytes)
    });
    task.await
        .unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
}

/// Decides, counts and logs.
fn judge(app: &App, webhook: Webhook, bytes: &Bytes) -> Response {
    let begun = Instant::now();
    let live = app.policies.live();
    let decided = catch_unwind(AssertUnwindSafe(|| {
        let reply = (app.answer)(webhook, bytes, &live.set, app.stance)?;
        let took = begun.elapsed();
        app.metrics.count_review(webhook, &reply, took);
        live.meters.count(&reply.decision);
        log_reply(webhook, &reply, app.stance, took);
        Ok(reply.body)
    }));
    match decided {
        Ok(Ok(body)) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            body,
        )
            .into_response(),
        Ok(Err(NotAReview(reason))) => {
            let line = NotAReview(reason).to_string();
            app.metrics.count_rejection(Rejection::NotAReview);
            app.rejections.warn(Rejection::NotAReview, &line);
            text(StatusCode::BAD_REQUEST, &line)
        }
        Err(_) => {
            // A defect. The API server's failurePolicy decides what becomes of this request, and others go on. What
            // the panic said may hold parts of the object, so only its place is logged, by the panic hook.
            app.metrics.count_rejection(Rejection::Panic);
            tracing::error!("a decision ended in a panic: please report this as a bug");
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Turns a request away, in one line of text that the client has a chance to read.
pub(super) async fn refuse(app: &App, reason: Rejection, headers: &HeaderMap, body: &mut Body) -> Response {
    app.metrics.count_rejection(reason);
    let limits = &app.limits;
    let (status, line) = match reason {
        Rejection::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("expected a body of at most {} bytes, found more", limits.max_body_bytes),
        ),
        Rejection::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            format!("expected the body within {:?}", limits.body_time_limit),
        ),
        Rejection::CutOff => (StatusCode::BAD_REQUEST, "the body broke off".to_owned()),
        Rejection::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{} requests are under way, which is the limit", limits.max_in_flight),
        ),
        Rejection::ContentType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected the header Content-Type: application/json".to_owned(),
        ),
        Rejection::Method => (StatusCode::METHOD_NOT_ALLOWED, "expected POST".to_owned()),
        Rejection::Path => (StatusCode::NOT_FOUND, app.expected_paths().to_owned()),
        Rejection::NotAReview => (StatusCode::BAD_REQUEST, "not an AdmissionReview".to_owned()),
        Rejection::Handshake | Rejection::Panic => (StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned()),
    };
    app.rejections.warn(reason, &line);
    // A slow body has had its time, and a client that asks first has not begun to send.
    if reason != Rejection::TooSlow && !headers.contains_key(header::EXPECT) {
        body::discard(body, limits.body()).await;
    }
    let mut response = text(status, &line);
    if matches!(reason, Rejection::TooLarge | Rejection::TooSlow | Rejection::CutOff) {
        // What is left of the body must not be taken for the next request.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

impl App {
    /// What is said about another path; ConfigMaps are judged in an installation only.
    fn expected_paths(&self) -> &'static str {
        if self.policy_edits.is_some() {
            "expected /mutate, /validate or /validate-policies"
        } else {
            "expected /mutate or /validate"
        }
    }
}

pub(super) fn text(status: StatusCode, line: &str) -> Response {
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, content_type)], format!("{line}\n")).into_response()
}
