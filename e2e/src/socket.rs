//! A WebSocket client that speaks NIP-01 and NIP-42, independent of the relay's own code.

use crate::events::authentication;
use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt};
use nostr::prelude::{Event, Keys};
use serde_json::{Value, json, value::RawValue};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Any byte stream: a TCP connection or a port forwarded by the API server.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// An open connection to a relay.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Wire>>,
    challenge: Option<String>,
}

/// What a relay sends.
#[derive(Debug)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A close frame: its code and reason. Code 1006: the connection ended without one.
    Closed(u16, String),
}

/// The answer to an EVENT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Is it stored?
    pub accepted: bool,
    /// The words behind it.
    pub reason: String,
}

impl Socket {
    /// Shakes hands over `wire`.
    pub async fn open(wire: Box<dyn Wire>) -> Result<Self> {
        let (stream, _) = timeout(PATIENCE, client_async("ws://relay.test/", wire)).await??;
        Ok(Self {
            stream,
            challenge: None,
        })
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &Value) -> Result<()> {
        Ok(self.stream.send(Message::text(message.to_string())).await?)
    }

    /// Sends an event text just as it is.
    pub async fn send_event(&mut self, text: &str) -> Result<()> {
        Ok(self
            .stream
            .send(Message::text(format!(r#"["EVENT",{text}]"#)))
            .await?)
    }

    /// Proves `keys` (NIP-42) to the relay that clients know as `url`.
    pub async fn authenticate(&mut self, keys: &Keys, url: &str) -> Result<()> {
        let proof = authentication(keys, url, &self.challenge().await?);
        self.send(&json!(["AUTH", proof])).await?;
        let (id, verdict) = self.verdict().await?;
        ensure!(id == proof.id.to_hex() && verdict.accepted, "{verdict:?}");
        Ok(())
    }

    /// The newest challenge; waits for the first, which a relay sends before anything else.
    async fn challenge(&mut self) -> Result<String> {
        loop {
            if let Some(challenge) = &self.challenge {
                return Ok(challenge.clone());
            }
            let frame = self.frame().await?;
            if !self.remembers(&frame) {
                bail!("{frame:?} where a challenge belongs");
            }
        }
    }

    /// The next text or close frame, challenges left out: they are kept for [`Self::authenticate`].
    pub async fn next(&mut self) -> Result<Frame> {
        loop {
            let frame = self.frame().await?;
            if !self.remembers(&frame) {
                return Ok(frame);
            }
        }
    }

    fn remembers(&mut self, frame: &Frame) -> bool {
        let Frame::Text(text) = frame else {
            return false;
        };
        let challenge = serde_json::from_str::<(String, String)>(text)
            .ok()
            .filter(|(verb, _)| verb == "AUTH");
        let is_challenge = challenge.is_some();
        self.challenge = challenge.map(|(_, it)| it).or(self.challenge.take());
        is_challenge
    }

    async fn frame(&mut self) -> Result<Frame> {
        loop {
            let next = timeout(PATIENCE, self.stream.next())
                .await
                .context("the relay says nothing")?;
            match next {
                Some(Ok(Message::Text(text))) => return Ok(Frame::Text(text.to_string())),
                Some(Ok(Message::Close(frame))) => {
                    let frame =
                        frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                    let (code, reason) = frame.unwrap_or((1005, String::new()));
                    return Ok(Frame::Closed(code, reason));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Ok(Frame::Closed(1006, error.to_string())),
                None => return Ok(Frame::Closed(1006, "the connection ended".into())),
            }
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> Result<Vec<Value>> {
        match self.next().await? {
            Frame::Text(text) => Ok(serde_json::from_str(&text)?),
            Frame::Closed(code, reason) => bail!("the relay closed: {code} {reason}"),
        }
    }

    /// Publishes one event and waits for its verdict.
    pub async fn publish(&mut self, event: &Event) -> Result<Verdict> {
        self.send_event(&event.as_json()).await?;
        let (id, verdict) = self.verdict().await?;
        if id != event.id.to_hex() {
            bail!("OK for {id} instead of {}", event.id);
        }
        Ok(verdict)
    }

    /// The next OK, with the event id it is about.
    pub async fn verdict(&mut self) -> Result<(String, Verdict)> {
        let message = self.message().await?;
        match message.as_slice() {
            [
                verb,
                Value::String(id),
                Value::Bool(accepted),
                Value::String(reason),
            ] if verb == "OK" => Ok((
                id.clone(),
                Verdict {
                    accepted: *accepted,
                    reason: reason.clone(),
                },
            )),
            other => bail!("{other:?} where an OK belongs"),
        }
    }

    /// The stored events of one filter, each with the very bytes that the relay sent.
    pub async fn stored(&mut self, filter: &Value) -> Result<Vec<String>> {
        self.send(&json!(["REQ", "stored", filter])).await?;
        let mut found = Vec::new();
        loop {
            let Frame::Text(text) = self.next().await? else {
                bail!("closed before EOSE");
            };
            let parts: Vec<&RawValue> = serde_json::from_str(&text)?;
            match parts.first().map(|verb| verb.get()) {
                Some(r#""EVENT""#) => found.push(
                    parts
                        .get(2)
                        .context("EVENT without event")?
                        .get()
                        .to_owned(),
                ),
                Some(r#""EOSE""#) => break,
                _ => bail!("{text} where EVENT or EOSE belongs"),
            }
        }
        self.send(&json!(["CLOSE", "stored"])).await?;
        Ok(found)
    }
}
