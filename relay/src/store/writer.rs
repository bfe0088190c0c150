//! The writer: one thread that takes everything queued as one group: decide and apply, append, sync once, commit, answer
//! once per recipient, announce. It reads no configuration and does not care who fills its queue.
//!
//! An append or sync that failed is never tried again: what the disk holds then is unknown, and only a start finds out.

use super::{
    apply::{self, Dead, Frames, Tally, dead_of},
    forming::{Done, Forming, Job, Stop, Task},
    log::{Group, Log},
    shared::{Command, Removing, Replies, Shared, Swap},
    space::Purpose,
    ticket::{Committed, Failure, Outcome},
    turns::Turns,
    view::{self, Index},
};
use crate::wire::Verified;
use std::{
    ops::RangeInclusive,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

/// A group that was written.
struct Written {
    /// What became of the first jobs; the others wait for the next group.
    done: Vec<Done>,
    stored: Vec<(Committed, Verified)>,
    upto: u64,
}

/// The writer thread's own.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Log,
    is_dirty: bool,
    turns: Turns,
}

/// Says that the writer is gone, however it went.
struct Obituary(Arc<Shared>);

impl Drop for Obituary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer thread has panicked");
        }
        for command in self.0.queue.shut() {
            refuse(command);
        }
    }
}

/// Answers a command that nobody will carry out.
pub(super) fn refuse(command: Command) {
    if let Command::Events(tickets) = command {
        let mut replies = Replies::default();
        for ticket in &tickets {
            replies.add(ticket, Outcome::Failed(Failure::Broken));
        }
        replies.send();
    }
    // The others carry a reply channel: dropping it is the answer.
}

/// Answers what the store has no time to go on with: its parts are durable, and nobody was told OK.
fn give_up(job: Job) {
    match job.task {
        Task::Event(ticket) => refuse(Command::Events(vec![ticket])),
        Task::Remove(removing) => refuse(Command::Remove(removing)),
    }
}

impl Writer {
    /// `is_dirty`: the proof already names this run.
    pub fn new(shared: Arc<Shared>, log: Log, is_dirty: bool) -> Self {
        Self {
            shared,
            log,
            is_dirty,
            turns: Turns::default(),
        }
    }

    /// The thread: until the store closes.
    pub fn run(mut self) {
        let obituary = Obituary(Arc::clone(&self.shared));
        let mut closing = false;
        while !closing || !self.turns.is_idle() {
            for command in self.shared.queue.take(self.turns.is_idle() && !closing) {
                match command {
                    Command::Events(tickets) => {
                        self.turns.extend(tickets.into_iter().map(Task::Event));
                    }
                    Command::Remove(removing) => self.turns.extend([Task::Remove(removing)]),
                    Command::Roll(reply) => {
                        // A caller that stopped waiting needs no answer.
                        let _ = reply.send(self.roll());
                    }
                    Command::Swap(swap) => self.swap(&swap),
                    Command::Close => closing = true,
                }
            }
            self.group();
            if closing {
                self.turns.give_up().into_iter().for_each(give_up);
            }
        }
        self.close();
        drop(obituary);
    }

    fn close(&mut self) {
        if self.shared.failure.get().is_some() || !self.is_dirty {
            return;
        }
        let synced = self.shared.view.force_sync();
        if let Err(error) = synced {
            tracing::warn!(%error, "the view could not be synced: the next start replays or rebuilds");
        } else if let Err(error) = self.shared.proof.mark_clean() {
            tracing::warn!(%error, "CLEAN could not be written: the next start replays or rebuilds");
        }
    }

    /// Takes jobs up to the bounds of a group and carries them out.
    fn group(&mut self) {
        let mut jobs = self.turns.next(self.shared.group_bytes);
        if jobs.is_empty() {
            return;
        }
        let began = Instant::now();
        let written = self.write(&jobs);
        if written.upto > 0 {
            self.shared.on_commit.took(began.elapsed());
        }
        self.turns.put_back(jobs.drain(written.done.len()..));
        let mut replies = Replies::default();
        for (mut job, done) in jobs.into_iter().zip(&written.done) {
            match (&job.task, done) {
                (_, Done::Part(progress)) => {
                    job.progress = *progress;
                    self.turns.go_on(job);
                }
                (Task::Event(ticket), Done::Event(outcome)) => replies.add(ticket, *outcome),
                (Task::Remove(removing), done) => answer(removing, *done),
                (Task::Event(ticket), Done::Removed(_)) => {
                    replies.add(ticket, Outcome::Failed(Failure::Broken));
                }
            }
        }
        replies.send();
        self.announce(&written);
    }

    fn announce(&self, written: &Written) {
        if written.upto == 0 {
            return;
        }
        let listener = self.shared.listener.read();
        let listener = listener.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = listener {
            listener.committed(Committed(written.upto), &written.stored);
        }
    }

    /// Writes a group, making room as often as it takes; all of it fails if there is none.
    fn write(&mut self, jobs: &[Job]) -> Written {
        if self.shared.failure.get().is_some() {
            return failed(jobs, Failure::Broken);
        }
        if let Err(error) = self.mark_dirty() {
            tracing::warn!(%error, "the store could not be marked as being written");
            return failed(jobs, failure_of(&error));
        }
        let (mut purpose, mut room) = (self.purpose(), self.turns.room(self.shared.group_bytes));
        loop {
            let stop = match self.attempt(jobs, purpose, room) {
                Ok(written) => {
                    self.shared.space.set_full(purpose == Purpose::Removal);
                    return written;
                }
                Err(Stop::TooMuch) if room > 0 => {
                    room /= 2;
                    continue;
                }
                Err(stop) => stop,
            };
            if self.make_room(stop, purpose) {
                continue;
            }
            if self.shared.failure.get().is_some() {
                return failed(jobs, Failure::Broken);
            }
            self.shared.space.set_full(true);
            self.shared.alarm.hurry();
            if purpose == Purpose::Removal {
                return failed(jobs, Failure::Full);
            }
            purpose = Purpose::Removal;
        }
    }

    /// May the group be tried again? If not, there is no room for this purpose, or the store has failed.
    fn make_room(&mut self, stop: Stop, purpose: Purpose) -> bool {
        match stop {
            Stop::View => self.grow_view(purpose),
            Stop::Segment { bytes } => self.new_segment(bytes, purpose),
            Stop::TooMuch => {
                self.shared.fail("one event is too much for a transaction");
                false
            }
            Stop::Abort(why, error) => {
                tracing::error!(why, error, "a group of writes was given up");
                self.demand_rebuild();
                self.shared.fail(why);
                false
            }
            Stop::Broken(why, error) => {
                tracing::error!(why, error, "the log or the view failed");
                self.shared.fail(why);
                false
            }
        }
    }

    fn demand_rebuild(&self) {
        if let Err(error) = self.shared.proof.demand_rebuild() {
            tracing::error!(%error, "the mark that demands a rebuild could not be written");
        }
    }

    fn mark_dirty(&mut self) -> std::io::Result<()> {
        if !self.is_dirty {
            self.shared.proof.mark_dirty()?;
            self.is_dirty = true;
        }
        Ok(())
    }

    fn roll(&mut self) -> bool {
        if self.shared.failure.get().is_some() {
            return false;
        }
        self.log.is_empty() || self.new_segment(0, Purpose::Removal)
    }

    /// One try at a group: nothing is written unless it succeeds, or is broken.
    fn attempt(&mut self, jobs: &[Job], purpose: Purpose, room: usize) -> Result<Written, Stop> {
        let shared = Arc::clone(&self.shared);
        let segments = shared.segments.load();
        let mut forming = Forming {
            shared: &shared,
            segments: &segments,
            active: self.log.active_first(),
            txn: shared.view.write()?,
            group: Group::new(self.log.next()),
            tally: Tally::default(),
            stored: Vec::new(),
            now: shared.clock.now(),
            room,
        };
        let mut done = Vec::with_capacity(jobs.len());
        for job in jobs {
            if !done.is_empty() && job.bytes().max(1) > forming.room {
                break;
            }
            done.push(forming.job(job, purpose)?);
            if matches!(done.last(), Some(Done::Part(_))) {
                break;
            }
        }
        let Forming {
            mut txn,
            mut group,
            tally,
            stored,
            ..
        } = forming;
        if group.count() == 0 {
            return Ok(Written {
                done,
                stored,
                upto: 0,
            });
        }
        if !self.log.has_room(group.len(), group.count()) {
            return Err(Stop::Segment { bytes: group.len() });
        }
        tally.write(&shared.view, &mut txn)?;
        self.log
            .append(&mut group)
            .map_err(|error| Stop::Broken("the log could not be written", error.to_string()))?;
        let upto = group.next() - 1;
        match txn.commit() {
            Ok(()) => {}
            Err(error) if view::is_full(&error) => self.commit_again(group.first()..=upto)?,
            Err(error) => {
                return Err(Stop::Broken(
                    "the view could not be committed",
                    error.to_string(),
                ));
            }
        }
        shared.committed.store(upto, Ordering::Release);
        Ok(Written { done, stored, upto })
    }

    /// LMDB's commit itself needs pages and may find none, after the log has the group: then there is room to be made and
    /// the group applied again out of the log, as a start would do it.
    fn commit_again(&self, mut numbers: RangeInclusive<u64>) -> Result<(), Stop> {
        let segments = self.shared.segments.load();
        let frames = Frames {
            segments: &segments,
            group: None,
            active: self.log.active_first(),
        };
        loop {
            match apply::replay(&self.shared.view, &frames, numbers.clone()) {
                Ok(upto) if upto == *numbers.end() => return Ok(()),
                Ok(upto) => numbers = upto + 1..=*numbers.end(),
                Err(error) if view::is_full(&error) => {
                    if !self.grow_view(Purpose::Ordinary) && !self.grow_view(Purpose::Removal) {
                        let why = "the view has no room for what the log has";
                        return Err(Stop::Broken(why, format!("numbers {numbers:?}")));
                    }
                }
                Err(error) => {
                    return Err(Stop::Broken(
                        "the view could not be committed",
                        error.to_string(),
                    ));
                }
            }
        }
    }

    fn swap(&mut self, swap: &Swap) {
        self.shared.segments.put(Arc::clone(&swap.segment));
        let first = swap.segment.identity.first;
        let marked = self.mark_dirty().map_err(heed::Error::from);
        let mut subtracted = marked.and_then(|()| subtract(&self.shared, first, swap.freed));
        while subtracted.as_ref().is_err_and(view::is_full) && self.grow_view(Purpose::Removal) {
            subtracted = subtract(&self.shared, first, swap.freed);
        }
        if let Err(error) = subtracted {
            tracing::warn!(%error, "what compaction freed could not be noted");
        }
        // A caller that stopped waiting needs no answer.
        let _ = swap.reply.send(true);
    }
}

fn subtract(shared: &Shared, first: u64, freed: Dead) -> heed::Result<()> {
    let mut txn = shared.view.write()?;
    let now = dead_of(&shared.view, &txn, first)?;
    let bytes = now.bytes.saturating_sub(freed.bytes);
    let left = Dead {
        bytes,
        erase_since: now.erase_since.filter(|_| bytes > 0),
    };
    shared
        .view
        .db(Index::Dead)
        .put(&mut txn, &first.to_be_bytes(), &left.bytes())?;
    txn.commit()
}

fn answer(removing: &Removing, done: Done) {
    let count = match done {
        Done::Removed(count) => Some(count),
        Done::Event(_) | Done::Part(_) => None,
    };
    if let Some(reply) = &removing.reply {
        // A caller that stopped waiting needs no answer.
        let _ = reply.send(count);
    }
}

fn failure_of(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull => Failure::Full,
        _ => Failure::Broken,
    }
}

fn failed(jobs: &[Job], failure: Failure) -> Written {
    Written {
        done: vec![Done::Event(Outcome::Failed(failure)); jobs.len()],
        stored: Vec::new(),
        upto: 0,
    }
}
