//! What the writer, the readers and maintenance share.

use super::{
    apply::Dead,
    effect::Reason,
    lock::Lock,
    log::{self, Segments},
    options::{OnCommit, Options},
    proof::Proof,
    quarantine::Ward,
    segment::Segment,
    space::Space,
    ticket::{Answers, Committed, Listener, Outcome, Ticket},
    view::{EVENTS, Index, LIVE_BYTES, View},
};
use crate::clock::Clock;
use relay_config::status::StoreStatus;
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc::Sender,
    },
    time::Duration,
};

/// What the writer is asked to do.
pub(super) enum Command {
    /// Store these.
    Events(Vec<Ticket>),
    /// Remove these.
    Remove(Removing),
    /// Seal the segment that is open for writing, so that it can be compacted.
    Roll(Sender<bool>),
    /// A compacted or mended segment takes its predecessor's place.
    Swap(Swap),
    /// End.
    Close,
}

/// Entries to remove, and who wants to know how many there were.
pub(super) struct Removing {
    /// Which.
    pub what: Doomed,
    /// Why.
    pub reason: Reason,
    /// Told the count, or that it failed.
    pub reply: Option<Sender<Option<u64>>>,
}

/// Names of what is to be removed.
pub(super) enum Doomed {
    /// By id.
    Ids(Vec<crate::wire::EventId>),
    /// By number.
    Numbers(Vec<u64>),
}

impl Doomed {
    /// How many names.
    pub fn len(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }
}

/// A segment's new file.
pub(super) struct Swap {
    /// The new one.
    pub segment: Arc<Segment>,
    /// What its compaction freed.
    pub freed: Dead,
    /// Told when it is done.
    pub reply: Sender<bool>,
}

/// A thread's inbox or alarm clock.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<(VecDeque<Command>, bool)>,
    bell: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<Command>, bool)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command; gives it back if nobody takes commands any more.
    pub fn push(&self, command: Command) -> Result<(), Command> {
        let mut waiting = self.lock();
        if waiting.1 {
            return Err(command);
        }
        let was_empty = waiting.0.is_empty();
        waiting.0.push_back(command);
        drop(waiting);
        if was_empty {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Everything that waits; blocks while there is nothing and `block` is set.
    pub fn take(&self, block: bool) -> VecDeque<Command> {
        let mut waiting = self.lock();
        while block && waiting.0.is_empty() && !waiting.1 {
            waiting = self
                .bell
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut waiting.0)
    }

    /// Takes no more commands; returns what still waited.
    pub fn shut(&self) -> VecDeque<Command> {
        let mut waiting = self.lock();
        waiting.1 = true;
        std::mem::take(&mut waiting.0)
    }
}

/// Wakes the maintenance thread.
#[derive(Default)]
pub(super) struct Alarm {
    state: Mutex<AlarmState>,
    bell: Condvar,
}

/// What the maintenance thread is woken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AlarmState {
    /// The store closes.
    pub stop: bool,
    /// The volume is full: compact what can be.
    pub hurry: bool,
}

impl Alarm {
    fn lock(&self) -> MutexGuard<'_, AlarmState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn stop(&self) {
        self.lock().stop = true;
        self.bell.notify_all();
    }

    pub fn hurry(&self) {
        self.lock().hurry = true;
        self.bell.notify_all();
    }

    /// Waits for all of `time`, unless the store closes. Does it?
    pub fn pause(&self, time: Duration) -> bool {
        let wait = self
            .bell
            .wait_timeout_while(self.lock(), time, |state| !state.stop);
        wait.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    pub fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// Waits until woken or until `time` has passed.
    pub fn wait(&self, time: Duration) -> AlarmState {
        let mut state = self.lock();
        if !state.stop && !state.hurry {
            state = self
                .bell
                .wait_timeout(state, time)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let now = *state;
        state.hurry = false;
        now
    }
}

/// The open store.
pub(super) struct Shared {
    pub dir: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub view: View,
    pub segments: Arc<Segments>,
    pub committed: AtomicU64,
    pub failure: OnceLock<&'static str>,
    pub queue: Queue,
    pub alarm: Alarm,
    pub listener: RwLock<Option<Arc<dyn Listener>>>,
    pub space: Space,
    pub proof: Proof,
    pub erase_within: AtomicU64,
    pub ward: Ward,
    pub store_id: String,
    pub start: &'static str,
    pub on_commit: OnCommit,
    /// Bytes of text that one group adds and removes.
    pub group_bytes: usize,
    pub _lock: Lock,
}

/// What a start found of a store, or made.
pub(super) struct Found {
    pub view: View,
    /// How the view came about.
    pub start: &'static str,
    pub segments: Arc<Segments>,
    /// The last number in the log.
    pub committed: u64,
    pub space: Space,
    pub proof: Proof,
    pub ward: Ward,
    pub store_id: String,
    pub lock: Lock,
}

impl Shared {
    /// A store that nobody uses yet.
    pub fn new(options: &Options, found: Found) -> Self {
        Self {
            dir: options.dir.clone(),
            clock: Arc::clone(&options.clock),
            view: found.view,
            segments: found.segments,
            committed: AtomicU64::new(found.committed),
            failure: OnceLock::new(),
            queue: Queue::default(),
            alarm: Alarm::default(),
            listener: RwLock::new(None),
            space: found.space,
            proof: found.proof,
            erase_within: AtomicU64::new(options.erase_within.as_secs()),
            ward: found.ward,
            store_id: found.store_id,
            start: found.start,
            on_commit: options.on_commit.clone(),
            group_bytes: options.group_bytes,
            _lock: found.lock,
        }
    }

    /// The number of the last commit.
    pub fn committed(&self) -> Committed {
        Committed(self.committed.load(Ordering::Acquire))
    }

    /// The store can take no more writes; the first reason stays.
    pub fn fail(&self, why: &'static str) {
        if self.failure.set(why).is_ok() {
            tracing::error!(why, "the store has failed");
        }
    }

    /// Bytes of the store's own files.
    pub fn used(&self) -> u64 {
        log::bytes(&self.segments.load()) + self.view.size() as u64 + self.ward.bytes()
    }

    /// How many seconds text that should be erased may wait, so that `eraseWithin` is kept with time to spare.
    pub fn patience(&self) -> u64 {
        self.erase_within.load(Ordering::Relaxed) / 4 * 3
    }

    /// How the store fares.
    pub fn status(&self) -> StoreStatus {
        let mut status = StoreStatus {
            store_id: self.store_id.clone(),
            format: super::proof::FORMAT,
            committed: self.committed().get(),
            used_bytes: self.used(),
            capacity_bytes: self.space.capacity().unwrap_or(0),
            full: self.space.is_full(),
            quarantined: self.ward.notes(self.patience()),
            start: self.start.to_owned(),
            ..StoreStatus::default()
        };
        if let Err(error) = self.count(&mut status) {
            tracing::warn!(%error, "the view could not be counted");
        }
        status
    }

    fn count(&self, status: &mut StoreStatus) -> heed::Result<()> {
        let txn = self.view.read()?;
        let meta = |key| self.view.number(&txn, Index::Meta, key);
        status.events = meta(EVENTS)?.unwrap_or(0);
        status.log_live_bytes = meta(LIVE_BYTES)?.unwrap_or(0);
        for item in self.view.db(Index::Dead).iter(&txn)? {
            status.log_dead_bytes += Dead::read(item?.1).bytes;
        }
        Ok(())
    }
}

type Told = (Arc<dyn Answers>, Vec<(u64, Outcome)>);

/// Answers that belong together: one call per recipient.
#[derive(Default)]
pub(super) struct Replies {
    by_recipient: Vec<Told>,
    places: std::collections::HashMap<usize, usize>,
}

impl Replies {
    /// Adds the answer to a ticket.
    pub fn add(&mut self, ticket: &Ticket, outcome: Outcome) {
        let who = Arc::as_ptr(&ticket.to).cast::<()>().addr();
        let place = *self.places.entry(who).or_insert_with(|| {
            self.by_recipient.push((Arc::clone(&ticket.to), Vec::new()));
            self.by_recipient.len() - 1
        });
        self.by_recipient[place].1.push((ticket.token, outcome));
    }

    /// Tells everyone.
    pub fn send(self) {
        for (to, outcomes) in self.by_recipient {
            to.answer(&outcomes);
        }
    }
}
