//! What a client sends, frame by frame (NIP-01, "From client to relay").

use super::{
    Session,
    leave::Ending,
    publish::{Incoming, Verb},
    refusals::Asked,
    turns::Turn,
};
use crate::wire::{ClientMessage, FrameLimits, Refusal, Verdict, frame, reply};
use futures::StreamExt;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{
    Error, Message, Utf8Bytes, error::CapacityError, protocol::frame::coding::CloseCode,
};

/// Frames that are read before anything else happens, and about their bytes.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 128 << 10;

/// Messages in a row that are none, after which the connection is closed.
const MALFORMED: u8 = 20;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Reads what is ready, up to a batch. Says whether there may be more.
    pub(super) fn read_frames(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        let mut bytes = 0;
        for _ in 0..BATCH {
            if bytes > BATCH_BYTES {
                return Ok(true);
            }
            self.deaf = !self.may_read();
            if self.deaf {
                return Ok(false);
            }
            match self.socket.poll_next_unpin(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(None) => return Err(Ending::Gone),
                Poll::Ready(Some(Err(error))) => return Err(unreadable(&error)),
                Poll::Ready(Some(Ok(message))) => {
                    bytes += message.len();
                    self.receive(message)?;
                }
            }
        }
        Ok(true)
    }

    fn receive(&mut self, message: Message) -> Result<(), Ending> {
        self.life.heard();
        match message {
            Message::Text(text) => self.receive_text(&text),
            Message::Binary(_) => Err(Ending::close(
                CloseCode::Unsupported,
                "binary frames are not used here",
            )),
            // Pings and closes are answered by the WebSocket layer.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn receive_text(&mut self, text: &Utf8Bytes) -> Result<(), Ending> {
        let limits = self.frame_limits();
        if text.len() > limits.0 {
            return Err(too_large());
        }
        match frame::read(text.as_str(), &limits.1) {
            Ok(message) => {
                self.malformed = 0;
                self.take_message(text, message);
                Ok(())
            }
            Err(Refusal::Closed { id, verdict }) => {
                self.malformed = 0;
                self.mailbox.refused(&self.shared, Asked::Query, &verdict);
                let closed = reply::closed(&id, &verdict);
                let bytes = closed.len();
                self.turns.push(Turn::Refuse(id, closed), bytes);
                Ok(())
            }
            Err(Refusal::Notice {
                verdict,
                counts_as_malformed,
            }) => self.notice(&verdict, counts_as_malformed),
        }
    }

    fn take_message(&mut self, text: &Utf8Bytes, message: ClientMessage<'_>) {
        match message {
            ClientMessage::Event(event) => self.take_event(Verb::Event, text, event),
            ClientMessage::Auth(event) => self.take_event(Verb::Auth, text, event),
            ClientMessage::Req { id, filters } => {
                self.turns.push(Turn::Req(id, filters), text.len());
            }
            ClientMessage::Count { id, filters } => {
                self.turns.push(Turn::Count(id, filters), text.len());
            }
            ClientMessage::Close(id) => self.turns.push(Turn::Close(id), text.len()),
            ClientMessage::Ping => self.outbox.say("pong".to_owned()),
            ClientMessage::Nothing => {}
        }
    }

    fn take_event(&mut self, verb: Verb, text: &Utf8Bytes, event: &str) {
        // Both are slices of one text: the difference of their addresses is a place in it.
        let start = event.as_ptr() as usize - text.as_ptr() as usize;
        self.publisher.push(Incoming {
            place: self.turns.event(),
            verb,
            frame: text.clone(),
            event: start..start + event.len(),
        });
    }

    fn notice(&mut self, verdict: &Verdict, malformed: bool) -> Result<(), Ending> {
        self.mailbox.refused(&self.shared, Asked::Message, verdict);
        self.answer_in_turn(reply::notice(verdict));
        self.malformed = if malformed { self.malformed + 1 } else { 0 };
        if self.malformed < MALFORMED {
            return Ok(());
        }
        Err(Ending::close(
            CloseCode::Policy,
            "too many messages that are none",
        ))
    }

    fn answer_in_turn(&mut self, frame: String) {
        let bytes = frame.len();
        self.turns.push(Turn::Say(frame), bytes);
    }

    /// The largest message, and what else bounds a frame.
    fn frame_limits(&self) -> (usize, FrameLimits) {
        let hot = self.shared.hot.load();
        let limits = FrameLimits {
            filters: hot.limits.filters.len(),
            filter_values: hot.limits.filter_values.len(),
            subscription_id_characters: hot.limits.subscription_id_characters.len(),
        };
        (hot.limits.message_bytes.len(), limits)
    }
}

fn too_large() -> Ending {
    Ending::Close {
        code: CloseCode::Size,
        reason: "message too large",
        notice: Some(Verdict::invalid("message too large")),
    }
}

/// How the session ends when the socket cannot be read.
fn unreadable(error: &Error) -> Ending {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => too_large(),
        Error::Utf8(_) => Ending::close(CloseCode::Invalid, "text frames are UTF-8"),
        Error::Protocol(_) => Ending::close(CloseCode::Protocol, "not a WebSocket frame"),
        _ => Ending::Gone,
    }
}
