//! Who may read and write: the terms and lists in force, asked with the keys that a session proved; and how all open sessions
//! learn that the answer may have changed.
//!
//! Rights are judged anew, not remembered: at every REQ and COUNT, for every event, and for all open subscriptions when
//! lists are swapped or an entry's date passes. [`Shared::rejudge`] begins a new *generation*: no session sends anything
//! before it has compared the generation in which it was judged last with the one in force.

use super::shared::Shared;
use crate::{
    hub::Recipient,
    policy::{self, lists::Rules, protected, vanish},
    wire::{Event, PublicKey, Verdict},
};
use relay_config::Hot;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How often somebody looks whether an entry's date has passed.
const DATES: Duration = Duration::from_secs(1);

/// A session that was judged in no generation yet, or must be judged again.
pub(super) const NEVER: u64 = 0;

/// The open sessions, and the generation of their rights.
#[derive(Debug)]
pub(super) struct Roll {
    generation: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    sessions: HashMap<u64, Arc<Recipient>>,
}

/// An open session's entry.
pub(super) struct Enrolled {
    shared: Arc<Shared>,
    number: u64,
}

impl Roll {
    pub(super) fn new() -> Self {
        Self {
            generation: AtomicU64::new(NEVER + 1),
            open: Mutex::default(),
        }
    }

    /// The generation in force. Whoever sees the effect of something that was done after a swap sees its generation too.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recipients(&self) -> Vec<Arc<Recipient>> {
        self.lock().sessions.values().cloned().collect()
    }
}

impl Enrolled {
    /// From now on the session is told when it lost its rights; until this is dropped.
    pub(super) fn new(shared: Arc<Shared>, recipient: Arc<Recipient>) -> Self {
        let mut open = shared.roll.lock();
        let number = open.next;
        open.next += 1;
        open.sessions.insert(number, recipient);
        drop(open);
        Self { shared, number }
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        self.shared.roll.lock().sessions.remove(&self.number);
    }
}

impl Shared {
    /// Judges the read rights of all open sessions anew: to be called after a swap of terms or lists. Who
    /// lost them gets nothing more, whatever waits for it, and CLOSED for each of its subscriptions; its connection stays.
    /// Everybody else notices nothing, and is not even woken.
    pub fn rejudge(&self) {
        self.roll.generation.fetch_add(1, Ordering::AcqRel);
        for recipient in self.roll.recipients() {
            if self.may_read(&recipient.keys()).is_err() {
                recipient.wake();
            }
        }
    }

    /// Judges everybody anew whenever an entry's date passes, for ever. The clock may jump.
    pub async fn watch_dates(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(DATES);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = self.clock.now();
        loop {
            ticks.tick().await;
            last = self.look_at_dates(last);
        }
    }

    /// Judges everybody anew if an entry's date passed since `last`. Says what time it is now.
    pub fn look_at_dates(&self, last: u64) -> u64 {
        let now = self.clock.now();
        let next = self.rules.load().next_change(last.min(now));
        if next.is_some_and(|at| at <= now.max(last)) {
            self.rejudge();
        }
        now
    }

    /// May a client that proved `keys` read now?
    pub(super) fn may_read(&self, keys: &[PublicKey]) -> Result<(), Verdict> {
        self.rules.load().may_read(keys, self.clock.now())
    }
}

/// What decides about a write, as it is at one moment.
pub(super) struct WriteRights {
    pub(super) hot: Arc<Hot>,
    rules: Arc<Rules>,
    pub(super) now: u64,
}

impl WriteRights {
    pub(super) fn now(shared: &Shared) -> Self {
        Self {
            hot: shared.hot.load_full(),
            rules: shared.rules.load_full(),
            now: shared.clock.now(),
        }
    }

    /// Steps 2 to 4 of `judge`: what needs neither the store nor the signature nor a list.
    pub(super) fn check(&self, event: &Event, keys: &[PublicKey]) -> Result<(), Verdict> {
        self.rules.may_speak(keys)?;
        policy::check(event, &self.hot, &self.rules.terms().kinds, self.now)?;
        protected::may_publish(event, keys)
    }

    /// May a client that proved `keys` publish this event? To vanish from here is everybody's right, also of the banned
    /// (NIP-62); a request that names others is an event like any other, or it would carry anything past the lists.
    pub(super) fn judge(&self, event: &Event, keys: &[PublicKey]) -> Result<(), Verdict> {
        self.rules.may_speak(keys)?;
        policy::takes(event, &self.hot, &self.rules.terms().kinds)?;
        if vanish::names_us(event, self.hot.url.as_deref()) {
            return Ok(());
        }
        self.rules.may_write(event, keys, self.now)
    }

    /// Did something else come into force meanwhile?
    pub(super) fn are_old(&self, shared: &Shared) -> bool {
        let same_hot = Arc::ptr_eq(&self.hot, &shared.hot.load());
        !same_hot || !Arc::ptr_eq(&self.rules, &shared.rules.load())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        metrics::Metrics,
        obituary::Obituaries,
        role::Relay,
        session::Parts,
        store::{Options, Store},
    };
    use arc_swap::ArcSwap;
    use futures::task::noop_waker;
    use relay_config::{Config, Lists};
    use std::time::Instant;

    fn shared(dir: &std::path::Path) -> Arc<Shared> {
        let parts = Parts {
            store: Store::open(Options::new(dir.join("data"), dir)).unwrap(),
            hot: Arc::default(),
            rules: Arc::new(ArcSwap::from_pointee(Rules::open())),
            role: Arc::new(Relay),
            clock: Arc::new(SystemClock),
            metrics: Arc::new(Metrics::new()),
            obituaries: Obituaries::default(),
        };
        Shared::start(parts).unwrap()
    }

    fn only(key: &PublicKey) -> Arc<Rules> {
        let yaml =
            format!("version: 1\nhot: {{access: {{read: {{mode: Allow, pubkeys: ['{key}']}}}}}}\n");
        let config = Config::read(&yaml).unwrap();
        Arc::new(Rules::new(&Lists::inline(&config.hot).unwrap()))
    }

    fn session(shared: &Arc<Shared>, key: PublicKey) -> (Enrolled, Arc<Recipient>) {
        let recipient = Arc::new(Recipient::new(Arc::new(Relay)));
        recipient.prove(key);
        recipient.register(&noop_waker());
        let enrolled = Enrolled::new(Arc::clone(shared), Arc::clone(&recipient));
        (enrolled, recipient)
    }

    #[test]
    fn a_swap_is_cheap_for_thousands_of_idle_sessions() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let (key, other) = (PublicKey::new([1; 32]), PublicKey::new([2; 32]));
        let open: Vec<_> = (0..10_000)
            .map(|number| session(&shared, if number % 2 == 0 { key } else { other }))
            .collect();
        let generation = shared.roll.generation();
        shared.rules.store(only(&key));
        let begin = Instant::now();
        shared.rejudge();
        let took = begin.elapsed();
        println!("10,000 sessions judged in {took:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(shared.roll.generation(), generation + 1);
        assert!(shared.may_read(&open[0].1.keys()).is_ok());
        assert!(shared.may_read(&open[1].1.keys()).is_err());
        drop(open);
        assert!(shared.roll.recipients().is_empty(), "who left is forgotten");
    }
}
