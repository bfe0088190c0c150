//! Makes the view anew from the log: one pass finds what is dead, one names the keys of what lives; the keys are sorted
//! and appended. A million events take seconds.

use super::{
    apply::Dead,
    effect::Effect,
    entry::{Entry, Form},
    error::OpenError,
    keys::SmallKey,
    log,
    options::{Phase, Progress},
    segment::Segment,
    sorter::{self, SHAPES, Sorter},
    view::{self, APPLIED, EVENTS, Index, LIVE_BYTES, View},
};
use heed::PutFlags;
use std::{collections::BTreeMap, io, path::Path, sync::Arc};

/// Records in one transaction: LMDB bounds the pages that one may touch.
const RECORDS: usize = 500_000;

/// What a rebuild works with.
pub(super) struct Rebuild<'a> {
    /// The store's directory.
    pub dir: &'a Path,
    /// Where the view goes.
    pub view_dir: &'a Path,
    /// The whole log, damaged segments already set aside.
    pub segments: &'a [Arc<Segment>],
    /// The last number.
    pub last: u64,
    /// The view's first size.
    pub size: u64,
    /// Told how far it is.
    pub progress: &'a Progress,
}

/// A new view.
pub(super) struct Rebuilt {
    /// The view.
    pub view: View,
    /// Events that are in the way of newer ones, because the entry that removed them was lost.
    pub stale: Vec<u64>,
}

#[derive(Default)]
struct Sums {
    events: u64,
    live: u64,
    dead: BTreeMap<u64, Dead>,
    stale: Vec<u64>,
}

/// Numbers that left the view, one bit each.
struct Graves(Vec<u64>);

impl Graves {
    fn new(last: u64) -> Self {
        Self(vec![0; (last / 64 + 1) as usize])
    }

    fn has(&self, number: u64) -> bool {
        let word = self.0.get((number / 64) as usize);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Was it new?
    fn add(&mut self, number: u64) -> bool {
        let new = !self.has(number);
        if let Some(word) = self.0.get_mut((number / 64) as usize) {
            *word |= 1 << (number % 64);
        }
        new
    }
}

impl Rebuild<'_> {
    /// Deletes the old view unopened and makes the new one.
    pub fn run(&self) -> Result<Rebuilt, OpenError> {
        let io = |what: &str| OpenError::io(format!("{}: {what}", self.dir.display()));
        view::delete(self.view_dir).map_err(io("the old view could not be deleted"))?;
        let runs = self.dir.join("rebuild");
        let mut sorter = Sorter::new(&runs).map_err(io("no room to sort keys"))?;
        let mut sums = Sums::default();
        self.collect(&mut sorter, &mut sums)
            .map_err(io("keys could not be sorted"))?;
        let view = self.build(&mut sorter, &mut sums)?;
        sorter::clear(&runs).map_err(io("sorted keys could not be removed"))?;
        Ok(Rebuilt {
            view,
            stale: sums.stale,
        })
    }

    fn entries(&self) -> impl Iterator<Item = (u64, Entry<'_>)> {
        self.segments
            .iter()
            .enumerate()
            .flat_map(move |(at, segment)| {
                let first = segment.identity.first;
                let next = self
                    .segments
                    .get(at + 1)
                    .map_or(self.last + 1, |next| next.identity.first);
                (first..next).filter_map(move |number| Some((first, segment.get(number)?)))
            })
    }

    fn percent(&self, from: u64, number: u64) {
        if number.is_multiple_of(4096) {
            let percent = from + 35 * number / self.last.max(1);
            self.progress.set(Phase::Rebuilding, percent as u8);
        }
    }

    fn collect(&self, sorter: &mut Sorter, sums: &mut Sums) -> io::Result<()> {
        let mut graves = Graves::new(self.last);
        for (_, entry) in self.entries() {
            self.percent(0, entry.number());
            for effect in entry.effects() {
                match effect {
                    Effect::Remove(number, reason) => {
                        let dead = log::find(self.segments, number);
                        let dead = dead.filter(|dead| dead.form() == Form::Event);
                        if let (Some(dead), true) = (dead, graves.add(number)) {
                            let segment = log::covering(self.segments, number);
                            let first = segment.map_or(0, |s| s.identity.first);
                            let sum = sums.dead.entry(first).or_default();
                            sum.add(dead.padded() as u64, reason, entry.written());
                        }
                    }
                    Effect::Tombstone { id, by } => {
                        sorter.push(Index::Tombs, &view::tomb(&id, &by), &[])?;
                    }
                    Effect::AddressTombstone { address, upto } => {
                        let key = SmallKey::of(&[&address]);
                        sorter.push(Index::AddressTombs, &key, &upto.to_be_bytes())?;
                    }
                    Effect::Vanish { pubkey, upto } => {
                        let key = SmallKey::of(&[&pubkey]);
                        sorter.push(Index::Vanished, &key, &upto.to_be_bytes())?;
                    }
                }
            }
        }
        for (_, entry) in self.entries() {
            self.percent(35, entry.number());
            if entry.form() != Form::Event || graves.has(entry.number()) {
                continue;
            }
            sums.events += 1;
            sums.live += entry.padded() as u64;
            let mut result = Ok(());
            view::each_key(&entry, |index, key, value| {
                if result.is_ok() {
                    result = sorter.push(index, &key, value);
                }
            });
            result?;
        }
        Ok(())
    }

    fn build(&self, sorter: &mut Sorter, sums: &mut Sums) -> Result<View, OpenError> {
        let mut size = self.size.max(sorter.bytes() as u64 * 3 / 2);
        loop {
            let view = View::open(self.view_dir, size as usize)
                .map_err(OpenError::view("the new view could not be made"))?;
            match self.fill(&view, sorter, sums) {
                Ok(()) => return Ok(view),
                Err(error) if view::is_full(&error) => {
                    drop(view);
                    size *= 2;
                    view::delete(self.view_dir)
                        .map_err(OpenError::io("a view that was too small"))?;
                }
                Err(error) => return Err(OpenError::view("the new view")(error)),
            }
        }
    }

    fn fill(&self, view: &View, sorter: &mut Sorter, sums: &mut Sums) -> heed::Result<()> {
        sums.stale.clear();
        for (at, (index, ..)) in SHAPES.iter().enumerate() {
            fill_one(view, sorter, (at, &mut sums.stale))?;
            tracing::debug!(?index, "rebuilt");
            let percent = 70 + 30 * (at + 1) / SHAPES.len();
            self.progress.set(Phase::Rebuilding, percent as u8);
        }
        let mut txn = view.write()?;
        for (segment, dead) in &sums.dead {
            let key = segment.to_be_bytes();
            view.db(Index::Dead).put(&mut txn, &key, &dead.bytes())?;
        }
        for (key, number) in [
            (EVENTS, sums.events),
            (LIVE_BYTES, sums.live),
            (APPLIED, self.last),
        ] {
            view.put_number(&mut txn, (Index::Meta, key), number)?;
        }
        txn.commit()
    }
}

/// Appends one index. Of records with one key the highest value counts; the numbers of the others are stale.
fn fill_one(
    view: &View,
    sorter: &mut Sorter,
    (at, stale): (usize, &mut Vec<u64>),
) -> heed::Result<()> {
    let (index, key, value) = SHAPES[at];
    let mut merge = sorter.sorted(at)?;
    let mut next = merge.next()?;
    while next.is_some() {
        let mut txn = view.write()?;
        for _ in 0..RECORDS {
            let Some(record) = next else { break };
            next = merge.next()?;
            if next.is_some_and(|next| next[..key] == record[..key]) {
                let number = record[key..key + value].first_chunk();
                if let (Some(number), Index::Ids | Index::Address) = (number, index) {
                    stale.push(u64::from_be_bytes(*number));
                }
                continue;
            }
            let (key, value) = (&record[..key], &record[key..key + value]);
            view.db(index)
                .put_with_flags(&mut txn, PutFlags::APPEND, key, value)?;
        }
        txn.commit()?;
    }
    Ok(())
}
