//! EVENT messages as frames of the socket. What a slice found is many of them in few pieces of memory: one thread makes them
//! and another lets go of them, and to an allocator that is dear. A piece goes when its last message is sent: until then a
//! slice may hold two pieces more than what waits of it.

use crate::wire::{SubscriptionId, reply};
use bytes::Bytes;
use std::mem;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

/// Bytes of text that share one piece of memory: few enough that the allocator keeps it for the next.
const PIECE: usize = 32 << 10;

/// A frame of [`reply::event`]. Its text is known to be UTF-8, and not looked at again.
pub(super) fn event(text: impl Into<Bytes>) -> Message {
    Message::Frame(Frame::message(text, OpCode::Data(Data::Text), true))
}

/// EVENT messages in the order in which they were found.
#[derive(Default)]
pub(super) struct Frames {
    full: Vec<Piece>,
    /// The first one grows with what is found, which mostly is little.
    last: Piece,
    bytes: usize,
}

/// Messages one behind the other, and where each of them ends.
#[derive(Default)]
struct Piece {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    /// Adds the message for an event.
    pub(super) fn push(&mut self, id: &SubscriptionId, event: &[u8]) {
        let (held, more) = (self.last.text.len(), reply::event_bytes(id, event));
        if held > 0 && held + more > PIECE {
            self.full.push(mem::take(&mut self.last));
            self.last.text.reserve_exact(PIECE.max(more));
        }
        self.bytes += self.last.push(id, event);
    }

    /// Bytes of all messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All messages.
    pub(super) fn into_messages(self) -> impl Iterator<Item = Message> {
        let pieces = self.full.into_iter().chain([self.last]);
        pieces.flat_map(Piece::into_messages)
    }
}

impl Piece {
    /// Says how long the message is.
    fn push(&mut self, id: &SubscriptionId, event: &[u8]) -> usize {
        let begin = self.text.len();
        reply::push_event(&mut self.text, id, event);
        self.ends.push(self.text.len());
        self.text.len() - begin
    }

    fn into_messages(self) -> impl Iterator<Item = Message> {
        let (mut rest, mut begin) = (Bytes::from(self.text), 0);
        self.ends.into_iter().map(move |end| {
            let length = end - mem::replace(&mut begin, end);
            event(rest.split_to(length))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_were_put_in_whatever_their_size() {
        let id = SubscriptionId::new("a");
        let mixed = [
            9,
            1,
            700,
            PIECE,
            0,
            3,
            PIECE / 2,
            PIECE / 3,
            2,
            2 * PIECE,
            1,
            4,
        ];
        for (sizes, pieces) in [
            (&[][..], 1),
            (&[0], 1),
            (&[300; 150], 2),
            (&[40; 1300], 3),
            (&mixed, 5),
        ] {
            let events: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
            let wanted: Vec<String> = events
                .iter()
                .map(|event| format!("[\"EVENT\",\"a\",{event}]"))
                .collect();
            let mut frames = Frames::default();
            for event in &events {
                frames.push(&id, event.as_bytes());
            }
            assert_eq!(frames.bytes(), wanted.concat().len());
            assert_eq!(frames.full.len() + 1, pieces, "{sizes:?}");
            let longer = |piece: &&Piece| piece.text.capacity() > PIECE && piece.ends.len() > 1;
            assert_eq!(
                frames.full.iter().skip(1).filter(longer).count(),
                0,
                "{sizes:?}"
            );
            let messages: Vec<String> = frames
                .into_messages()
                .map(|message| message.into_text().unwrap().to_string())
                .collect();
            assert_eq!(messages, wanted);
        }
    }
}
