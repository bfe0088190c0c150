//! One open subscription: what it was sent, and what it keeps until its stored events are read.

use crate::{
    hub::{Delivery, Key},
    session::{outbox::Outbox, room::Room, scan::Scan},
    store::Committed,
    wire::{Filter, SubscriptionId},
};
use std::{mem, sync::Arc};

/// Bytes of event text that one subscription keeps while its stored events are read.
const BUFFER_BYTES: usize = 256 << 10;

/// One open subscription.
pub(in crate::session) struct Subscription {
    pub(in crate::session) key: Key,
    pub(in crate::session) id: SubscriptionId,
    pub(super) filters: Arc<[Filter]>,
    pub(super) weight: usize,
    /// `None`: it is one of the first few, which need none.
    pub(super) _room: Option<Room>,
    /// Everything up to here was sent, or did not match.
    pub(super) after: Committed,
    /// `None`: live.
    pub(super) catching_up: Option<Box<CatchingUp>>,
}

/// A subscription whose stored events are not all sent.
#[derive(Default)]
pub(super) struct CatchingUp {
    /// `None` while it is on a read thread.
    pub(super) scan: Option<Box<Scan>>,

    pub(super) buffer: Vec<Delivery>,
    pub(super) bytes: usize,
    /// The buffer overflowed: what arrived must be read from the log.
    pub(super) missed: bool,
    /// Ephemeral events that came and could not be kept: no log has them.
    pub(super) ephemeral: u64,
}

impl CatchingUp {
    pub(super) fn keep(&mut self, delivery: Delivery) {
        self.bytes += delivery.bytes();
        self.buffer.push(delivery);
        if self.missed || self.bytes > BUFFER_BYTES {
            self.miss();
        }
    }

    pub(super) fn miss(&mut self) {
        self.missed = true;
        let buffer = mem::take(&mut self.buffer);
        let ephemeral = buffer.iter().filter(|kept| kept.number.is_none());
        self.ephemeral += ephemeral.count() as u64;
        self.bytes = 0;
    }
}

impl Subscription {
    pub(super) fn name(&self) -> (Key, SubscriptionId) {
        (self.key, self.id.clone())
    }

    pub(super) fn hear(&mut self, delivery: Delivery, outbox: &mut Outbox) {
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.keep(delivery);
        } else if self.is_news(&delivery) {
            self.after = delivery.number.unwrap_or(self.after);
            outbox.live(delivery);
        }
    }

    /// Was it committed after what was sent? Ephemeral events always are news.
    fn is_news(&self, delivery: &Delivery) -> bool {
        delivery.number.is_none_or(|number| number > self.after)
    }

    pub(super) fn go_live(&mut self, outbox: &mut Outbox) {
        if let Some(caught_up) = self.catching_up.take() {
            for delivery in caught_up.buffer {
                self.hear(delivery, outbox);
            }
        }
    }
}
