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
    ticket::{Committed, Failure, Outcome, Ticket},
    view,
};
use crate::wire::{Verified, kind};
use heed::RwTxn;
use std::sync::Arc;

/// One thing to write.
pub(super) enum Job {
    /// An event.
    Event(Ticket),
    /// Removals.
    Remove(Removing),
}

impl Job {
    /// Bytes of its text.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Event(ticket) => ticket.event.text().len(),
            Self::Remove(_) => 0,
        }
    }
}

/// Is it a request to delete or to vanish? If it removes something, it may use the reserve.
fn frees(ticket: &Ticket) -> bool {
    ticket.vanish || ticket.event.kind() == kind::DELETION
}

/// What became of a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    /// What became of the event.
    Event(Outcome),
    /// How many were removed.
    Removed(u64),
}

/// Why a group could not be written as it is.
pub(super) enum Stop {
    /// LMDB's map is full.
    View,
    /// The segment is full.
    Segment { bytes: usize },
    /// Nothing was written; the group fails.
    Abort(&'static str, String),
    /// The log or the view is in an unknown state.
    Broken(&'static str, String),
}

impl From<heed::Error> for Stop {
    fn from(error: heed::Error) -> Self {
        if view::is_full(&error) {
            Self::View
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
}

impl Forming<'_> {
    /// Decides about one job and applies what it brings.
    pub fn job(&mut self, job: &Job, purpose: Purpose) -> Result<Done, Stop> {
        let welcome = purpose == Purpose::Ordinary;
        match job {
            Job::Event(ticket) => self.event(ticket, welcome).map(Done::Event),
            Job::Remove(removing) => self.remove(removing).map(Done::Removed),
        }
    }

    fn frames(&self) -> Frames<'_> {
        Frames {
            segments: self.segments,
            group: Some(&self.group),
            active: self.active,
        }
    }

    fn event(&mut self, ticket: &Ticket, welcome: bool) -> Result<Outcome, Stop> {
        let frames = self.frames();
        let look = Look {
            view: &self.shared.view,
            txn: &self.txn,
            frames: &frames,
        };
        let (before, effects) = match decide::decide(&look, &ticket.event, ticket.vanish)? {
            Decision::Refused(outcome) => return Ok(outcome),
            Decision::Accepted { removes, .. } if !(welcome || (removes && frees(ticket))) => {
                return Ok(Outcome::Failed(Failure::Full));
            }
            Decision::Accepted {
                before, effects, ..
            } => (before, effects),
        };
        for effects in before {
            self.add(|out, stamp| entry::write_removal(out, stamp, &effects))?;
        }
        let number =
            self.add(|out, stamp| entry::write_event(out, stamp, &ticket.event, &effects))?;
        self.stored.push((Committed(number), ticket.event.clone()));
        Ok(Outcome::Stored(Committed(number)))
    }

    fn remove(&mut self, removing: &Removing) -> Result<u64, Stop> {
        let mut effects = Vec::new();
        let mut count = 0;
        let frames = self.frames();
        let look = Look {
            view: &self.shared.view,
            txn: &self.txn,
            frames: &frames,
        };
        let mut doom = |entry: entry::Entry<'_>| {
            effects.push(Effect::Remove(entry.number(), removing.reason));
            count += 1;
        };
        match &removing.what {
            Doomed::Ids(ids) => {
                for id in ids {
                    look.stored(id.as_bytes())?.into_iter().for_each(&mut doom);
                }
                if removing.reason == Reason::Ordered {
                    effects.extend(ids.iter().map(|id| Effect::Tombstone {
                        id: *id.as_bytes(),
                        by: view::ORDERED,
                    }));
                }
            }
            Doomed::Numbers(numbers) => {
                for number in numbers {
                    if let Some(entry) = frames.get(*number)
                        && self.shared.view.stands(&self.txn, &entry)?
                    {
                        doom(entry);
                    }
                }
            }
        }
        for chunk in effects.chunks(decide::REMOVALS) {
            let effects = effect::write(chunk);
            self.add(|out, stamp| entry::write_removal(out, stamp, &effects))?;
        }
        Ok(count)
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
