//! COUNT (NIP-45): how many events match any of the filters, counted in slices like a query is read.

use super::{
    mailbox::{Letter, Mailbox},
    refusals::Asked,
    room::Room,
    scan::{SLICE, UNREADABLE},
    shared::Shared,
    turns::Turn,
};
use crate::{
    metrics::Limited,
    store::Counting,
    wire::{Filter, SubscriptionId, Verdict, filter, reply},
};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Counts of one session that may be under way.
const MOST: usize = 16;

/// A count under way, which travels between the session and the read threads.
pub(super) struct Asking {
    id: SubscriptionId,
    counting: Counting,
    spent: Duration,
    allowed: Duration,
    begun: Instant,
    state: State,
    _room: Room,
}

enum State {
    More,
    Counted { events: u64, approximate: bool },
    Failed,
}

impl Asking {
    /// Counts one slice, on a read thread.
    fn run(&mut self) {
        let begun = Instant::now();
        let counted = self.counting.slice(SLICE);
        self.spent += begun.elapsed();
        self.state = match counted {
            Ok(Some(events)) => State::Counted {
                events,
                approximate: false,
            },
            Ok(None) if self.spent >= self.allowed => State::Counted {
                events: self.counting.so_far(),
                approximate: true,
            },
            Ok(None) => State::More,
            Err(error) => {
                tracing::error!(%error, "a count could not be read");
                State::Failed
            }
        };
    }
}

/// The counts of one session.
pub(super) struct Asks {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    address: IpAddr,
    running: usize,
}

impl Asks {
    /// `address` is the one whose share of room for filters they take.
    pub(super) fn new(shared: Arc<Shared>, mailbox: Arc<Mailbox>, address: IpAddr) -> Self {
        Self {
            shared,
            mailbox,
            address,
            running: 0,
        }
    }

    /// Begins a count. What the client may not see is not counted.
    ///
    /// # Errors
    /// The refusal when the client may not ask, or too many are under way.
    pub(super) fn begin(&mut self, id: SubscriptionId, filters: Vec<Filter>) -> Result<(), Turn> {
        let keys = self.mailbox.recipient.keys();
        if let Err(verdict) = self.shared.may_ask(&filters, &keys) {
            return Err(self.refuse(id, &verdict));
        }
        if self.running >= MOST {
            self.shared.metrics.limited(Limited::Subscriptions);
            let verdict = Verdict::rate_limited(format!("at most {MOST} counts at a time"));
            return Err(self.refuse(id, &verdict));
        }
        let room = match self.shared.room(self.address, filter::weight(&filters)) {
            Ok(room) => room,
            Err(verdict) => return Err(self.refuse(id, &verdict)),
        };
        self.running += 1;
        let recipient = Arc::clone(&self.mailbox.recipient);
        let asking = Asking {
            id,
            counting: self.shared.store.count(filters.into(), recipient),
            spent: Duration::ZERO,
            allowed: self.shared.hot.load().limits.query_time.get(),
            begun: Instant::now(),
            state: State::More,
            _room: room,
        };
        self.go_on(Box::new(asking));
        Ok(())
    }

    /// A slice came back: goes on, or gives the answer. Who lost the right to read meanwhile gets none.
    pub(super) fn counted(&mut self, asking: Box<Asking>) -> Option<Turn> {
        if let Err(verdict) = self.shared.may_read(&self.mailbox.recipient.keys()) {
            self.running -= 1;
            return Some(self.refuse(asking.id, &verdict));
        }
        let answer = match asking.state {
            State::More => {
                self.go_on(asking);
                return None;
            }
            State::Counted {
                events,
                approximate,
            } => {
                let count = reply::count(&asking.id, events, approximate);
                Turn::Counted(asking.id, count)
            }
            State::Failed => {
                let verdict = Verdict::error(UNREADABLE);
                self.refuse(asking.id, &verdict)
            }
        };
        self.running -= 1;
        let seconds = asking.begun.elapsed().as_secs_f64();
        self.shared.metrics.query_duration.observe(seconds);
        Some(answer)
    }

    fn go_on(&self, mut asking: Box<Asking>) {
        let promise = self.mailbox.promise();
        self.shared.readers.run(move || {
            asking.run();
            promise.keep(Letter::Counted(asking));
        });
    }

    /// CLOSED names an id and not a verb: the client takes a subscription of that id for ended, and so do we.
    fn refuse(&self, id: SubscriptionId, verdict: &Verdict) -> Turn {
        self.mailbox.refused(&self.shared, Asked::Query, verdict);
        let closed = reply::closed(&id, verdict);
        Turn::Refuse(id, closed)
    }
}
