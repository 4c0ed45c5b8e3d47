//! The webhooks: a request is admitted to a slot, read, judged and answered.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::answers::{Answered, json, text};
use super::body::{self, Received};
use super::policy_edits::validate_policies;
use crate::domain::lineage::may_be_a_child;
use crate::review::{NotAReview, Subject, Webhook};
use crate::telemetry::{InFlight, Rejection, log_reply};

/// Reviews from this size on are judged on a thread of their own. Parsing takes about a microsecond a kilobyte, so
/// smaller ones are done sooner than a thread would have begun; the largest would keep others waiting for milliseconds.
const LARGE_REVIEW: usize = 256 * 1024;

/// Large reviews that are judged at once. What is read of a body can take many times its size, if it was made for that;
/// so many bodies of the largest size stay below the memory limit of the manifests.
pub(super) const LARGE_REVIEWS_AT_ONCE: usize = 2;

/// How long a body may take before its sender counts as slow. The API server sends it along with the head.
const SLOW: Duration = Duration::from_millis(250);

/// Nobody waits longer: the longest that a webhook configuration can say.
const LONGEST_PATIENCE: Duration = Duration::from_secs(30);

/// Whoever waits at least so long for an answer has time to ask again a second later.
const TIME_FOR_ANOTHER: Duration = Duration::from_secs(2);

/// How long a request waits for the watch to tell of its namespace.
const NAMESPACE_PATIENCE: Duration = Duration::from_millis(500);

/// Answers the paths that the API server calls; everything else is refused and counted.
pub(super) async fn webhook(app: Arc<App>, request: Request<Incoming>) -> Answered {
    let (head, body) = request.into_parts();
    let asked = match head.uri.path() {
        "/mutate" => Asked::Review(Webhook::Mutate),
        "/validate" => Asked::Review(Webhook::Validate),
        "/validate-policies" => Asked::Edit,
        _ => return refuse_unread(&app, Rejection::Path, &head.headers).await,
    };
    if head.method != Method::POST {
        return refuse_unread(&app, Rejection::Method, &head.headers).await;
    }
    match asked {
        Asked::Review(webhook) => review(app, webhook, head, body).await,
        Asked::Edit => validate_policies(app, head, body).await,
    }
}

/// What a path asks for.
enum Asked {
    Review(Webhook),
    Edit,
}

/// Turns away a request whose body nobody waits for.
async fn refuse_unread(app: &App, reason: Rejection, headers: &HeaderMap) -> Answered {
    refuse(app, reason, headers, &mut Empty::new(), LONGEST_PATIENCE).await
}

async fn review(app: Arc<App>, webhook: Webhook, head: Parts, mut body: Incoming) -> Answered {
    let patience = patience(head.uri.query());
    let admitted = match admit(&app, &head.headers, &mut body, patience).await {
        Ok(admitted) => admitted,
        Err(answer) => return answer,
    };
    let request = Held { webhook, admitted };
    let unknown = match judge(&app, request).await {
        Ok(response) => return response,
        Err(unknown) => unknown,
    };
    // The Run is in a namespace of which the watch has not told yet: the API server admits none to a namespace that
    // does not exist, so it is a matter of milliseconds.
    if let Some(namespaces) = &app.namespaces {
        let is_known = namespaces
            .wait_for(&unknown.namespace, NAMESPACE_PATIENCE.min(patience / 2))
            .await;
        if !is_known {
            tracing::warn!(
                namespace = unknown.namespace,
                "the labels of the namespace are not known: policies with a namespaceSelector do not match"
            );
        }
    }
    // With what is known of the namespace now.
    match judge_aside(app, unknown.request, true).await {
        Ok(response) => response,
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
    }
}

/// A request that has come whole, with everything that it holds until it is answered.
pub(super) struct Admitted {
    pub(super) received: Received,
    _slot: OwnedSemaphorePermit,
    _in_flight: InFlight,
}

/// Gives a request a slot and reads it, or answers why not.
pub(super) async fn admit(
    app: &App,
    headers: &HeaderMap,
    body: &mut Incoming,
    patience: Duration,
) -> Result<Admitted, Answered> {
    // Held until the answer is made. Being at the limit is said at once: late answers cost the API server more.
    let Ok(slot) = Arc::clone(&app.slots).try_acquire_owned() else {
        return Err(refuse(app, Rejection::Overloaded, headers, body, patience).await);
    };
    let in_flight = app.metrics.enter();
    if !is_json(headers) {
        return Err(refuse(app, Rejection::ContentType, headers, body, patience).await);
    }
    match receive(app, body, slot, patience).await {
        Ok((received, slot)) => Ok(Admitted {
            received,
            _slot: slot,
            _in_flight: in_flight,
        }),
        Err(reason) => {
            drop(in_flight);
            Err(refuse(app, reason, headers, body, patience).await)
        }
    }
}

/// Reads the body. Whoever sends it slowly gives up the slot meanwhile, so that slow clients take none from others.
async fn receive(
    app: &App,
    body: &mut Incoming,
    slot: OwnedSemaphorePermit,
    patience: Duration,
) -> Result<(Received, OwnedSemaphorePermit), Rejection> {
    let mut reading = pin!(body::read(body, app.limits.body(patience), &app.memory));
    if let Ok(received) = tokio::time::timeout(SLOW, reading.as_mut()).await {
        return Ok((received?, slot));
    }
    drop(slot);
    let Ok(_seat) = app.slow_slots.try_acquire() else {
        return Err(Rejection::TooSlow);
    };
    let received = reading.await?;
    let slot = Arc::clone(&app.slots)
        .try_acquire_owned()
        .map_err(|_| Rejection::Overloaded)?;
    Ok((received, slot))
}

/// A request that is being judged.
struct Held {
    webhook: Webhook,
    admitted: Admitted,
}

impl Held {
    fn is_large(&self) -> bool {
        self.admitted.received.bytes.len() >= LARGE_REVIEW
    }
}

/// A request that cannot be judged before the labels of its namespace are known.
struct UnknownNamespace {
    namespace: String,
    request: Held,
}

async fn judge(app: &Arc<App>, request: Held) -> Result<Answered, UnknownNamespace> {
    if request.is_large() {
        return judge_aside(Arc::clone(app), request, false).await;
    }
    judge_at_once(app, request, false)
}

/// The same on a thread of its own; a large review waits until it is its turn.
async fn judge_aside(app: Arc<App>, request: Held, finally: bool) -> Result<Answered, UnknownNamespace> {
    let turn = if request.is_large() {
        Arc::clone(&app.large_reviews).acquire_owned().await.ok()
    } else {
        None
    };
    // Everything that is held goes along: a client that hangs up does not end the work.
    let judged = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        judge_at_once(&app, request, finally)
    });
    judged
        .await
        .unwrap_or_else(|_| Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")))
}

/// Decides, counts and logs; where the namespace is not known and that matters, only `finally`.
fn judge_at_once(app: &App, request: Held, finally: bool) -> Result<Answered, UnknownNamespace> {
    let begun = Instant::now();
    let live = app.policies.live();
    let unknown = RefCell::new(None);
    let labels = |namespace: &str| {
        let labels = app.namespaces.as_ref()?.labels(namespace);
        if labels.is_none() && !finally {
            unknown.replace(Some(namespace.to_owned()));
        }
        labels
    };
    let (webhook, bytes) = (request.webhook, &request.admitted.received.bytes);
    let decided = catch_unwind(AssertUnwindSafe(|| {
        let reply = (app.answer)(webhook, bytes, &live.set, app.stance, &labels)?;
        if unknown.borrow().is_some() {
            return Ok(None);
        }
        let took = begun.elapsed();
        app.metrics.count_review(webhook, &reply, took);
        live.meters.count(&reply.decision);
        log_reply(webhook, &reply, app.stance, took);
        if may_be_a_child(&reply.subject.user, &reply.decision) {
            warn_of_unlisted_controller(app, &reply.subject);
        }
        if let Some(refusals) = app.refusals.as_ref().filter(|_| !app.stance.observe) {
            refusals.offer(&reply.subject, &reply.decision);
        }
        Ok(Some(reply.body))
    }));
    match decided {
        Ok(Ok(Some(body))) => Ok(json(body)),
        Ok(Ok(None)) => Err(UnknownNamespace {
            namespace: unknown.take().unwrap_or_default(),
            request,
        }),
        Ok(Err(NotAReview(reason))) => {
            let line = NotAReview(reason).to_string();
            app.metrics.count_rejection(Rejection::NotAReview);
            app.rejections.warn(Rejection::NotAReview, &line);
            Ok(text(StatusCode::BAD_REQUEST, &line))
        }
        Err(_) => {
            // A defect. The API server's failurePolicy decides what becomes of this request, and others go on. What
            // the panic said may hold parts of the object, so only its place is logged, by the panic hook.
            app.metrics.count_rejection(Rejection::Panic);
            tracing::error!("a decision ended in a panic: please report this as a bug");
            Ok(text(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
        }
    }
}

/// Says loudly what would otherwise be found out by pipelines that hang.
fn warn_of_unlisted_controller(app: &App, subject: &Subject<'_>) {
    app.metrics.count_suspected_child();
    if let Some(held_back) = app.suspected_children.pass() {
        tracing::warn!(
            user = &*subject.user,
            namespace = &*subject.namespace,
            name = &*subject.name,
            held_back,
            "a service account creates Runs that a PipelineRun owns, and is not named as a pipelines controller: if it \
             is one, its pipelines hang. Name it in Settings (identities: pipelines-controller) and in the matchConditions \
             of the webhooks, as runstamp manifests --policies does"
        );
    }
}

/// How long the API server waits: it says so in the query, as `timeout=3s`, in Go's way of writing a duration.
///
/// Source: `k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go`.
pub(super) fn patience(query: Option<&str>) -> Duration {
    let parameters = query.unwrap_or_default().split('&');
    let stated = parameters
        .filter_map(|parameter| parameter.strip_prefix("timeout="))
        .next_back()
        .and_then(|value| value.parse::<jiff::SignedDuration>().ok())
        .and_then(|duration| Duration::try_from(duration).ok());
    stated.unwrap_or(LONGEST_PATIENCE).min(LONGEST_PATIENCE)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Turns a request away, in one line of text that the client has a chance to read.
pub(super) async fn refuse(
    app: &App,
    reason: Rejection,
    headers: &HeaderMap,
    body: &mut (impl Body<Data = Bytes> + Unpin),
    patience: Duration,
) -> Answered {
    app.metrics.count_rejection(reason);
    let limits = &app.limits;
    let (status, line) = match reason {
        Rejection::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("expected a body of at most {} bytes, found more", limits.max_body_bytes),
        ),
        Rejection::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            format!("expected the body within {:?}", limits.body(patience).time),
        ),
        Rejection::CutOff => (StatusCode::BAD_REQUEST, "the body broke off".to_owned()),
        Rejection::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "{} requests or {} bytes of them are under way, which is the limit",
                limits.max_in_flight, limits.max_buffered_bytes
            ),
        ),
        Rejection::ContentType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected the header Content-Type: application/json".to_owned(),
        ),
        Rejection::Method => (StatusCode::METHOD_NOT_ALLOWED, "expected POST".to_owned()),
        Rejection::Path => (StatusCode::NOT_FOUND, app.expected_paths().to_owned()),
        Rejection::NotAReview => (StatusCode::BAD_REQUEST, "not an AdmissionReview".to_owned()),
        Rejection::Handshake | Rejection::Connections | Rejection::Panic => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned())
        }
    };
    app.rejections.warn(reason, &line);
    // A slow body has had its time, and a client that asks first has not begun to send.
    if reason != Rejection::TooSlow && !headers.contains_key(header::EXPECT) {
        body::discard(body, limits.body(patience)).await;
    }
    let mut response = text(status, &line);
    if matches!(reason, Rejection::TooLarge | Rejection::TooSlow | Rejection::CutOff) {
        // What is left of the body must not be taken for the next request.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if reason == Rejection::Method {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    if reason == Rejection::Overloaded && patience >= TIME_FOR_ANOTHER {
        // The API server asks again then, and the crowd of one moment costs a person a second and not the Run. Whoever
        // goes on without an answer says so by a short patience, and is not made to wait.
        let later = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, later);
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
