//! One filter's rows on their way, in the order of answers: looked up by id, or taken from walks over one index.

use super::{
    keys::Rank,
    plan::{Source, Wanted},
    slice::{Found, Slice},
    view::{Index, short},
    walk::{Cursors, Walks},
};
use crate::wire::{EventId, Filter};

/// Candidates that are looked at beyond a filter's limit, to know whether it cut something. Those that the reader may not see do not
/// count: else they could be counted by it.
const PROBE: u32 = 64;

/// Where a filter's rows come from.
enum Rows {
    Nothing,
    Ids(LookUps),
    Walks(Runs),
}

/// Rows that are asked for by id: all are looked up, then sorted.
struct LookUps {
    asked: std::vec::IntoIter<EventId>,
    found: Vec<Found>,
    is_sorted: bool,
}

/// Rows along walks over an index, one rank after the other.
struct Runs {
    walks: Walks,
    /// Rows of one rank, the next one last.
    run: Vec<Found>,
    /// A rank that was read ahead.
    ahead: Option<Rank>,
}

/// One filter on its way.
pub(super) struct Stream {
    wanted: Wanted,
    rows: Rows,
    /// Rows that may still be given out: the filter's limit.
    pub(super) left: u64,
    /// The row that is its next one.
    pub(super) next: Option<Found>,
    has_ended: bool,
}

/// What filling a stream came to.
pub(super) enum Fill {
    /// Its next row is known, or it has ended.
    Ready,
    /// The time is up.
    Over,
}

impl Stream {
    /// A filter of which nothing was read.
    pub(super) fn new(filter: &Filter) -> Self {
        let wanted = Wanted::of(filter);
        let rows = match wanted.source(filter) {
            Source::Nothing => Rows::Nothing,
            Source::Ids(ids) => Rows::Ids(LookUps {
                asked: ids.into_iter(),
                found: Vec::new(),
                is_sorted: false,
            }),
            Source::Walks(index, prefixes) => Rows::Walks(Runs {
                walks: Walks::new(index, prefixes, (wanted.since, wanted.until)),
                run: Vec::new(),
                ahead: None,
            }),
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
    pub(super) fn fill(
        &mut self,
        slice: &mut Slice<'_>,
        cursors: &mut Cursors<'_>,
        cut: &mut bool,
    ) -> heed::Result<Fill> {
        if self.has_ended || self.next.is_some() {
            return Ok(Fill::Ready);
        }
        let probing = self.left == 0;
        let before = slice.visible;
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
            if probing && slice.visible - before > PROBE {
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
            Rows::Ids(ids) if ids.is_sorted => &mut ids.found,
            Rows::Walks(runs) => &mut runs.run,
            Rows::Nothing | Rows::Ids(_) => return Ok(None),
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
            Rows::Ids(ids) => ids.advance(slice, &self.wanted),
            Rows::Walks(runs) => runs.advance(slice, cursors, &self.wanted),
        }
    }
}

impl LookUps {
    /// Looks one id up; behind the last one, sorts what was found. `false`: that is done.
    fn advance(&mut self, slice: &mut Slice<'_>, wanted: &Wanted) -> heed::Result<bool> {
        if self.is_sorted {
            return Ok(false);
        }
        if let Some(id) = self.asked.next() {
            let view = &slice.shared.view;
            let number = view.number(slice.txn, Index::Ids, short(id.as_bytes()))?;
            let found = number.and_then(|number| slice.admit(number, wanted));
            self.found.extend(found);
        } else {
            sort(&mut self.found);
            self.is_sorted = true;
        }
        Ok(true)
    }
}

impl Runs {
    /// Opens one more walk, or takes the next rank. `false`: all walks have ended.
    fn advance(
        &mut self,
        slice: &mut Slice<'_>,
        cursors: &mut Cursors<'_>,
        wanted: &Wanted,
    ) -> heed::Result<bool> {
        if self.walks.open_one(cursors)? {
            return Ok(true);
        }
        let rank = match self.ahead.take() {
            Some(rank) => Some(rank),
            None => self.walks.next(cursors)?,
        };
        let Some(rank) = rank else { return Ok(false) };
        // An event lies anywhere in the log: it comes into the cache while the one before is looked at and copied.
        if let Some(next) = self.walks.peek() {
            slice.fetch_ahead(next.number);
        }
        self.run.extend(slice.admit(rank.number, wanted));
        let mut last = rank.number;
        while let Some(tie) = self.next_tie(cursors, &rank)? {
            if tie.number != last {
                self.run.extend(slice.admit(tie.number, wanted));
            }
            last = tie.number;
        }
        if self.run.len() > 1 {
            sort(&mut self.run);
        }
        Ok(true)
    }

    /// The next rank if it ties with `rank`; another one is kept ahead.
    fn next_tie(&mut self, cursors: &mut Cursors<'_>, rank: &Rank) -> heed::Result<Option<Rank>> {
        if !self.walks.peek().is_some_and(|next| next.ties(rank)) {
            return Ok(None);
        }
        match self.walks.next(cursors)? {
            Some(next) if next.ties(rank) => Ok(Some(next)),
            other => {
                self.ahead = other;
                Ok(None)
            }
        }
    }
}

/// The row that comes first stands last, because rows are popped.
fn sort(rows: &mut [Found]) {
    rows.sort_unstable_by(|a, b| b.order().cmp(&a.order()));
}
