//! The plain port: what the kubelet and Prometheus ask.

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::App;
use super::answers::{Answered, answer, text};

/// The OpenMetrics text format, as [`crate::telemetry::Metrics::render`] writes it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `/livez`, `/readyz`, `/metrics` and nothing else.
pub(super) fn probe<B>(app: &App, request: &Request<B>) -> Answered {
    let probe = match request.uri().path() {
        "/livez" => livez,
        "/readyz" => readyz,
        "/metrics" => metrics,
        _ => return text(StatusCode::NOT_FOUND, "expected /livez, /readyz or /metrics"),
    };
    match *request.method() {
        Method::GET | Method::HEAD => probe(app),
        _ => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "expected GET");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            response
        }
    }
}

fn livez(_: &App) -> Answered {
    text(StatusCode::OK, "ok")
}

fn readyz(app: &App) -> Answered {
    let report = app
        .readiness
        .report(&app.policies.status(), app.identity.current().map(|pair| pair.expiry()));
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    match serde_json::to_vec(&report) {
        Ok(mut json) => {
            json.push(b'\n');
            answer(status, "application/json", json)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn metrics(app: &App) -> Answered {
    answer(StatusCode::OK, OPENMETRICS, app.metrics.render())
}
