//! What goes into the writer and what comes out of it: tickets, outcomes, commit numbers.

use crate::wire::{Verdict, Verified};
use std::{fmt, sync::Arc};

/// A sequence number that is durable: the log holds it and was synced. Made only in `store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Committed(pub(super) u64);

impl Committed {
    /// Before the first entry.
    pub const NONE: Self = Self(0);

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// A number that someone kept, to go on from there (`export --after`, a follower's position).
    pub const fn resume(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One event on its way into the store, and where the answer goes.
#[derive(Clone)]
pub struct Ticket {
    /// The event; ephemeral ones never get here.
    pub event: Verified,
    /// Is it a kind 62 that names this relay (NIP-62)? The caller decides: the store reads no configuration.
    pub vanish: bool,
    /// The caller's own mark, given back with the outcome.
    pub token: u64,
    /// Who is told.
    pub to: Arc<dyn Answers>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("id", &self.event.id())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// What became of an event, by the rules of `store/decide.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Durable under this number.
    Stored(Committed),
    /// The very event is stored already.
    Duplicate,
    /// A newer version of this replaceable or addressable event is stored.
    Superseded,
    /// Its author (or, for a gift wrap, its recipient) has deleted it (NIP-09, NIP-59), or an operator removed it.
    Deleted,
    /// Its author, or its recipient, has vanished and it is not newer than that (NIP-62).
    Vanished,
    /// Our fault; nothing is known to be stored.
    Failed(Failure),
}

impl Outcome {
    /// What its author is told: is it here, and what there is to say about it (NIP-01, OK).
    pub fn words(self) -> (bool, Verdict) {
        let is_here = matches!(self, Self::Stored(_) | Self::Duplicate);
        let verdict = match self {
            Self::Stored(_) => Verdict::NONE,
            Self::Duplicate => Verdict::duplicate("this event is stored already"),
            Self::Superseded => Verdict::duplicate("newer version stored"),
            Self::Deleted => Verdict::blocked("this event was deleted"),
            Self::Vanished => Verdict::blocked("this key asked to vanish"),
            Self::Failed(Failure::Full) => Verdict::error("the disk is full, try again later"),
            Self::Failed(Failure::Broken) => Verdict::error("the event could not be stored"),
        };
        (is_here, verdict)
    }
}

/// Why the store could not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The volume is full up to the reserve; deletions still work and it heals by them.
    Full,
    /// The log or the view failed; the process must end and start again.
    Broken,
}

/// Takes answers. Called on the writer thread, once per group and recipient: it must not block.
pub trait Answers: Send + Sync {
    /// The outcomes by token, in the order of the tickets.
    fn answer(&self, outcomes: &[(u64, Outcome)]);
}

/// Hears of commits. Called on the writer thread, once per group, after the answers: it must not block.
pub trait Listener: Send + Sync {
    /// Everything up to `upto` is committed; `events` are the new ones, in order.
    fn committed(&self, upto: Committed, events: &[(Committed, Verified)]);
}

/// Why an operator removes events; kept in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Removal {
    /// `relay delete`, a ban, a court order: they may not come back.
    Ordered,
    /// Their time has passed (NIP-40) or the retention rule says so; no tombstone is kept.
    Outdated,
}
