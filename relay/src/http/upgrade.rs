//! From an HTTP request to a WebSocket (RFC 6455 §4.2): checks the request, answers 101, and hands the socket over.
//!
//! hyper gives the very socket back, so that neither its buffers nor its state machine live as long as the session does.
//! Bytes that a client sent right behind its request are kept.

use super::{gate::Full, reply};
use crate::{session, stream::Stream};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use warp::reply::Response;

/// A client's connection after the upgrade.
pub type Socket = WebSocketStream<Stream>;

/// The only version there is (RFC 6455 §4.4).
const VERSION: &str = "13";

/// Characters of a `Sec-WebSocket-Key`: 16 bytes in base64.
const KEY_CHARACTERS: usize = 24;

/// Why a request is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not version 13.
    Version,
    /// No usable key, or no `Connection: Upgrade`.
    Request,
    /// No place.
    Full(Full),
    /// The process is stopping.
    Stopping,
}

/// Does this request want to become a WebSocket?
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let value = headers.get(header::UPGRADE);
    value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The value of `Sec-WebSocket-Accept`, if the request is in order.
pub fn accept_key(headers: &HeaderMap) -> Result<String, Refused> {
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != VERSION) {
        return Err(Refused::Version);
    }
    if !is_connection_upgrade(headers) {
        return Err(Refused::Request);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes);
    match key {
        Some(key) if key.len() == KEY_CHARACTERS => Ok(derive_accept_key(key)),
        _ => Err(Refused::Request),
    }
}

/// `Connection` is a list of tokens; one of them must be `upgrade` (RFC 6455 §4.2.1).
fn is_connection_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

/// 101: from here on this is a WebSocket.
pub fn switching(accept_key: &str) -> Response {
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(accept_key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    response
}

/// The answer to a request that is not upgraded.
pub fn refusal(refused: Refused) -> Response {
    match refused {
        Refused::Version => {
            let mut response = reply::text(
                StatusCode::UPGRADE_REQUIRED,
                "only WebSocket version 13 is spoken here",
            );
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static(VERSION),
            );
            response
        }
        Refused::Request => reply::text(
            StatusCode::BAD_REQUEST,
            "not a WebSocket handshake (RFC 6455): Connection: Upgrade or Sec-WebSocket-Key is missing or wrong",
        ),
        Refused::Full(Full::Address) => reply::later(
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections from your address",
        ),
        Refused::Full(Full::Connections) => reply::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "this relay has as many connections as it may",
        ),
        Refused::Stopping => reply::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "this relay is shutting down",
        ),
    }
}

/// Waits for the answer to be sent, and takes the socket. None: the client went away meanwhile.
pub async fn socket(upgrade: OnUpgrade, message_bytes: usize) -> Option<Socket> {
    let (stream, early) = take(upgrade.await.ok()?)?;
    let part = early.to_vec(); // a copy: `Vec::from` could keep hyper's whole buffer
    drop(early);
    let config = session::websocket_config(message_bytes);
    Some(WebSocketStream::from_partially_read(stream, part, Role::Server, Some(config)).await)
}

/// The bare socket, and what had been read from it already. None is impossible: nobody else makes these connections.
fn take(upgraded: Upgraded) -> Option<(Stream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<header::HeaderName>().unwrap(),
                    value.parse::<HeaderValue>().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        let good = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(accept_key(&good).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn another_version_and_a_bad_key_are_refused() {
        let version = headers(&[
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(accept_key(&version), Err(Refused::Version));
        assert_eq!(
            refusal(Refused::Version).headers()["sec-websocket-version"],
            "13"
        );
        let key = headers(&[
            ("connection", "upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "short"),
        ]);
        assert_eq!(accept_key(&key), Err(Refused::Request));
        assert_eq!(
            accept_key(&headers(&[("sec-websocket-version", "13")])),
            Err(Refused::Request)
        );
    }

    #[test]
    fn upgrades_are_recognised_in_any_case() {
        assert!(is_wanted(&headers(&[("upgrade", "WebSocket")])));
        assert!(!is_wanted(&headers(&[("upgrade", "h2c")])));
        assert!(!is_wanted(&headers(&[])));
    }
}
