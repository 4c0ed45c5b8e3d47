//! The plain port: what the kubelet and Prometheus ask.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::webhooks::text;

/// The OpenMetrics text format, as [`crate::telemetry::Metrics::render`] writes it.
const OPENMETRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// `/livez`, `/readyz`, `/metrics` and nothing else.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/livez", get(async || text(StatusCode::OK, "ok")))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || text(StatusCode::METHOD_NOT_ALLOWED, "expected GET"))
        .fallback(async || text(StatusCode::NOT_FOUND, "expected /livez, /readyz or /metrics"))
        .with_state(app)
}

async fn readyz(State(app): State<Arc<App>>) -> Response {
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
            let content_type = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, content_type)], json).into_response()
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], app.metrics.render()).into_response()
}
