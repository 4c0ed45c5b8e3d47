//! Answers as hyper sends them: whole bodies, written beside their heads.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// What every handler answers with.
pub(super) type Answered = Response<Full<Bytes>>;

/// A body of a type, with a status.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answered {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// JSON that says yes, or says why not in its own words.
pub(super) fn json(body: impl Into<Bytes>) -> Answered {
    answer(StatusCode::OK, "application/json", body)
}

/// One line for people.
pub(super) fn text(status: StatusCode, line: &str) -> Answered {
    answer(status, "text/plain; charset=utf-8", format!("{line}\n"))
}
