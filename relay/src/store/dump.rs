//! The log by number: the refill of an overflowed live buffer, and export.

use super::{
    entry::{Entry, Form},
    error::ReadError,
    log,
    row::{Row, Step},
    shared::Shared,
    ticket::Committed,
    view::{Index, Reading},
};
use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

/// Entries that one transaction of an export looks at.
const BATCH: u64 = 256;
/// Entries between two looks at the clock.
const STRIDE: u64 = 32;

/// Events of the log in order of their numbers: those in the view, and those that a newer version replaced meanwhile.
pub struct Tail {
    shared: Arc<Shared>,
    after: u64,
    upto: u64,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tail({}, {}]", self.after, self.upto)
    }
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>, after: Committed, upto: Committed) -> Self {
        Self {
            shared,
            after: after.get(),
            upto: upto.get(),
        }
    }

    /// Gives out events for about `budget`. `Break` ends the slice behind the event that was given.
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn slice(
        &mut self,
        budget: Duration,
        out: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Step, ReadError> {
        let deadline = Instant::now() + budget;
        let txn = self.shared.view.read()?;
        let segments = self.shared.segments.load();
        let upto = self.upto.min(self.shared.committed().get());
        let now = self.shared.clock.now();
        while self.after < upto {
            self.after += 1;
            if let Some(entry) = log::find(&segments, self.after) {
                let expired = entry.expiration().is_some_and(|at| at <= now);
                let given = !expired && is_heard(&self.shared, &txn, &entry)?;
                if given && out(&Row(entry)).is_break() {
                    return Ok(Step::More);
                }
            }
            if self.after.is_multiple_of(STRIDE) && Instant::now() >= deadline {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done { cut: false })
    }
}

/// In the view, or out of it only because a newer version took its place.
fn is_heard(shared: &Shared, txn: &Reading<'_>, entry: &Entry<'_>) -> heed::Result<bool> {
    if entry.form() != Form::Event {
        return Ok(false);
    }
    if shared.view.holds(txn, entry)? {
        return Ok(true);
    }
    let Some(address) = entry.address() else {
        return Ok(false);
    };
    let newest = shared.view.number(txn, Index::Address, address)?;
    Ok(newest.is_some_and(|newest| newest > entry.number()))
}

/// All events in the view, by number, up to the last commit at its start.
pub struct Export {
    shared: Arc<Shared>,
    after: u64,
    upto: u64,
    ready: VecDeque<(Committed, Vec<u8>)>,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Export({}, {}]", self.after, self.upto)
    }
}

impl Export {
    pub(super) fn new(shared: Arc<Shared>, after: Committed) -> Self {
        let upto = shared.committed().get();
        Self {
            shared,
            after: after.get(),
            upto,
            ready: VecDeque::new(),
        }
    }

    /// The last number that will be looked at: for a progress bar.
    pub fn upto(&self) -> Committed {
        Committed(self.upto)
    }

    fn read(&mut self) -> Result<(), ReadError> {
        let txn = self.shared.view.read()?;
        let segments = self.shared.segments.load();
        for _ in 0..BATCH {
            if self.after >= self.upto {
                break;
            }
            self.after += 1;
            let entry = log::find(&segments, self.after);
            if let Some(entry) = entry.filter(|entry| entry.form() == Form::Event)
                && self.shared.view.holds(&txn, &entry)?
            {
                let number = Committed(entry.number());
                self.ready.push_back((number, entry.text().to_vec()));
            }
        }
        Ok(())
    }
}

impl Iterator for Export {
    type Item = Result<(Committed, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.after < self.upto {
            if let Err(error) = self.read() {
                self.after = self.upto;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
