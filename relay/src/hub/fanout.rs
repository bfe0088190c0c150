//! The hub's thread: sessions and the writer leave messages, it keeps the index and puts events into the recipients.
//!
//! Subscriptions alone do not wake it: they are taken up, in order, before the next event. So a REQ that ends at once
//! costs two short messages and no hand-over to another thread.

use super::{Delivery, Flow, Key, Recipient, cost, index::Index};
use crate::{
    metrics::Metrics,
    store::Committed,
    wire::{Filter, Verified},
};
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// With this many messages waiting the thread is woken even if no event is among them.
const MESSAGES: usize = 512;

/// Events that belong together: a group of the writer, or the ephemeral ones of a batch.
type Group = Vec<(Option<Committed>, Verified)>;

/// What can be left for the hub's thread.
pub(super) enum Message {
    Subscribe {
        key: Key,
        filters: Arc<[Filter]>,
        recipient: Arc<Recipient>,
    },
    Unsubscribe(Key),
    Events {
        group: Group,
        /// What was taken from the flow for them, and is given back when they are passed on.
        held: usize,
    },
}

/// The messages, in the order in which they were left.
pub(super) struct Queue {
    flow: Flow,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    wanted: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(flow: Flow, metrics: Arc<Metrics>) -> Self {
        Self {
            flow,
            metrics,
            state: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    pub(super) fn leave(&self, message: Message) {
        let mut state = self.lock();
        let urgent = matches!(message, Message::Events { .. });
        state.messages.push_back(message);
        if urgent || state.messages.len() >= MESSAGES {
            let wake = !mem::replace(&mut state.wanted, true);
            drop(state);
            if wake {
                self.filled.notify_one();
            }
        }
    }

    /// The writer does not wait for the hub; instead, sessions hand over less while events wait here.
    pub(super) fn announce(&self, group: Group) {
        if group.is_empty() {
            return;
        }
        let bytes = group.iter().map(|(_, event)| event.text().len());
        let units: u32 = bytes.map(cost).sum();
        let held = self.flow.forget_permits(units as usize);
        self.leave(Message::Events { group, held });
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the thread is wanted; `None` when the hub is gone.
    fn next(&self) -> Option<VecDeque<Message>> {
        let mut state = self.lock();
        while !state.wanted {
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.wanted = false;
        Some(mem::take(&mut state.messages))
    }
}

/// The thread's loop.
pub(super) fn run(queue: &Queue) {
    let mut index = Index::default();
    let mut touched = Vec::new();
    while let Some(messages) = queue.next() {
        for message in messages {
            match message {
                Message::Subscribe {
                    key,
                    filters,
                    recipient,
                } => index.insert(key, filters, recipient),
                Message::Unsubscribe(key) => drop(index.remove(key)),
                Message::Events { group, held } => {
                    pass_on(&mut index, &group, &mut touched, &queue.metrics);
                    touched.drain(..).for_each(|recipient| recipient.wake());
                    queue.flow.add_permits(held);
                }
            }
        }
    }
}

/// Puts a group's events into the recipients that may see them; `touched` is filled with the recipients to wake.
fn pass_on(
    index: &mut Index<Arc<Recipient>>,
    group: &Group,
    touched: &mut Vec<Arc<Recipient>>,
    metrics: &Metrics,
) {
    let mut deliveries = 0;
    for (number, event) in group {
        if number.is_some() {
            metrics.stored(event.kind());
        }
        index.matches(event, |subscription, recipient| {
            if !recipient.may_read(event.kind()) {
                return;
            }
            deliveries += 1;
            let delivery = Delivery {
                subscription,
                number: *number,
                event: event.clone(),
            };
            if recipient.put(delivery) {
                touched.push(Arc::clone(recipient));
            }
        });
    }
    metrics.deliveries.inc_by(deliveries);
}
