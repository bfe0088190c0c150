//! Walks over one index, merged into the order of answers: newest first, then by id.
//!
//! A walk survives its transaction: it keeps the next key of each prefix and opens cursors again when they are needed.

use super::{
    keys::{Rank, SmallKey},
    view::{Index, Reading, View},
};
use heed::{RoRange, types::Bytes};
use std::{cmp::Reverse, collections::BinaryHeap, ops::Bound};

type Cursor<'t> = RoRange<'t, Bytes, Bytes>;

/// Merged walks over several prefixes of one index.
pub(super) struct Walks {
    index: Index,
    prefixes: Vec<SmallKey>,
    heads: BinaryHeap<Reverse<(Rank, u32)>>,
    opened: usize,
    start: Rank,
    oldest: u64,
}

/// The cursors of one slice.
pub(super) struct Cursors<'t> {
    view: &'t View,
    txn: &'t Reading<'t>,
    open: Vec<Option<Cursor<'t>>>,
}

impl<'t> Cursors<'t> {
    /// No cursor is open yet.
    pub fn new(view: &'t View, txn: &'t Reading<'t>) -> Self {
        Self {
            view,
            txn,
            open: Vec::new(),
        }
    }
}

impl Walks {
    /// Walks from `until` back to `since`, both inclusive.
    pub fn new(index: Index, prefixes: Vec<SmallKey>, (since, until): (u64, u64)) -> Self {
        Self {
            index,
            prefixes,
            heads: BinaryHeap::new(),
            opened: 0,
            start: Rank::from_time(until),
            oldest: u64::MAX - since,
        }
    }

    /// Finds the first key of the next prefix; `false` when all were found. Must be done before [`Walks::next`].
    pub fn open_one(&mut self, cursors: &mut Cursors<'_>) -> heed::Result<bool> {
        if self.opened == self.prefixes.len() {
            return Ok(false);
        }
        let at = self.opened;
        self.opened += 1;
        self.seek(cursors, at, self.start)?;
        Ok(true)
    }

    /// Opens a cursor at a rank and files what it finds there.
    fn seek(&mut self, cursors: &mut Cursors<'_>, at: usize, rank: Rank) -> heed::Result<()> {
        let start = self.prefixes[at].at(rank);
        let range = (Bound::Included(start.get()), Bound::Unbounded);
        let cursor = cursors.view.db(self.index).range(cursors.txn, &range)?;
        if cursors.open.len() < self.prefixes.len() {
            cursors.open.resize_with(self.prefixes.len(), || None);
        }
        cursors.open[at] = Some(cursor);
        self.step(cursors, at)
    }

    /// Files the next key of an open cursor, unless it has left its prefix or the time.
    fn step(&mut self, cursors: &mut Cursors<'_>, at: usize) -> heed::Result<()> {
        let Some(cursor) = cursors.open.get_mut(at).and_then(Option::as_mut) else {
            return Ok(());
        };
        let Some(item) = cursor.next() else {
            return Ok(());
        };
        let (key, _) = item?;
        if let Some(rank) = key
            .starts_with(self.prefixes[at].get())
            .then(|| Rank::read(key))
            .flatten()
            .filter(|rank| rank.age <= self.oldest)
        {
            self.heads.push(Reverse((rank, at as u32)));
        }
        Ok(())
    }

    /// The next rank in order. The same number may come several times in a row, from several prefixes.
    pub fn next(&mut self, cursors: &mut Cursors<'_>) -> heed::Result<Option<Rank>> {
        while let Some(Reverse((rank, at))) = self.heads.pop() {
            let at = at as usize;
            if cursors.open.get(at).is_some_and(Option::is_some) {
                self.step(cursors, at)?;
                return Ok(Some(rank));
            }
            self.seek(cursors, at, rank)?;
            if self.heads.peek() == Some(&Reverse((rank, at as u32))) {
                self.heads.pop();
                self.step(cursors, at)?;
                return Ok(Some(rank));
            }
        }
        Ok(None)
    }

    /// What [`Walks::next`] would look at next.
    pub fn peek(&self) -> Option<Rank> {
        self.heads.peek().map(|Reverse((rank, _))| *rank)
    }
}
