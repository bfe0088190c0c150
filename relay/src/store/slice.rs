//! One slice of a query: its read transaction, until when it may read, and what belongs into the answer.

use super::{
    entry::{Entry, Form},
    log::{self, SegmentList},
    plan::Wanted,
    row::{Row, Sight},
    shared::Shared,
    view::{Index, Reading, short},
};
use std::time::Instant;

/// Candidates between two looks at the clock.
const STRIDE: u32 = 16;

/// A row that matches, waiting for its turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    age: u64,
    id: [u8; 32],
    pub(super) number: u64,
    slice: u64,
}

impl Found {
    /// Newest first, then by id.
    pub(super) fn order(&self) -> (u64, &[u8; 32]) {
        (self.age, &self.id)
    }
}

/// What a slice reads from.
pub(super) struct Slice<'t> {
    pub(super) shared: &'t Shared,
    pub(super) txn: &'t Reading<'t>,
    pub(super) segments: &'t SegmentList,
    pub(super) sight: &'t dyn Sight,
    /// The last number that counts.
    pub(super) upto: u64,
    pub(super) now: u64,
    /// Its own number: the first slice of a query is 1.
    pub(super) number: u64,
    pub(super) deadline: Instant,
    /// Candidates so far.
    pub(super) seen: u32,
    /// Those among them that the reader may see. What it may not see must change nothing that it can tell.
    pub(super) visible: u32,
    /// What was admitted last: mostly it is what is given out next.
    pub(super) last: Option<Entry<'t>>,
}

impl<'t> Slice<'t> {
    /// Is the time up? Asked per candidate; some are always looked at, so that every slice comes further.
    pub(super) fn is_over(&mut self) -> bool {
        self.seen += 1;
        self.seen.is_multiple_of(STRIDE) && Instant::now() >= self.deadline
    }

    /// The stored event of a number.
    pub(super) fn entry(&self, number: u64) -> Option<Entry<'t>> {
        let known = self.last.filter(|entry| entry.number() == number);
        known.or_else(|| {
            log::find(self.segments, number).filter(|entry| entry.form() == Form::Event)
        })
    }

    /// The event of a number will probably be the next.
    pub(super) fn fetch_ahead(&self, number: u64) {
        log::fetch_ahead(self.segments, number);
    }

    /// The row of a number, if it belongs into the answer.
    pub(super) fn admit(&mut self, number: u64, wanted: &Wanted) -> Option<Found> {
        if number > self.upto {
            return None;
        }
        let entry = self.entry(number)?;
        if !self.sight.sees(&Row(entry)) {
            return None;
        }
        self.visible += 1;
        if !wanted.matches(&entry) || entry.expiration().is_some_and(|at| at <= self.now) {
            return None;
        }
        self.last = Some(entry);
        Some(Found {
            age: u64::MAX - entry.created_at(),
            id: *entry.id(),
            number,
            slice: self.number,
        })
    }

    /// Is a row that an earlier slice found still there?
    pub(super) fn is_current(&self, found: &Found) -> heed::Result<bool> {
        if found.slice == self.number {
            return Ok(true);
        }
        let view = &self.shared.view;
        let number = view.number(self.txn, Index::Ids, short(&found.id))?;
        Ok(number == Some(found.number))
    }
}
