//! REQ: stored events in slices, one EOSE, then what arrives; nothing lost, nothing twice.
//!
//! A subscription registers in the hub first and keeps what arrives in a buffer. Its first slice's read transaction fixes
//! the number N: stored rows count up to N, the buffer after N. A buffer that grows too large is thrown away and refilled
//! from the log. Slices are read on the read threads, and only while the outbox has room: so only live delivery can fill it.
//!
//! - `open`: one subscription, and what it keeps meanwhile

mod open;

use super::{
    mailbox::{Letter, Mailbox},
    outbox::Outbox,
    refusals::Asked,
    room::Room,
    scan::{Missed, Scan, Source, State, UNREADABLE},
    shared::Shared,
};
use crate::{
    hub::{
        Key,
        recipient::{Lost, OUTBOX_BYTES, Taken},
    },
    metrics::Limited,
    store::Committed,
    wire::{Filter, SubscriptionId, Verdict, filter, reply, reply::Completeness},
};
use open::{CatchingUp, Subscription};
use relay_config::Limits;
use std::{collections::VecDeque, mem, net::IpAddr, sync::Arc, time::Duration};

/// All filters of a connection together hold at most this many times the values that one may hold: room for a client that
/// asks for a few hundred authors in each of a hundred subscriptions.
const VALUES: usize = 20;

/// What the first filters of a connection may weigh together without room being asked for: who fills the room shuts nobody out.
const FREE: usize = 100;

/// Slices of one session that may be on the read threads at a time.
const SIDE_BY_SIDE: usize = 4;

/// Ids up to which a query for ids alone is answered in place: a look-up is no scan, and costs less than a hand-over.
const LOOK_UP: usize = 8;

/// A live delivery was lost because the client does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlowReader;

/// The subscriptions of one session, in the order of their keys.
pub(super) struct Subscriptions {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    address: IpAddr,
    open: Vec<Subscription>,
    /// Those with a slice to read, the one that waited longest first.
    waiting: VecDeque<Key>,
    running: usize,
    /// Filters and values of all that are open.
    weight: usize,
}

impl Subscriptions {
    /// `address` is the one whose share they take.
    pub(super) fn new(shared: Arc<Shared>, mailbox: Arc<Mailbox>, address: IpAddr) -> Self {
        Self {
            shared,
            mailbox,
            address,
            open: Vec::new(),
            waiting: VecDeque::new(),
            running: 0,
            weight: 0,
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&Subscription> {
        let at = self.position(key)?;
        self.open.get(at)
    }

    fn position(&self, key: Key) -> Option<usize> {
        self.open.binary_search_by_key(&key, |open| open.key).ok()
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Subscription> {
        let at = self.position(key)?;
        self.open.get_mut(at)
    }

    /// Begins a subscription, or begins it again: the same id replaces, also with the same filters (NIP-01).
    pub(super) fn begin(
        &mut self,
        id: SubscriptionId,
        mut filters: Vec<Filter>,
        outbox: &mut Outbox,
    ) {
        self.end(&id);
        let hot = self.shared.hot.load_full();
        let weight = filter::weight(&filters);
        let room = match self.admit(&filters, weight, &hot.limits) {
            Ok(room) => room,
            Err(verdict) => {
                self.mailbox.refused(&self.shared, Asked::Query, &verdict);
                return outbox.say(reply::closed(&id, &verdict));
            }
        };
        clamp(&mut filters, hot.limits.limit.get());
        let filters: Arc<[Filter]> = filters.into();
        let recipient = Arc::clone(&self.mailbox.recipient);
        let key = self
            .shared
            .hub
            .subscribe(Arc::clone(&recipient), Arc::clone(&filters));
        let mut subscription = Subscription {
            key,
            id,
            filters,
            weight,
            _room: room,
            after: Committed::NONE,
            catching_up: None,
        };
        let stored = with_stored_events(&subscription.filters);
        if stored.is_empty() {
            subscription.after = self.shared.store.committed();
            let nothing = subscription.filters.iter().all(Filter::matches_nothing);
            outbox.end(reply::eose(&subscription.id, completeness(!nothing)));
        } else {
            let is_look_up = is_look_up(&stored);
            let source = Source::Stored(self.shared.store.query(stored, recipient));
            let mut scan = Scan::new(subscription.name(), source, hot.limits.query_time.get());
            scan.is_look_up = is_look_up;
            subscription.catching_up = Some(Box::new(CatchingUp {
                scan: Some(scan),
                ..CatchingUp::default()
            }));
            self.waiting.push_back(key);
        }
        self.weight += weight;
        self.open.push(subscription);
        self.shared.metrics.active_subscriptions.inc();
    }

    /// Filters live as long as their subscription: all of them together are bounded too.
    fn admit(
        &self,
        filters: &[Filter],
        weight: usize,
        limits: &Limits,
    ) -> Result<Option<Room>, Verdict> {
        let most = VALUES * limits.filter_values.len();
        if self.weight + weight > most {
            self.shared.metrics.limited(Limited::Subscriptions);
            return Err(Verdict::rate_limited(format!(
                "the filters of all open subscriptions hold at most {most} values, close one first"
            )));
        }
        let most = limits.subscriptions.len();
        if self.open.len() >= most {
            self.shared.metrics.limited(Limited::Subscriptions);
            return Err(Verdict::rate_limited(format!(
                "at most {most} subscriptions are open at a time, close one first"
            )));
        }
        let keys = self.mailbox.recipient.keys();
        self.shared.may_ask(filters, &keys)?;
        // What every client needs is nobody's to take away.
        let is_charged = self.weight + weight > FREE;
        let room = is_charged.then(|| self.shared.room(self.address, weight));
        room.transpose()
    }

    /// Ends a subscription, if it is open.
    pub(super) fn end(&mut self, id: &SubscriptionId) {
        if let Some(at) = self.open.iter().position(|open| open.id == *id) {
            self.remove(at);
        }
    }

    /// Ends all of them with CLOSED: the client lost the right to read. What is on its way to them is for nobody now,
    /// because no subscription gets its key again.
    pub(super) fn withdraw(&mut self, verdict: &Verdict, outbox: &mut Outbox) {
        while !self.open.is_empty() {
            let ended = self.remove(0);
            outbox.say(reply::closed(&ended.id, verdict));
        }
    }

    fn remove(&mut self, at: usize) -> Subscription {
        let subscription = self.open.remove(at);
        self.weight -= subscription.weight;
        self.leave(subscription.key);
        subscription
    }

    fn leave(&self, key: Key) {
        self.shared.hub.unsubscribe(key);
        self.shared.metrics.active_subscriptions.dec();
    }

    /// Hands slices to the read threads while the outbox has room for what they find. Says whether something was found in
    /// place.
    pub(super) fn start_slices(&mut self, outbox: &mut Outbox) -> bool {
        let mut found = false;
        while self.running < SIDE_BY_SIDE && outbox.has_room() {
            let Some(key) = self.waiting.pop_front() else {
                // An idle session keeps no buffer.
                self.waiting = VecDeque::new();
                break;
            };
            let catching_up = self.get_mut(key).and_then(|open| open.catching_up.as_mut());
            if let Some(mut scan) = catching_up.and_then(|catching_up| catching_up.scan.take()) {
                self.running += 1;
                if scan.is_look_up && self.shared.warmth.is_warm() {
                    self.shared.warmth.measure(|| scan.run());
                    self.scanned(scan, outbox);
                    found = true;
                } else {
                    let promise = self.mailbox.promise();
                    self.shared.readers.run(move || {
                        scan.run();
                        promise.keep(Letter::Scanned(scan));
                    });
                }
            }
        }
        found
    }

    /// A slice came back.
    pub(super) fn scanned(&mut self, mut scan: Box<Scan>, outbox: &mut Outbox) {
        self.running -= 1;
        let key = scan.key;
        let Some(at) = self.position(key) else {
            return;
        };
        for frame in mem::take(&mut scan.found).into_messages() {
            outbox.stored(key, frame);
        }
        match scan.state {
            State::More => {
                if let Some(catching_up) = &mut self.open[at].catching_up {
                    catching_up.scan = Some(scan);
                    self.waiting.push_back(key);
                }
            }
            State::Done { cut } => self.read_to_the_end(at, &scan, cut, outbox),
            State::Failed => {
                let subscription = self.remove(at);
                let verdict = Verdict::error(UNREADABLE);
                outbox.say(reply::closed(&subscription.id, &verdict));
            }
        }
    }

    /// Everything stored was sent: EOSE, then what arrived meanwhile.
    fn read_to_the_end(&mut self, at: usize, scan: &Scan, cut: bool, outbox: &mut Outbox) {
        let subscription = &mut self.open[at];
        match &scan.source {
            Source::Stored(query) => {
                let seconds = scan.begun.elapsed().as_secs_f64();
                self.shared.metrics.query_duration.observe(seconds);
                subscription.after = query.snapshot().unwrap_or(Committed::NONE);
                outbox.end(reply::eose(&subscription.id, completeness(cut)));
            }
            Source::Missed(missed) => subscription.after = missed.upto,
        }
        let Some(catching_up) = &mut subscription.catching_up else {
            return;
        };
        let ephemeral = mem::take(&mut catching_up.ephemeral);
        self.shared.metrics.ephemeral_lost.inc_by(ephemeral);
        if catching_up.missed {
            self.refill(at);
        } else {
            subscription.go_live(outbox);
        }
    }

    /// Reads what the buffer could not keep from the log. The buffer begins anew first: what is announced from here on is
    /// in it, and what was committed before has a number up to `upto`.
    fn refill(&mut self, at: usize) {
        let subscription = &mut self.open[at];
        let Some(catching_up) = &mut subscription.catching_up else {
            return;
        };
        catching_up.missed = false;
        // A snapshot may be ahead of what the store has told yet.
        let upto = self.shared.store.committed().max(subscription.after);
        let missed = Missed {
            tail: self.shared.store.tail(subscription.after, upto),
            upto,
            filters: Arc::clone(&subscription.filters),
            recipient: Arc::clone(&self.mailbox.recipient),
        };
        let scan = Scan::new(subscription.name(), Source::Missed(missed), Duration::MAX);
        if let Some(catching_up) = &mut subscription.catching_up {
            catching_up.scan = Some(scan);
        }
        self.waiting.push_back(subscription.key);
    }

    /// Live events that the hub put down.
    ///
    /// # Errors
    /// When one for a live subscription was lost.
    pub(super) fn deliver(&mut self, taken: Taken, outbox: &mut Outbox) -> Result<(), SlowReader> {
        let reads = outbox.live_bytes() <= OUTBOX_BYTES / 2;
        let first = taken.first().map_or(0, Committed::get);
        let heard = Committed::resume(first.saturating_sub(1));
        for lost in taken.lost {
            self.lost(lost, heard, reads)?;
        }
        for delivery in taken.deliveries {
            if let Some(subscription) = self.get_mut(delivery.subscription) {
                subscription.hear(delivery, outbox);
            }
        }
        Ok(())
    }

    /// Too much arrived at once. A client that reads gets it from the log, in order; one that does not is let go. A live
    /// subscription has heard everything up to `heard`, however long ago something matched: the log is read from there.
    fn lost(&mut self, lost: Lost, heard: Committed, reads: bool) -> Result<(), SlowReader> {
        self.shared.metrics.ephemeral_lost.inc_by(lost.ephemeral);
        let Some(at) = self.position(lost.subscription) else {
            return Ok(());
        };
        let subscription = &mut self.open[at];
        match &mut subscription.catching_up {
            None if !reads => return Err(SlowReader),
            _ if lost.first.is_none() => {}
            Some(catching_up) => catching_up.miss(),
            None => {
                subscription.after = subscription.after.max(heard);
                subscription.catching_up = Some(Box::default());
                self.refill(at);
            }
        }
        Ok(())
    }

    /// The ids of all open subscriptions.
    pub(super) fn ids(&self) -> impl Iterator<Item = &SubscriptionId> {
        self.open.iter().map(|open| &open.id)
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.open.iter().for_each(|open| self.leave(open.key));
    }
}

/// `limit` is clamped silently, and is the most when it is absent (NIP-01).
pub(super) fn clamp(filters: &mut [Filter], most: u64) {
    for filter in filters {
        filter.limit = Some(filter.limit.map_or(most, |limit| limit.min(most)));
    }
}

/// Those filters that ask for stored events: `limit` 0 asks for live ones only.
fn with_stored_events(filters: &[Filter]) -> Arc<[Filter]> {
    let asks = |filter: &&Filter| filter.limit != Some(0) && !filter.matches_nothing();
    filters.iter().filter(asks).cloned().collect()
}

/// Do the filters name a few ids each and nothing else that must be searched for?
fn is_look_up(filters: &[Filter]) -> bool {
    let ids = |filter: &Filter| filter.ids.as_ref().map_or(LOOK_UP + 1, Vec::len);
    filters.iter().map(ids).sum::<usize>() <= LOOK_UP
}

fn completeness(cut: bool) -> Completeness {
    if cut {
        Completeness::More
    } else {
        Completeness::Finish
    }
}

#[cfg(test)]
mod tests;
