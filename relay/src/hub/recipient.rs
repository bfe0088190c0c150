//! One session as the hub and the other threads see it: what was put down for it, and how to wake it.

use super::Key;
use crate::{
    policy::private::Addressed,
    role::Role,
    store::{Committed, Row, Sight},
    wire::{PublicKey, Verified},
};
use arc_swap::ArcSwapOption;
use futures::task::AtomicWaker;
use std::{
    fmt, mem,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

/// Bytes of event text that may wait for one session, taken by it or not. The text itself is shared by all recipients.
pub const OUTBOX_BYTES: usize = 4 << 20;

/// Filters and values of one session that may wait for the hub; then the session's socket is not read.
pub(super) const PENDING: usize = 16 << 10;

/// An event on its way to one subscription.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The subscription that it matched.
    pub subscription: Key,
    /// Its commit number; ephemeral events have none.
    pub number: Option<Committed>,
    /// The event, shared.
    pub event: Verified,
}

impl Delivery {
    /// What it weighs in an outbox.
    pub fn bytes(&self) -> usize {
        self.event.text().len()
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Put {
    /// It is there; else it was thrown away.
    pub(super) fits: bool,
    /// The session must be woken, once the group is complete.
    pub(super) wakes: bool,
}

/// What a session finds when it looks.
#[derive(Debug, Default)]
pub struct Taken {
    /// In the order of their commit numbers.
    pub deliveries: Vec<Delivery>,
    /// Subscriptions of which deliveries were thrown away because too much waited.
    pub lost: Vec<Lost>,
}

/// A subscription of which deliveries were thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose they were.
    pub subscription: Key,
    /// The first of them that is stored, and so can be had from the log; `None` when all were ephemeral.
    pub first: Option<Committed>,
    /// How many were ephemeral: nobody has them any more.
    pub ephemeral: u64,
}

impl Taken {
    /// The first stored event among all of these: what was announced before it was taken before.
    pub fn first(&self) -> Option<Committed> {
        let put = self.deliveries.iter().find_map(|put| put.number);
        let lost = self.lost.iter().filter_map(|lost| lost.first);
        lost.chain(put).min()
    }
}

/// The keys that a client proved (NIP-42), in the order in which it did. They are only ever added to.
#[derive(Clone, Debug, Default)]
pub struct Keys(Option<Arc<Vec<PublicKey>>>);

impl Deref for Keys {
    type Target = [PublicKey];

    fn deref(&self) -> &[PublicKey] {
        self.0.as_ref().map_or(&[], |keys| keys.as_slice())
    }
}

/// A session's place in the hub.
pub struct Recipient {
    role: Arc<dyn Role>,
    keys: ArcSwapOption<Vec<PublicKey>>,
    waker: AtomicWaker,
    inbox: Mutex<Inbox>,
    /// Weight of subscriptions that the hub did not take up yet.
    pending: AtomicUsize,
}

#[derive(Default)]
struct Inbox {
    taken: Taken,
    /// Bytes in `taken`.
    bytes: usize,
    /// Bytes of live events that the session took and could not yet write.
    unsent: usize,
    /// The session was told that something is here, or looks by itself before long.
    told: bool,
}

impl Recipient {
    /// A recipient that may read what `role` shows it.
    pub fn new(role: Arc<dyn Role>) -> Self {
        Self {
            role,
            keys: ArcSwapOption::empty(),
            waker: AtomicWaker::new(),
            inbox: Mutex::default(),
            pending: AtomicUsize::new(0),
        }
    }

    /// The visibility predicate of this client, under REQ, COUNT, live delivery and what is refilled from the log alike.
    /// What is open to all costs one look at its kind.
    pub fn may_read(&self, event: &impl Addressed) -> bool {
        if self.role.is_open(event.kind()) {
            return true;
        }
        let keys = self.keys.load();
        let keys = keys.as_deref().map_or(&[][..], Vec::as_slice);
        self.role.may_read(event, keys)
    }

    /// The keys that the client proved.
    pub fn keys(&self) -> Keys {
        Keys(self.keys.load_full())
    }

    /// The client proved one key more. Called by one thread at a time: a session has one batch under way.
    pub fn prove(&self, key: PublicKey) {
        let mut keys = self.keys().to_vec();
        keys.push(key);
        self.keys.store(Some(Arc::new(keys)));
    }

    /// Has the hub taken up enough of this session's subscriptions that it may ask for more?
    pub fn has_room(&self) -> bool {
        self.pending.load(Ordering::Relaxed) < PENDING
    }

    /// The session left a subscription of this weight for the hub.
    pub(super) fn asked(&self, weight: usize) {
        self.pending.fetch_add(weight, Ordering::Relaxed);
    }

    /// The hub took it up.
    pub(super) fn taken_up(&self, weight: usize) {
        let before = self.pending.fetch_sub(weight, Ordering::Relaxed);
        if before >= PENDING && before - weight < PENDING {
            self.wake();
        }
    }

    /// The session is woken through `waker` from now on.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Makes the session look at what was put down for it.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Puts down a delivery, if there is room for it.
    pub(super) fn put(&self, delivery: Delivery) -> Put {
        let mut inbox = self.lock();
        let bytes = delivery.bytes();
        let waiting = inbox.bytes + inbox.unsent;
        // A lone event goes through, however large: the message limit bounds it.
        let fits = waiting == 0 || waiting + bytes <= OUTBOX_BYTES;
        if fits {
            inbox.bytes += bytes;
            inbox.taken.deliveries.push(delivery);
        } else {
            inbox.throw_away(&delivery);
        }
        Put {
            fits,
            wakes: !mem::replace(&mut inbox.told, true),
        }
    }

    /// Everything that was put down, while `unsent` bytes of what was taken before still wait to be written.
    pub fn take(&self, unsent: usize) -> Taken {
        let mut inbox = self.lock();
        inbox.unsent = unsent;
        inbox.bytes = 0;
        inbox.told = false;
        mem::take(&mut inbox.taken)
    }

    /// Says how many bytes of taken deliveries still wait to be written.
    pub fn set_unsent(&self, unsent: usize) {
        self.lock().unsent = unsent;
    }

    /// Is there nothing to take?
    pub fn is_empty(&self) -> bool {
        let inbox = self.lock();
        inbox.taken.deliveries.is_empty() && inbox.taken.lost.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sight for Recipient {
    fn sees(&self, row: &Row<'_>) -> bool {
        self.may_read(row)
    }
}

impl Addressed for Row<'_> {
    fn kind(&self) -> u16 {
        Row::kind(self)
    }

    fn is_for(&self, key: &PublicKey) -> bool {
        Row::is_for(self, key)
    }
}

impl Inbox {
    /// Once something is lost, what follows for the same subscription would leave a gap: the session decides what to do.
    fn throw_away(&mut self, delivery: &Delivery) {
        let subscription = delivery.subscription;
        let ephemeral = u64::from(delivery.number.is_none());
        let same = |lost: &&mut Lost| lost.subscription == subscription;
        if let Some(lost) = self.taken.lost.iter_mut().find(same) {
            lost.first = lost.first.or(delivery.number);
            lost.ephemeral += ephemeral;
        } else {
            self.taken.lost.push(Lost {
                subscription,
                first: delivery.number,
                ephemeral,
            });
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Recipient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{role::Relay, sign::Signer, wire::Event};

    fn delivery(subscription: u64, bytes: usize) -> Delivery {
        let text = Signer::from_seed(1).event(1, 1, &[], &"x".repeat(bytes));
        Delivery {
            subscription: Key(subscription),
            number: None,
            event: Verified::check(Event::read(&text).unwrap()).unwrap(),
        }
    }

    fn stored(subscription: u64, bytes: usize, number: u64) -> Delivery {
        Delivery {
            number: Some(Committed::resume(number)),
            ..delivery(subscription, bytes)
        }
    }

    fn lost(subscription: u64, first: Option<u64>, ephemeral: u64) -> Lost {
        Lost {
            subscription: Key(subscription),
            first: first.map(Committed::resume),
            ephemeral,
        }
    }

    fn recipient() -> Recipient {
        Recipient::new(Arc::new(Relay))
    }

    #[test]
    fn a_session_is_woken_once_until_it_looks() {
        let recipient = recipient();
        assert!(recipient.put(delivery(1, 0)).wakes);
        assert!(!recipient.put(delivery(1, 0)).wakes);
        assert!(!recipient.is_empty());
        assert_eq!(recipient.take(0).deliveries.len(), 2);
        assert!(recipient.is_empty());
        assert!(recipient.put(delivery(1, 0)).wakes);
    }

    #[test]
    fn what_does_not_fit_is_thrown_away_and_its_subscription_named() {
        let recipient = recipient();
        let half = OUTBOX_BYTES / 2;
        assert!(recipient.put(delivery(1, half - 1000)).fits);
        assert!(recipient.put(delivery(2, half - 1000)).fits);
        assert!(!recipient.put(delivery(3, 2000)).fits);
        recipient.put(delivery(3, 2000));
        let taken = recipient.take(half);
        assert_eq!(taken.deliveries.len(), 2);
        assert_eq!(taken.lost, [lost(3, None, 2)]);
        // What was taken and not written counts too.
        recipient.put(delivery(1, half));
        assert_eq!(recipient.take(0).lost, [lost(1, None, 1)]);
        recipient.put(delivery(1, half));
        assert_eq!(recipient.take(0).deliveries.len(), 1);
    }

    #[test]
    fn what_is_lost_names_its_first_stored_event_and_counts_the_ephemeral_ones() {
        let recipient = recipient();
        recipient.put(delivery(1, OUTBOX_BYTES));
        recipient.put(stored(1, 0, 4));
        recipient.put(delivery(2, 0));
        recipient.put(stored(2, 0, 5));
        recipient.put(stored(2, 0, 6));
        let taken = recipient.take(0);
        assert_eq!(taken.lost, [lost(1, Some(4), 0), lost(2, Some(5), 1)]);
        assert_eq!(taken.first(), Some(Committed::resume(4)));
        recipient.put(stored(1, 0, 7));
        assert_eq!(recipient.take(0).first(), Some(Committed::resume(7)));
        recipient.put(delivery(1, 0));
        assert_eq!(recipient.take(0).first(), None);
    }

    #[test]
    fn a_session_that_asks_faster_than_the_hub_takes_up_must_wait() {
        let recipient = recipient();
        recipient.asked(PENDING - 1);
        assert!(recipient.has_room());
        recipient.asked(1);
        assert!(!recipient.has_room());
        recipient.taken_up(1);
        assert!(recipient.has_room());
    }

    #[test]
    fn a_lone_event_goes_through_however_large() {
        let recipient = recipient();
        recipient.put(delivery(1, OUTBOX_BYTES + 1));
        assert_eq!(recipient.take(0).deliveries.len(), 1);
    }
}
