//! The store: a log that is the truth, and LMDB as its view. Blocking; knows events and filters, nobody's connection.
//!
//! **Writing.** [`Store::submit`] puts tickets into the queue of the *writer* thread. It takes all that waits as one group;
//! *decide* says what becomes of each event and with which effects; *entry* spells event and effects as frames; *apply*
//! carries them into the *view*; the *log* takes the frames into the open *segment* and syncs once; the view commits;
//! every recipient is answered once and the [`Listener`] hears the number. *space* says what may be allocated, *room* makes
//! use of it when the segment or the view is full.
//!
//! **Reading.** [`Store::query`] makes a *scan* with a *stream* per filter, read in *slices* of time: *plan* picks the index,
//! *walk* merges its cursors, *row* is what comes out. *count* and *dump* read the same way. Addresses are sequence
//! numbers: the view maps *keys* to numbers, *offsets* map numbers to bytes, *map* has the only `unsafe` code.
//!
//! **Keeping.** *recover* opens a store by the proofs of *lock* and *proof*: *inventory* looks at the log, *salvage* reads
//! what is torn or damaged, *quarantine* keeps it aside, *rebuild* makes the view anew with *sorter*. *upkeep* runs *sweep*,
//! *compact* and the scrub.
//!
//! It never interprets a configuration, a connection or a clock inside *decide* and *apply*: the same log gives the same
//! view everywhere.

mod apply;
mod compact;
mod count;
mod decide;
mod dump;
mod effect;
mod entry;
mod error;
mod files;
mod forming;
mod inventory;
mod keys;
mod lock;
mod log;
mod map;
mod offsets;
mod options;
mod plan;
mod proof;
pub mod quarantine;
mod rebuild;
mod recover;
mod room;
mod row;
mod salvage;
mod scan;
mod segment;
mod shared;
mod slice;
mod sorter;
mod space;
mod stream;
mod sweep;
mod taking;
mod ticket;
mod turns;
mod upkeep;
mod view;
mod walk;
mod writer;

pub use compact::CompactReport;
pub use count::Counting;
pub use dump::{Export, Tail};
pub use error::{OpenError, ReadError, WriteError};
pub use files::Faults;
pub(crate) use files::write_durably;
pub use options::{OnCommit, Options, Phase, Progress};
pub use row::{Row, SeesAll, Sight, Step};
pub use scan::Query;
pub use ticket::{Answers, Committed, Failure, Listener, Outcome, Removal, Ticket};

use crate::wire::{EventId, Filter};
use relay_config::status::StoreStatus;
use shared::{Command, Doomed, Shared};
use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

/// An open store; clones are the same store. It closes when [`Store::close`] is called or the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    compacting: upkeep::Compacting,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.shared.dir)
            .field("committed", &self.shared.committed())
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Stops maintenance, lets the writer finish what is queued but for what takes many groups, and waits for both.
    fn close(&self) {
        self.shared.alarm.stop();
        // If the queue is shut already, the writer is ending anyway.
        let _ = self.shared.queue.push(Command::Close);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..).rev() {
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(OpenError::io("a thread of the store"))
}

impl Store {
    /// Opens the store in `options.dir`, or makes one; replays or rebuilds the view if that is needed, which
    /// `options.progress` tells about; starts the writer and maintenance threads.
    ///
    /// # Errors
    /// [`OpenError::Locked`] names the process that has it, [`OpenError::Newer`] a format from the future; the others name
    /// the file that could not be used.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "what a store was opened with is used up"
    )]
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let opened = recover::open(&options)?;
        let shared = Arc::new(opened.shared);
        let compacting = upkeep::Compacting::default();
        if let Some(stale) = opened.stale {
            // The queue is new: it takes commands.
            let _ = shared.queue.push(Command::Remove(stale));
        }
        let writer = writer::Writer::new(Arc::clone(&shared), opened.log, opened.is_dirty);
        let handle = Handle {
            shared: Arc::clone(&shared),
            compacting: Arc::clone(&compacting),
            threads: Mutex::default(),
        };
        let writer = spawn("store-writer", move || writer.run())?;
        let upkeep = spawn("store-upkeep", move || upkeep::run(&shared, &compacting));
        let mut threads = handle
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        threads.push(writer);
        threads.push(upkeep?);
        drop(threads);
        Ok(Self(Arc::new(handle)))
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Queues events. Never blocks: callers bound what they have in flight. Every ticket is answered.
    pub fn submit(&self, tickets: Vec<Ticket>) {
        if let Err(command) = self.shared().queue.push(Command::Events(tickets)) {
            writer::refuse(command);
        }
    }

    /// Who hears of commits, from the next group on.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        let slot = self.shared().listener.write();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    /// Which of these events are stored? One read transaction for all.
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn contains(&self, ids: &[EventId]) -> Result<Vec<bool>, ReadError> {
        self.shows(ids, &SeesAll)
    }

    /// Which of these events are stored, and such that `sight` lets them through?
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn shows(&self, ids: &[EventId], sight: &dyn Sight) -> Result<Vec<bool>, ReadError> {
        let numbers = self.visible_numbers(ids, sight)?;
        Ok(numbers.iter().map(Option::is_some).collect())
    }

    /// Under which numbers are these events stored?
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn numbers(&self, ids: &[EventId]) -> Result<Vec<Option<Committed>>, ReadError> {
        self.visible_numbers(ids, &SeesAll)
    }

    fn visible_numbers(
        &self,
        ids: &[EventId],
        sight: &dyn Sight,
    ) -> Result<Vec<Option<Committed>>, ReadError> {
        let shared = self.shared();
        let txn = shared.view.read()?;
        let segments = shared.segments.load();
        let mut stored = Vec::with_capacity(ids.len());
        for id in ids {
            let key = view::short(id.as_bytes());
            let number = shared.view.number(&txn, view::Index::Ids, key)?;
            let entry = number.and_then(|number| log::find(&segments, number));
            let entry = entry.filter(|entry| entry.id() == id.as_bytes());
            let entry = entry.filter(|entry| sight.sees(&Row(*entry)));
            stored.push(entry.map(|entry| Committed(entry.number())));
        }
        Ok(stored)
    }

    /// Stored events that match any of the filters and that `sight` lets through. Nothing is read yet.
    #[allow(clippy::needless_pass_by_value, reason = "callers share their filters")]
    pub fn query(&self, filters: Arc<[Filter]>, sight: Arc<dyn Sight>) -> Query {
        Query::new(Arc::clone(&self.0.shared), &filters, sight)
    }

    /// How many stored events match any of the filters (NIP-45). Nothing is read yet.
    #[allow(clippy::needless_pass_by_value, reason = "callers share their filters")]
    pub fn count(&self, filters: Arc<[Filter]>, sight: Arc<dyn Sight>) -> Counting {
        Counting::new(Arc::clone(&self.0.shared), &filters, sight)
    }

    /// The events that were committed after `after`, up to and with `upto`, in that order.
    pub fn tail(&self, after: Committed, upto: Committed) -> Tail {
        Tail::new(Arc::clone(&self.0.shared), after, upto)
    }

    /// All events in the view whose number is higher than `after`, by number.
    pub fn export(&self, after: Committed) -> Export {
        Export::new(Arc::clone(&self.0.shared), after)
    }

    /// The number of the last commit.
    pub fn committed(&self) -> Committed {
        self.shared().committed()
    }

    /// What the store holds and how it fares.
    pub fn status(&self) -> StoreStatus {
        self.shared().status()
    }

    /// Why the store takes no more writes, if it has failed: not ready, and the process should end.
    pub fn failure(&self) -> Option<&'static str> {
        self.shared().failure.get().copied()
    }

    /// Removes events; how many were there? Blocks until it is committed.
    ///
    /// # Errors
    /// If the volume is full beyond the reserve, or the store has failed or is closed.
    pub fn remove(&self, ids: Vec<EventId>, removal: Removal) -> Result<u64, WriteError> {
        sweep::remove(self.shared(), Doomed::Ids(ids), removal.into())
    }

    /// Removes what has expired now instead of within a second; how many were there? Blocks.
    ///
    /// # Errors
    /// As [`Store::remove`].
    pub fn sweep(&self) -> Result<u64, WriteError> {
        sweep::sweep(self.shared())
    }

    /// Rewrites every segment with dead entries. Blocks.
    ///
    /// # Errors
    /// If a file cannot be written; what was rewritten so far stays so.
    pub fn compact(&self) -> Result<CompactReport, WriteError> {
        let alone = self.0.compacting.lock();
        let _alone = alone.unwrap_or_else(PoisonError::into_inner);
        compact::compact(self.shared(), compact::Due::All)
    }

    /// Takes a new claim size and erasure time into force.
    pub fn set_limits(&self, size: Option<u64>, erase_within: Duration) {
        let shared = self.shared();
        shared.space.set_claim(size);
        let seconds = erase_within.as_secs();
        shared.erase_within.store(seconds, Ordering::Relaxed);
    }

    /// Finishes what is queued but for what takes many groups, which is answered [`Failure::Broken`], syncs, and writes CLEAN. Other clones can still read; what they submit is answered
    /// [`Failure::Broken`].
    pub fn close(self) {
        self.0.close();
    }
}
