//! What waits to be written to one client: bounded, because replies are produced only while there is room, and live events
//! are counted by the hub, which lets go of who does not read.

use super::{frames, subscribe::Subscriptions};
use crate::{
    hub::{Delivery, Key},
    wire::{SubscriptionId, Verdict, reply},
};
use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::Message;

/// Bytes of replies up to which queries go on and the socket is read.
const ROOM: usize = 256 << 10;

enum Item {
    /// A frame that is sent in any case.
    Frame(Message),
    /// The end of what is stored, sent unless the client lost the right to read.
    End(Message),
    /// A count, answered otherwise if the client lost the right to read.
    Count(SubscriptionId, Message),
    /// A stored event, sent if its subscription is still open.
    Stored(Key, Message),
    /// A live event, likewise; its frame is made when it is sent, so that waiting costs no copy.
    Live(Delivery),
}

/// Frames in the order in which they are sent.
#[derive(Default)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    /// Bytes of replies.
    replies: usize,
    /// Bytes of live events.
    live: usize,
}

impl Outbox {
    /// A frame that answers something.
    pub(super) fn say(&mut self, text: String) {
        self.frame(Message::text(text));
    }

    pub(super) fn frame(&mut self, message: Message) {
        self.replies += message.len();
        self.items.push_back(Item::Frame(message));
    }

    /// EOSE.
    pub(super) fn end(&mut self, text: String) {
        self.replies += text.len();
        self.items.push_back(Item::End(Message::text(text)));
    }

    /// The answer to a COUNT.
    pub(super) fn count(&mut self, id: SubscriptionId, text: String) {
        self.replies += text.len();
        self.items.push_back(Item::Count(id, Message::text(text)));
    }

    pub(super) fn stored(&mut self, subscription: Key, message: Message) {
        self.replies += message.len();
        self.items.push_back(Item::Stored(subscription, message));
    }

    pub(super) fn live(&mut self, delivery: Delivery) {
        self.live += delivery.bytes();
        self.items.push_back(Item::Live(delivery));
    }

    /// The next frame to send, if any; says in the second place whether it is a live one.
    pub(super) fn next(&mut self, subscriptions: &Subscriptions) -> Option<(Message, bool)> {
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::Frame(message) | Item::End(message) | Item::Count(_, message) => {
                    self.replies -= message.len();
                    return Some((message, false));
                }
                Item::Stored(key, message) => {
                    self.replies -= message.len();
                    if subscriptions.get(key).is_some() {
                        return Some((message, false));
                    }
                }
                Item::Live(delivery) => {
                    self.live -= delivery.bytes();
                    if let Some(subscription) = subscriptions.get(delivery.subscription) {
                        let text = reply::event(&subscription.id, delivery.event.text());
                        return Some((frames::event(text), true));
                    }
                }
            }
        }
        // An idle session keeps no buffer.
        self.items = VecDeque::new();
        None
    }

    /// The client lost the right to read: nothing that was read for it is sent any more. Answers to what it wrote stay.
    pub(super) fn withdraw(&mut self, verdict: &Verdict) {
        for item in std::mem::take(self).items {
            match item {
                Item::Frame(message) => self.frame(message),
                Item::Count(id, _) => self.say(reply::closed(&id, verdict)),
                Item::End(_) | Item::Stored(..) | Item::Live(_) => {}
            }
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.replies < ROOM
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of live events that wait.
    pub(super) fn live_bytes(&self) -> usize {
        self.live
    }

    /// Forgets everything: what was to be sent will not be read.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
