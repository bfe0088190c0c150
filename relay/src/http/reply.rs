//! HTTP answers: the few forms that all routes share.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use warp::reply::Response;

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// One line for people.
pub fn text(status: StatusCode, line: &str) -> Response {
    body(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

/// One line for people, who may come back in a minute.
pub fn later(status: StatusCode, line: &str) -> Response {
    let mut response = text(status, line);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

/// A JSON document.
pub fn json(content_type: &'static str, document: &impl Serialize) -> Response {
    match serde_json::to_string(document) {
        Ok(json) => body(StatusCode::OK, content_type, json),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR), // our documents have no maps with odd keys
    }
}

/// Any text with its media type, which browsers must not second-guess.
pub fn body(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
