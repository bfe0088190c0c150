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
    space::{Purpose, Space},
    view::{self, APPLIED, EVENTS, Index, LIVE_BYTES, View},
};
use heed::PutFlags;
use std::{collections::BTreeMap, io, path::Path, sync::Arc};

/// Records in one transaction: LMDB bounds the pages that one may touch.
const RECORDS: usize = 500_000;
/// The view starts with this at least.
const LEAST: u64 = 1 << 20;
/// And grows by its size, within these bounds, but by no more than is still to come.
const STEPS: (u64, u64) = (64 << 20, 1 << 30);

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
    /// How much room there is.
    pub space: &'a Space,
    /// Bytes of the store's other files.
    pub used: u64,
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

/// One index on its way into the view.
struct Filling<'a> {
    /// Which of [`SHAPES`].
    at: usize,
    /// Records that are in the view for good.
    records: usize,
    /// Stale numbers of those; the ones behind them are found again.
    kept: usize,
    stale: &'a mut Vec<u64>,
}

impl<'a> Filling<'a> {
    fn new(at: usize, stale: &'a mut Vec<u64>) -> Self {
        Self {
            at,
            records: 0,
            kept: stale.len(),
            stale,
        }
    }
}

impl Rebuild<'_> {
    /// Deletes the old view unopened and makes the new one. On a volume without the room for it nothing is left behind.
    pub fn run(&self) -> Result<Rebuilt, OpenError> {
        let io = |what: &str| OpenError::io(format!("{}: {what}", self.dir.display()));
        view::delete(self.view_dir).map_err(io("the old view could not be deleted"))?;
        let runs = self.dir.join("rebuild");
        let mut sorter = Sorter::new(&runs).map_err(self.problem(0, "rebuild/"))?;
        let made = self.make(&mut sorter);
        let cleared = sorter::clear(&runs).map_err(io("sorted keys could not be removed"));
        if made.is_err() {
            // Best effort: the next start deletes it too.
            let _ = view::delete(self.view_dir);
        }
        let made = made?;
        cleared.map(|()| made)
    }

    fn make(&self, sorter: &mut Sorter) -> Result<Rebuilt, OpenError> {
        let mut sums = Sums::default();
        if let Err(error) = self.collect(sorter, &mut sums) {
            let need = sorter.bytes_to_come();
            return Err(self.problem(need, "keys could not be sorted")(error));
        }
        let view = self.build(sorter, &mut sums)?;
        Ok(Rebuilt {
            view,
            stale: sums.stale,
        })
    }

    fn no_room(&self, need: u64) -> OpenError {
        OpenError::NoRoom {
            dir: self.dir.to_owned(),
            need,
        }
    }

    /// An error of the file system, in words that help where it is full.
    fn problem(&self, need: u64, what: &str) -> impl FnOnce(io::Error) -> OpenError {
        move |error| match error.kind() {
            io::ErrorKind::StorageFull => self.no_room(need),
            _ => OpenError::io(format!("{}: {what}", self.dir.display()))(error),
        }
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
        let usual = self.space.first_view_size();
        let usual = usual.map_err(OpenError::io("the file system"))?;
        let room = self.room(sorter, 0)?;
        let view = View::open(self.view_dir, usual.min(room).max(LEAST) as usize)
            .map_err(|error| self.refused(sorter, error))?;
        for at in 0..SHAPES.len() {
            self.index(&view, sorter, Filling::new(at, &mut sums.stale))?;
            let what = "sorted keys could not be removed";
            sorter.done(at).map_err(self.problem(0, what))?;
            let percent = 70 + 30 * (at + 1) / SHAPES.len();
            self.progress.set(Phase::Rebuilding, percent as u8);
        }
        while let Err(error) = self.write_sums(&view, sums) {
            self.make_room(&view, sorter, error)?;
        }
        Ok(view)
    }

    /// Bytes that may still be allocated beside a view of `size`.
    fn room(&self, sorter: &Sorter, size: u64) -> Result<u64, OpenError> {
        let used = self.used + size + sorter.bytes_on_disk();
        let room = self.space.available(used, Purpose::Removal);
        room.map_err(OpenError::io("the file system"))
    }

    fn refused(&self, sorter: &Sorter, error: heed::Error) -> OpenError {
        match error {
            heed::Error::Io(error) => {
                let need = sorter.bytes_to_come().max(LEAST);
                self.problem(need, "the new view could not be made")(error)
            }
            error => OpenError::view("the new view")(error),
        }
    }

    /// Lets the view grow by what is still to come, in steps, if it is the error that this mends.
    fn make_room(&self, view: &View, sorter: &Sorter, error: heed::Error) -> Result<(), OpenError> {
        if !view::is_full(&error) {
            return Err(self.refused(sorter, error));
        }
        let (size, to_come) = (view.size() as u64, sorter.bytes_to_come().max(LEAST));
        let room = self.room(sorter, size)?;
        let step = size.clamp(STEPS.0, STEPS.1).min(to_come).min(room) & !0xffff;
        if step == 0 {
            return Err(self.no_room(to_come));
        }
        view.grow((size + step) as usize)
            .map_err(|error| self.refused(sorter, error))
    }

    /// Appends one index, as often as it takes until it has room; what is in the view for good is not done again.
    fn index(
        &self,
        view: &View,
        sorter: &mut Sorter,
        mut filling: Filling<'_>,
    ) -> Result<(), OpenError> {
        while let Err(error) = fill(view, sorter, &mut filling) {
            filling.stale.truncate(filling.kept);
            self.make_room(view, sorter, error)?;
        }
        Ok(())
    }

    fn write_sums(&self, view: &View, sums: &Sums) -> heed::Result<()> {
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

/// Appends one index from where it stands on. Of records with one key the highest value counts; the numbers of the others
/// are stale.
fn fill(view: &View, sorter: &mut Sorter, filling: &mut Filling<'_>) -> heed::Result<()> {
    let (index, key, value) = SHAPES[filling.at];
    let mut merge = sorter.sorted(filling.at)?;
    for _ in 0..filling.records {
        merge.next()?;
    }
    let mut next = merge.next()?;
    while next.is_some() {
        let mut txn = view.write()?;
        let mut taken = 0;
        while taken < RECORDS
            && let Some(record) = next
        {
            (next, taken) = (merge.next()?, taken + 1);
            if next.is_some_and(|next| next[..key] == record[..key]) {
                let number = record[key..key + value].first_chunk();
                if let (Some(number), Index::Ids | Index::Address) = (number, index) {
                    filling.stale.push(u64::from_be_bytes(*number));
                }
                continue;
            }
            let (key, value) = (&record[..key], &record[key..key + value]);
            view.db(index)
                .put_with_flags(&mut txn, PutFlags::APPEND, key, value)?;
        }
        txn.commit()?;
        filling.records += taken;
        filling.kept = filling.stale.len();
    }
    Ok(())
}
