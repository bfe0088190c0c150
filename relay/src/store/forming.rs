//! A group in the making: each job is decided in the order of arrival and applied at once, so that the next one sees it.
//! Nothing here touches the log.

use super::{
    apply::{Applying, Frames, Tally},
    decide::{self, Decision, Look},
    effect::{self, Effect, Reason},
    entry::{self, Stamp},
    log::Group,
    segment::Segment,
    shared::{Doomed, Removing, Shared},
    space::Purpose,
    taking::{Taken, Taking},
    ticket::{Committed, Failure, Outcome, Ticket},
    view,
};
use crate::wire::{PublicKey, Verified, kind};
use heed::RwTxn;
use std::sync::Arc;

/// One thing to write.
pub(super) struct Job {
    /// What.
    pub task: Task,
    /// How far the groups before came with it.
    pub progress: Progress,
}

/// What is to be written.
pub(super) enum Task {
    /// An event.
    Event(Ticket),
    /// Removals.
    Remove(Removing),
}

/// How much of a job is done that takes several groups.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Names that were seen to.
    names: usize,
    /// Entries that were removed.
    removed: u64,
}

impl From<Task> for Job {
    fn from(task: Task) -> Self {
        Self {
            task,
            progress: Progress::default(),
        }
    }
}

impl Job {
    /// Will somebody be told what became of it?
    pub fn is_waited_for(&self) -> bool {
        match &self.task {
            Task::Event(_) => true,
            Task::Remove(removing) => removing.reply.is_some(),
        }
    }

    /// Whose, if it may remove much.
    pub fn author(&self) -> Option<PublicKey> {
        match &self.task {
            Task::Event(ticket) if asks(ticket) => Some(ticket.event.pubkey()),
            _ => None,
        }
    }

    /// Bytes of its text.
    pub fn bytes(&self) -> usize {
        match &self.task {
            Task::Event(ticket) => ticket.event.text().len(),
            Task::Remove(_) => 0,
        }
    }
}

/// Is it a request to delete or to vanish? If it removes something, it may use the reserve.
fn asks(ticket: &Ticket) -> bool {
    ticket.vanish || ticket.event.kind() == kind::DELETION
}

/// What became of a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    /// What became of the event.
    Event(Outcome),
    /// How many were removed.
    Removed(u64),
    /// It takes another group, which goes on from here.
    Part(Progress),
}

/// Why a group could not be written as it is.
pub(super) enum Stop {
    /// LMDB's map is full.
    View,
    /// The segment is full.
    Segment { bytes: usize },
    /// One transaction cannot change so much.
    TooMuch,
    /// Nothing was written; the group fails.
    Abort(&'static str, String),
    /// The log or the view is in an unknown state.
    Broken(&'static str, String),
}

impl From<heed::Error> for Stop {
    fn from(error: heed::Error) -> Self {
        if view::is_full(&error) {
            Self::View
        } else if view::is_too_much(&error) {
            Self::TooMuch
        } else {
            Self::Abort("the view could not be written", error.to_string())
        }
    }
}

/// A group in the making.
pub(super) struct Forming<'a> {
    /// The store.
    pub shared: &'a Shared,
    /// The log up to now.
    pub segments: &'a [Arc<Segment>],
    /// First number of the segment that the group goes into.
    pub active: u64,
    /// The transaction of the group.
    pub txn: RwTxn<'a>,
    /// Its frames.
    pub group: Group,
    /// Its sums.
    pub tally: Tally,
    /// Its events.
    pub stored: Vec<(Committed, Verified)>,
    /// Unix seconds.
    pub now: u64,
    /// Bytes of text that it may still add or remove.
    pub room: usize,
}

/// Takes out what one of the names means. Was there room for it?
fn doom(
    look: &Look<'_>,
    removing: &Removing,
    name: usize,
    taking: &mut Taking,
) -> heed::Result<bool> {
    match &removing.what {
        Doomed::Ids(ids) => {
            let id = ids[name].as_bytes();
            if let Some(entry) = look.stored(id)?
                && !taking.remove(&entry, removing.reason)
            {
                return Ok(false);
            }
            if removing.reason == Reason::Ordered {
                let (id, by) = (*id, view::ORDERED);
                taking.add(Effect::Tombstone { id, by });
            }
            Ok(true)
        }
        Doomed::Numbers(numbers) => match look.frames.get(numbers[name]) {
            Some(entry) if look.view.stands(look.txn, &entry)? => {
                Ok(taking.remove(&entry, removing.reason))
            }
            _ => Ok(true),
        },
    }
}

impl Forming<'_> {
    /// Decides about one job and applies what it brings, or as much of it as there is room for.
    pub fn job(&mut self, job: &Job, purpose: Purpose) -> Result<Done, Stop> {
        let welcome = purpose == Purpose::Ordinary;
        match &job.task {
            Task::Event(ticket) => self.event(ticket, job.progress, welcome),
            Task::Remove(removing) => self.remove(removing, job.progress),
        }
    }

    /// Takes room for what was added and removed.
    fn spend(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }

    fn frames(&self) -> Frames<'_> {
        Frames {
            segments: self.segments,
            group: Some(&self.group),
            active: self.active,
        }
    }

    fn event(&mut self, ticket: &Ticket, progress: Progress, welcome: bool) -> Result<Done, Stop> {
        let text = ticket.event.text().len();
        let room = self.room.saturating_sub(text).max(self.room / 2);
        let frames = self.frames();
        let look = Look {
            view: &self.shared.view,
            txn: &self.txn,
            frames: &frames,
        };
        let decision = decide::decide(&look, &ticket.event, ticket.vanish, room)?;
        let frees = |removes| asks(ticket) && (removes || progress.removed > 0);
        let (before, effects, bytes) = match decision {
            Decision::Refused(outcome) => return Ok(Done::Event(outcome)),
            Decision::Part(_) if self.group.count() > 0 => return Ok(Done::Part(progress)),
            Decision::Part(taken) => return self.part(&taken, progress).map(Done::Part),
            Decision::Accepted { removes, .. } if !(welcome || frees(removes)) => {
                return Ok(Done::Event(Outcome::Failed(Failure::Full)));
            }
            Decision::Accepted {
                before,
                effects,
                bytes,
                ..
            } => (before, effects, bytes),
        };
        self.spend(text + bytes);
        for effects in before {
            self.add(|out, stamp| entry::write_removal(out, stamp, &effects))?;
        }
        let number =
            self.add(|out, stamp| entry::write_event(out, stamp, &ticket.event, &effects))?;
        self.stored.push((Committed(number), ticket.event.clone()));
        Ok(Done::Event(Outcome::Stored(Committed(number))))
    }

    /// Some of what a job removes, in entries of its own. A request itself, with its tombstones, comes with the last of it.
    fn part(&mut self, taken: &Taken, progress: Progress) -> Result<Progress, Stop> {
        self.spend(taken.bytes);
        for chunk in taken.effects.chunks(decide::REMOVALS) {
            let effects = effect::write(chunk);
            self.add(|out, stamp| entry::write_removal(out, stamp, &effects))?;
        }
        Ok(Progress {
            removed: progress.removed + taken.removed,
            ..progress
        })
    }

    fn remove(&mut self, removing: &Removing, progress: Progress) -> Result<Done, Stop> {
        let mut taking = Taking::new(self.room);
        let frames = self.frames();
        let look = Look {
            view: &self.shared.view,
            txn: &self.txn,
            frames: &frames,
        };
        let all = removing.what.len();
        let most = all.min(progress.names + decide::REMOVALS);
        let mut names = progress.names;
        while names < most && doom(&look, removing, names, &mut taking)? {
            names += 1;
        }
        let progress = self.part(&taking.taken, Progress { names, ..progress })?;
        Ok(if names < all {
            Done::Part(progress)
        } else {
            Done::Removed(progress.removed)
        })
    }

    /// Adds an entry to the group and applies it.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>, Stamp)) -> Result<u64, Stop> {
        let number = self.group.next();
        let stamp = Stamp {
            number,
            group: self.group.first(),
            written: self.now,
        };
        self.group.push(|out| write(out, stamp));
        let frames = Frames {
            segments: self.segments,
            group: Some(&self.group),
            active: self.active,
        };
        if let Some(entry) = self.group.get(number) {
            let mut applying = Applying {
                view: &self.shared.view,
                txn: &mut self.txn,
                tally: &mut self.tally,
            };
            applying.apply(&entry, &frames)?;
        }
        Ok(number)
    }
}
