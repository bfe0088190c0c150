//! A small Nostr client: what `relay health`, `import`, `export` and `bench` speak to a relay with.
//!
//! Messages are sent in batches (`feed`, then `flush` once) and read one by one; what they mean is [`Answer`]'s.
//! It never retries, never buffers without bound and never decides anything: its callers do.

pub mod answer;
pub mod dial;
pub mod get;
pub mod url;

pub use answer::Answer;
pub use dial::{Dialer, Trust};
pub use url::RelayUrl;

use crate::stream::Stream;
use futures::{FutureExt, SinkExt, StreamExt};
use rustls::HandshakeKind;
use std::{io, time::Duration};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};

/// The largest message that is read: a relay's answer is one event, and events are far smaller.
const MESSAGE_BYTES: usize = 64 << 20;

/// Why a relay could not be spoken to. Each text is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No TCP connection.
    #[error("cannot connect to {url}: {source}")]
    Connect {
        /// Whom we called.
        url: String,
        /// What the network said.
        source: io::Error,
    },
    /// We would not know whom to believe.
    #[error("{0}")]
    Trust(String),
    /// No TLS, or with somebody else.
    #[error("TLS with {url} failed: {problem}")]
    Tls {
        /// Whom we called.
        url: String,
        /// Why not.
        problem: String,
    },
    /// Something listens, but does not speak WebSocket (or HTTP) to us.
    #[error("{url} is no relay: {problem}")]
    NotARelay {
        /// Whom we called.
        url: String,
        /// What came instead.
        problem: String,
    },
    /// No answer in time.
    #[error("{url} did not {what} within {} s", .after.as_secs_f32())]
    TooSlow {
        /// Whom we called.
        url: String,
        /// What we waited for.
        what: &'static str,
        /// For how long.
        after: Duration,
    },
    /// The relay said goodbye.
    #[error("the relay closed the connection: {code} {reason}")]
    Closed {
        /// The close code (RFC 6455 §7.4).
        code: u16,
        /// The relay's words.
        reason: String,
    },
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
}

impl ClientError {
    /// Did the relay refuse a message for its size?
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Closed { code, .. } if *code == u16::from(CloseCode::Size))
    }
}

/// One WebSocket connection to a relay.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<Stream>,
}

impl Client {
    /// Connects and upgrades within `patience`. `TCP_NODELAY` is set.
    pub async fn connect(dialer: &Dialer, patience: Duration) -> Result<Self, ClientError> {
        let too_slow = |_| ClientError::TooSlow {
            url: dialer.url().to_string(),
            what: "open a WebSocket",
            after: patience,
        };
        timeout(patience, Self::open(dialer))
            .await
            .map_err(too_slow)?
    }

    async fn open(dialer: &Dialer) -> Result<Self, ClientError> {
        let stream = dialer.dial().await?;
        let url = dialer.url();
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(64 << 10)
            .max_message_size(Some(MESSAGE_BYTES))
            .max_frame_size(Some(MESSAGE_BYTES));
        let (socket, _) = client_async_with_config(url.to_string(), stream, Some(config))
            .await
            .map_err(|problem| ClientError::NotARelay {
                url: url.to_string(),
                problem: problem.to_string(),
            })?;
        Ok(Self { socket })
    }

    /// Puts one text message into the batch; it leaves with the next [`Client::flush`] or when the buffer is full.
    pub async fn feed(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), ClientError> {
        self.socket
            .feed(Message::Text(text.into()))
            .await
            .map_err(|problem| lost(&problem))
    }

    /// Sends the batch.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.socket.flush().await.map_err(|problem| lost(&problem))
    }

    /// Sends one text message at once.
    pub async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), ClientError> {
        self.feed(text).await?;
        self.flush().await
    }

    /// The next text message. Pings are answered, binary messages skipped; the end of the connection is an error.
    pub async fn next(&mut self) -> Result<Utf8Bytes, ClientError> {
        loop {
            let message = self.socket.next().await;
            if let Some(text) = text_of(message)? {
                return Ok(text);
            }
        }
    }

    /// The next text message, if one is there already.
    pub fn ready(&mut self) -> Result<Option<Utf8Bytes>, ClientError> {
        while let Some(message) = self.socket.next().now_or_never() {
            if let Some(text) = text_of(message)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Was its TLS session resumed from an earlier one?
    pub fn is_resumed(&self) -> bool {
        match self.socket.get_ref() {
            Stream::Plain(_) => false,
            Stream::Tls(stream) => {
                stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
            }
        }
    }

    /// Says goodbye; whatever goes wrong then no longer matters.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}

type Received = Option<Result<Message, tungstenite::Error>>;

fn text_of(message: Received) -> Result<Option<Utf8Bytes>, ClientError> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Close(frame))) => Err(frame.map_or_else(
            || ClientError::Lost("closed without a reason".into()),
            |frame| ClientError::Closed {
                code: frame.code.into(),
                reason: frame.reason.to_string(),
            },
        )),
        Some(Ok(_)) => Ok(None),
        Some(Err(problem)) => Err(lost(&problem)),
        None => Err(ClientError::Lost("end of stream".into())),
    }
}

fn lost(problem: &tungstenite::Error) -> ClientError {
    ClientError::Lost(problem.to_string())
}
