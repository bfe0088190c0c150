//! One HTTP request on a connection of its own: the relay information document (NIP-11) and the ops port.
//!
//! HTTP/1.0 on purpose: the answer is never chunked and ends with the connection.

use super::{ClientError, Dialer};
use std::{io::ErrorKind, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Longest answer that is read.
const BODY_BYTES: u64 = 1 << 20;

/// How an answer begins whose sender expected TLS (RFC 8446 §5.1): a record of type alert.
const TLS_ALERT: &[u8] = &[21, 3];

/// What to ask.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET` or `POST`, without a body.
    pub method: &'a str,
    /// Where.
    pub path: &'a str,
    /// The `Accept` header.
    pub accept: &'a str,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// Asks within `patience`.
pub async fn request(
    dialer: &Dialer,
    request: Request<'_>,
    patience: Duration,
) -> Result<Response, ClientError> {
    let url = dialer.url();
    let answer = timeout(patience, exchange(dialer, request)).await;
    let bytes = answer.map_err(|_| ClientError::TooSlow {
        url: url.to_string(),
        what: "answer over HTTP",
        after: patience,
    })??;
    read(&bytes).ok_or_else(|| ClientError::NotARelay {
        url: url.to_string(),
        problem: if bytes.starts_with(TLS_ALERT) {
            "it speaks TLS: write wss://".into()
        } else {
            "what it answers is not HTTP".into()
        },
    })
}

async fn exchange(dialer: &Dialer, request: Request<'_>) -> Result<Vec<u8>, ClientError> {
    let mut stream = dialer.dial().await?;
    let head = format!(
        "{} {} HTTP/1.0\r\nHost: {}\r\nAccept: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        request.method,
        request.path,
        dialer.url().authority(),
        request.accept
    );
    let lost = |problem: std::io::Error| ClientError::Lost(problem.to_string());
    stream.write_all(head.as_bytes()).await.map_err(lost)?;
    let mut bytes = Vec::new();
    let read = stream.take(BODY_BYTES).read_to_end(&mut bytes).await;
    match read {
        // Many servers end TLS without saying so.
        Err(problem) if bytes.is_empty() || problem.kind() != ErrorKind::UnexpectedEof => {
            Err(lost(problem))
        }
        _ => Ok(bytes),
    }
}

fn read(bytes: &[u8]) -> Option<Response> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    Some(Response {
        status: words.next()?.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_and_body() {
        let seen = read(b"HTTP/1.0 404 Not Found\r\nX: y\r\n\r\nno\r\n\r\nmore").unwrap();
        assert_eq!((seen.status, seen.body.as_str()), (404, "no\r\n\r\nmore"));
    }

    #[test]
    fn what_is_not_http_is_none() {
        for bytes in [
            &b""[..],
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 x\r\n\r\n",
            b"\xff",
        ] {
            assert_eq!(read(bytes), None);
        }
    }
}
