//! Answers filters out of the view, in short slices: one index per filter, walks merged by time, each event once.
//!
//! Each slice has a read transaction of its own and goes on where the last one stopped. Only entries up to the number
//! that the first slice saw count; what came later reaches the reader live.

use super::{
    entry::{Entry, Form},
    error::ReadError,
    keys::Rank,
    log::{self, SegmentList},
    plan::{Source, Wanted},
    row::{Row, Sight, Step},
    shared::Shared,
    ticket::Committed,
    view::{Index, Reading, short},
    walk::{Cursors, Walks},
};
use crate::wire::{EventId, Filter};
use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

/// Candidates between two looks at the clock.
const STRIDE: u32 = 16;
/// Candidates that are looked at beyond a filter's limit, to know whether it cut something.
const PROBE: u32 = 64;

/// A row that matches, waiting for its turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    age: u64,
    id: [u8; 32],
    number: u64,
    slice: u64,
}

impl Found {
    fn order(&self) -> (u64, &[u8; 32]) {
        (self.age, &self.id)
    }
}

enum Rows {
    Nothing,
    Ids {
        asked: std::vec::IntoIter<EventId>,
        found: Vec<Found>,
        is_sorted: bool,
    },
    Walks {
        walks: Walks,
        /// Rows of one rank, the next one last.
        run: Vec<Found>,
        /// A rank that was read ahead.
        ahead: Option<Rank>,
    },
}

/// One filter on its way.
struct Stream {
    wanted: Wanted,
    rows: Rows,
    left: u64,
    next: Option<Found>,
    has_ended: bool,
}

/// What a slice reads from.
struct Slice<'t> {
    shared: &'t Shared,
    txn: &'t Reading<'t>,
    segments: &'t SegmentList,
    sight: &'t dyn Sight,
    upto: u64,
    now: u64,
    number: u64,
    deadline: Instant,
    seen: u32,
    hidden: bool,
    /// What was admitted last: mostly it is what is given out next.
    last: Option<Entry<'t>>,
}

impl<'t> Slice<'t> {
    /// Is the time up? Asked per candidate; some are always looked at, so that every slice comes further.
    fn is_over(&mut self) -> bool {
        self.seen += 1;
        self.seen.is_multiple_of(STRIDE) && Instant::now() >= self.deadline
    }

    fn entry(&self, number: u64) -> Option<Entry<'t>> {
        let known = self.last.filter(|entry| entry.number() == number);
        known.or_else(|| {
            log::find(self.segments, number).filter(|entry| entry.form() == Form::Event)
        })
    }

    /// The row of a number, if it belongs into the answer.
    fn admit(&mut self, number: u64, wanted: &Wanted) -> Option<Found> {
        if number > self.upto {
            return None;
        }
        let entry = self.entry(number)?;
        if !wanted.matches(&entry) || entry.expiration().is_some_and(|at| at <= self.now) {
            return None;
        }
        if !self.sight.sees(&Row(entry)) {
            self.hidden = true;
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
    fn is_current(&self, found: &Found) -> heed::Result<bool> {
        if found.slice == self.number {
            return Ok(true);
        }
        let view = &self.shared.view;
        let number = view.number(self.txn, Index::Ids, short(&found.id))?;
        Ok(number == Some(found.number))
    }
}

/// What filling a stream came to.
enum Fill {
    /// Its next row is known, or it has ended.
    Ready,
    /// The time is up.
    Over,
}

impl Stream {
    fn new(filter: &Filter) -> Self {
        let wanted = Wanted::of(filter);
        let rows = match wanted.source(filter) {
            Source::Nothing => Rows::Nothing,
            Source::Ids(ids) => Rows::Ids {
                asked: ids.into_iter(),
                found: Vec::new(),
                is_sorted: false,
            },
            Source::Walks(index, prefixes) => Rows::Walks {
                walks: Walks::new(index, prefixes, (wanted.since, wanted.until)),
                run: Vec::new(),
                ahead: None,
            },
        };
        Self {
            has_ended: matches!(rows, Rows::Nothing),
            wanted,
            rows,
            left: filter.limit.unwrap_or(u64::MAX),
            next: None,
        }
    }

    /// Finds the next row; beyond the limit, only whether there is one.
    fn fill(
        &mut self,
        slice: &mut Slice<'_>,
        cursors: &mut Cursors<'_>,
        cut: &mut bool,
    ) -> heed::Result<Fill> {
        if self.has_ended || self.next.is_some() {
            return Ok(Fill::Ready);
        }
        let probing = self.left == 0;
        let mut tries = 0;
        loop {
            if let Some(found) = self.pop(slice)? {
                if probing {
                    *cut = true;
                    self.has_ended = true;
                } else {
                    self.next = Some(found);
                }
                return Ok(Fill::Ready);
            }
            tries += 1;
            if probing && tries > PROBE {
                *cut = true;
                self.has_ended = true;
                return Ok(Fill::Ready);
            }
            if slice.is_over() {
                return Ok(Fill::Over);
            }
            if !self.advance(slice, cursors)? {
                self.has_ended = true;
                return Ok(Fill::Ready);
            }
        }
    }

    /// A row that was found and still stands.
    fn pop(&mut self, slice: &Slice<'_>) -> heed::Result<Option<Found>> {
        let waiting = match &mut self.rows {
            Rows::Ids {
                found,
                is_sorted: true,
                ..
            } => found,
            Rows::Walks { run, .. } => run,
            Rows::Nothing | Rows::Ids { .. } => return Ok(None),
        };
        while let Some(found) = waiting.pop() {
            if slice.is_current(&found)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Looks at one more candidate. `false`: there are none.
    fn advance(&mut self, slice: &mut Slice<'_>, cursors: &mut Cursors<'_>) -> heed::Result<bool> {
        match &mut self.rows {
            Rows::Nothing => Ok(false),
            Rows::Ids {
                asked,
                found,
                is_sorted,
            } => {
                if *is_sorted {
                    return Ok(false);
                }
                if let Some(id) = asked.next() {
                    let view = &slice.shared.view;
                    let number = view.number(slice.txn, Index::Ids, short(id.as_bytes()))?;
                    found.extend(number.and_then(|number| slice.admit(number, &self.wanted)));
                } else {
                    found.sort_unstable_by(|a, b| b.order().cmp(&a.order()));
                    *is_sorted = true;
                }
                Ok(true)
            }
            Rows::Walks { walks, run, ahead } => {
                if walks.open_one(cursors)? {
                    return Ok(true);
                }
                let rank = match ahead.take() {
                    Some(rank) => Some(rank),
                    None => walks.next(cursors)?,
                };
                let Some(rank) = rank else { return Ok(false) };
                run.extend(slice.admit(rank.number, &self.wanted));
                let mut last = rank.number;
                while walks.peek().is_some_and(|next| next.ties(&rank)) {
                    match walks.next(cursors)? {
                        Some(next) if next.ties(&rank) => {
                            if next.number != last {
                                run.extend(slice.admit(next.number, &self.wanted));
                            }
                            last = next.number;
                        }
                        other => {
                            *ahead = other;
                            break;
                        }
                    }
                }
                if run.len() > 1 {
                    run.sort_unstable_by(|a, b| b.order().cmp(&a.order()));
                }
                Ok(true)
            }
        }
    }
}

/// Stored events that match any of some filters. Nothing is read before the first [`Query::slice`].
pub struct Query {
    shared: Arc<Shared>,
    sight: Arc<dyn Sight>,
    streams: Vec<Stream>,
    snapshot: Option<Committed>,
    slices: u64,
    cut: bool,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("snapshot", &self.snapshot)
            .field("slices", &self.slices)
            .finish_non_exhaustive()
    }
}

impl Query {
    pub(super) fn new(shared: Arc<Shared>, filters: &[Filter], sight: Arc<dyn Sight>) -> Self {
        let streams: Vec<Stream> = filters.iter().map(Stream::new).collect();
        Self {
            shared,
            sight,
            streams,
            snapshot: None,
            slices: 0,
            cut: false,
        }
    }

    /// The number up to which the answer is true; known after the first slice. What has a higher number comes live.
    pub fn snapshot(&self) -> Option<Committed> {
        self.snapshot
    }

    /// Gives out rows for about `budget`: newest first, then by id, each once, each filter up to its own limit; what has
    /// expired is left out. `Break` ends the slice behind the row that was given.
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn slice(
        &mut self,
        budget: Duration,
        out: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Step, ReadError> {
        let shared = Arc::clone(&self.shared);
        let sight = Arc::clone(&self.sight);
        let txn = shared.view.read()?;
        let segments = shared.segments.load();
        let upto = match self.snapshot {
            Some(upto) => upto.get(),
            None => shared.view.applied(&txn)?,
        };
        self.snapshot = Some(Committed(upto));
        self.slices += 1;
        let mut slice = Slice {
            shared: &shared,
            txn: &txn,
            segments: &segments,
            sight: &*sight,
            upto,
            now: shared.clock.now(),
            number: self.slices,
            deadline: Instant::now() + budget,
            seen: 0,
            hidden: false,
            last: None,
        };
        let step = self.merge(&mut slice, out);
        self.cut |= slice.hidden;
        Ok(match step? {
            Step::Done { .. } => Step::Done { cut: self.cut },
            Step::More => Step::More,
        })
    }

    fn merge(
        &mut self,
        slice: &mut Slice<'_>,
        out: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Step, ReadError> {
        let mut cursors: Vec<Cursors<'_>> = self
            .streams
            .iter()
            .map(|_| Cursors::new(&slice.shared.view, slice.txn))
            .collect();
        loop {
            for (stream, cursors) in self.streams.iter_mut().zip(&mut cursors) {
                if let Fill::Over = stream.fill(slice, cursors, &mut self.cut)? {
                    return Ok(Step::More);
                }
            }
            let first = self
                .streams
                .iter()
                .filter_map(|stream| stream.next)
                .min_by(|a, b| a.order().cmp(&b.order()));
            let Some(first) = first else {
                return Ok(Step::Done { cut: self.cut });
            };
            let is_current = slice.is_current(&first)?;
            let entry = slice.entry(first.number).filter(|_| is_current);
            for stream in &mut self.streams {
                if stream.next.is_some_and(|next| next.number == first.number) {
                    stream.next = None;
                    stream.left -= u64::from(entry.is_some() && stream.left > 0);
                }
            }
            let Some(entry) = entry else {
                continue;
            };
            if out(&Row(entry)).is_break() {
                return Ok(Step::More);
            }
        }
    }
}
