//! Paths of the page: its files, what it begins with, and the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;

use super::answer::answer;
use super::gate::Gate;
use super::page::{self, MOST_REQUEST_BYTES};
use super::question::Question;

/// Questions that the engine works on at once: a page asks one after the other.
const MOST_AT_ONCE: usize = 4;

/// How long the text of a question may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take, waiting for others included.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How much of a question that is too large is read and thrown away, in multiples of what is allowed. A connection that is
/// closed while the client still writes is reset, and the reset can overtake the answer.
const DISCARD_FACTOR: usize = 8;

/// What every answer says to the browser. Scripts, styles and requests are the page's own alone, nothing stands inline, no
/// text becomes markup, and no other page may frame or read it.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

#[derive(Debug)]
struct App {
    gate: Gate,
    start: Bytes,
    slots: Arc<Semaphore>,
}

/// The page on a port, which begins with `start`.
pub(super) fn router(port: u16, start: Vec<u8>) -> Router {
    let app = Arc::new(App {
        gate: Gate::new(port),
        start: start.into(),
        slots: Arc::new(Semaphore::new(MOST_AT_ONCE)),
    });
    Router::new()
        .route("/api/start", get(begin))
        .route("/api/review", post(review))
        .fallback(page_file)
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method")
        })
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// Lets nobody else in, and says on every answer what the browser may do with it.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match app.gate.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(away) => refuse(away.status, &away.reason),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page_file(request: Request) -> Response {
    let Some(file) = page::file(request.uri().path()) else {
        return refuse(StatusCode::NOT_FOUND, "nothing is here; the page is at /");
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, HeaderValue::from_static("GET,HEAD"))];
        let refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method");
        return (allow, refusal).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type))];
    (content_type, file.content).into_response()
}

async fn begin(State(app): State<Arc<App>>) -> Response {
    json(app.start.clone())
}

async fn review(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    // A form of another page cannot say so without asking first.
    if !content_type.is_some_and(|found| found.eq_ignore_ascii_case(b"application/json")) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected the content type application/json",
        );
    }
    let body = match tokio::time::timeout(BODY_TIME, read(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(status)) => {
            let reason = match status {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("the texts are larger than {MOST_REQUEST_BYTES} bytes: take runstamp review for them")
                }
                _ => "the question did not arrive whole".to_owned(),
            };
            return refuse(status, &reason);
        }
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the question took too long to arrive"),
    };
    let question: Question = match serde_json::from_slice(&body) {
        Ok(question) => question,
        Err(error) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                &format!("expected a question as JSON: {error}"),
            );
        }
    };
    match tokio::time::timeout(ANSWER_TIME, ask(&app, question)).await {
        Ok(Some(answer)) => json(answer),
        Ok(None) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        Err(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("no answer within {} s: make the texts smaller", ANSWER_TIME.as_secs()),
        ),
    }
}

/// Asks the engine on a thread of its own, which keeps its slot until it is done, whether or not somebody still waits.
async fn ask(app: &App, question: Question) -> Option<Vec<u8>> {
    let slot = Arc::clone(&app.slots).acquire_owned().await.ok()?;
    let answering = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        serde_json::to_vec(&answer(&question)).ok()
    });
    answering.await.ok().flatten()
}

/// Reads a question whole.
async fn read(mut body: Body) -> Result<BytesMut, StatusCode> {
    let mut whole = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen > MOST_REQUEST_BYTES.saturating_mul(DISCARD_FACTOR) {
            break;
        }
        if seen <= MOST_REQUEST_BYTES {
            whole.extend_from_slice(&data);
        }
    }
    if seen > MOST_REQUEST_BYTES {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(whole)
}

fn json(body: impl Into<Body>) -> Response {
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (content_type, body.into()).into_response()
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, format!("{reason}\n")).into_response()
}
