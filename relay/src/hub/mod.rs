//! Who hears an event: the live subscriptions of all sessions, and the one thread that passes events on to them.
//!
//! - [`index`](self::index) finds the live filters that match, at the cost of the matches; `slots` keeps them
//! - [`fanout`](self::fanout) is that thread: messages in, deliveries out, each session woken once per group
//! - [`recipient`](self::recipient) is what a session shares with the hub: its deliveries, and how to wake it
//! - [`flow`](self::flow) bounds the events that are on their way through all of it
//!
//! The hub never looks into the store and never waits for a session. Sessions never wait for the hub: they leave messages.
//! A subscription is in force for every commit that is announced after its message was left.

pub mod fanout;
pub mod flow;
pub mod index;
pub mod recipient;
mod slots;

pub use flow::{Flow, Held, cost};
pub use index::Key;
pub use recipient::{Delivery, Keys, Recipient};

use crate::{
    metrics::Metrics,
    obituary::Obituary,
    store::{Committed, Listener},
    wire::{Filter, Verified, filter},
};
use fanout::{Message, Queue};
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A handle on the hub. Its thread ends when the last handle is gone.
#[derive(Clone)]
pub struct Hub {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
    next: AtomicU64,
}

impl Hub {
    /// Starts the hub's thread, which holds `obituary`: without it nobody hears anything any more.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(metrics: Arc<Metrics>, obituary: Obituary) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(metrics));
        let handle = Handle {
            queue: Arc::clone(&queue),
            next: AtomicU64::new(1),
        };
        thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                let _obituary = obituary;
                fanout::run(&queue);
            })?;
        Ok(Self {
            handle: Arc::new(handle),
        })
    }

    /// From now on `recipient` hears what one of `filters` matches, under the key that is returned.
    pub fn subscribe(&self, recipient: Arc<Recipient>, filters: Arc<[Filter]>) -> Key {
        let key = Key(self.handle.next.fetch_add(1, Ordering::Relaxed));
        let weight = filter::weight(&filters);
        recipient.asked(weight);
        self.handle.queue.leave(Message::Subscribe {
            key,
            filters,
            recipient,
            weight,
        });
        key
    }

    /// Ends a subscription. What is on its way still arrives.
    pub fn unsubscribe(&self, key: Key) {
        self.handle.queue.leave(Message::Unsubscribe(key));
    }

    /// Passes on events that are not stored; `held` is free again when that is done.
    pub fn pass_on(&self, events: Vec<Verified>, held: Held) {
        let events = events.into_iter().map(|event| (None, event)).collect();
        self.handle.queue.announce(events, vec![held]);
    }

    /// Some of the batch that holds this were stored: it is free again when what is announced next was passed on. Called
    /// on the writer thread with the answers, which come before the announcement.
    pub fn hold(&self, held: Held) {
        self.handle.queue.hold(held);
    }
}

impl Listener for Hub {
    fn committed(&self, _upto: Committed, events: &[(Committed, Verified)]) {
        let events = events.iter();
        let events = events.map(|(number, event)| (Some(*number), event.clone()));
        let held = self.handle.queue.take_held();
        self.handle.queue.announce(events.collect(), held);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Hub").finish_non_exhaustive()
    }
}
