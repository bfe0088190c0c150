//! What an entry does to the view. Deterministic: it reads the entry, the view and the log, no clock and no
//! configuration. The writer, the replay and (by its sums) the rebuild all go through here.

use super::{
    effect::{Effect, Reason},
    entry::{Entry, Form},
    log::{self, Group},
    segment::Segment,
    view::{self, APPLIED, EVENTS, Index, LIVE_BYTES, View},
};
use heed::{RoTxn, RwTxn};
use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

/// Bytes of text that one transaction adds to the view and takes out of it. Every nine bytes may be a tag, which is a key of an
/// index: a hundred thousand of them keep others waiting for half a second, and LMDB has room for as many changed pages.
pub(super) const GROUP_BYTES: usize = 1 << 20;

/// Entries by number: those of the log, and those of the group that is being written.
pub(super) struct Frames<'a> {
    /// The log.
    pub segments: &'a [Arc<Segment>],
    /// The group, if one is being written.
    pub group: Option<&'a Group>,
    /// First number of the segment that the group goes into.
    pub active: u64,
}

impl<'a> Frames<'a> {
    /// The entry of a number.
    pub fn get(&self, number: u64) -> Option<Entry<'a>> {
        self.group
            .and_then(|group| group.get(number))
            .or_else(|| log::find(self.segments, number))
    }

    fn segment_of(&self, number: u64) -> u64 {
        if self.group.is_some_and(|group| number >= group.first()) {
            return self.active;
        }
        log::covering(self.segments, number).map_or(self.active, |s| s.identity.first)
    }
}

/// What compaction of one segment would bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dead {
    /// Bytes of entries that left the view.
    pub bytes: u64,
    /// When the first text died that must be erased; `None`: only replaced ones.
    pub erase_since: Option<u64>,
}

impl Dead {
    /// Adds what died at `time`.
    pub fn add(&mut self, bytes: u64, reason: Reason, time: u64) {
        self.bytes += bytes;
        if reason.erases() {
            self.erase_since = Some(self.erase_since.map_or(time, |since| since.min(time)));
        }
    }

    /// Two sums as one.
    pub fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.erase_since = [self.erase_since, other.erase_since]
            .into_iter()
            .flatten()
            .min();
    }

    /// As stored in the view.
    pub fn bytes(&self) -> [u8; 16] {
        let since = self.erase_since.unwrap_or(u64::MAX);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.bytes.to_be_bytes());
        bytes[8..].copy_from_slice(&since.to_be_bytes());
        bytes
    }

    /// As stored in the view.
    pub fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            bytes
                .get(at..at + 8)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_be_bytes)
        };
        Self {
            bytes: number(0),
            erase_since: Some(number(8)).filter(|since| *since != u64::MAX),
        }
    }
}

/// Sums of one transaction, written once at its end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    events: i64,
    live: i64,
    dead: BTreeMap<u64, Dead>,
    applied: u64,
}

impl Tally {
    /// The view has everything up to this number, though some numbers have no entry any more.
    pub fn reached(&mut self, number: u64) {
        self.applied = number;
    }

    /// Writes the sums into the view.
    pub fn write(&self, view: &View, txn: &mut RwTxn<'_>) -> heed::Result<()> {
        for (key, change) in [(EVENTS, self.events), (LIVE_BYTES, self.live)] {
            let old = view.number(txn, Index::Meta, key)?.unwrap_or(0);
            view.put_number(txn, (Index::Meta, key), old.saturating_add_signed(change))?;
        }
        for (segment, dead) in &self.dead {
            let key = segment.to_be_bytes();
            let mut sum = dead_of(view, txn, *segment)?;
            sum.merge(*dead);
            view.db(Index::Dead).put(txn, &key, &sum.bytes())?;
        }
        if self.applied > 0 {
            view.put_number(txn, (Index::Meta, APPLIED), self.applied)?;
        }
        Ok(())
    }
}

/// What compaction of a segment would bring.
pub(super) fn dead_of(view: &View, txn: &RoTxn<'_>, segment: u64) -> heed::Result<Dead> {
    let bytes = view.db(Index::Dead).get(txn, &segment.to_be_bytes())?;
    Ok(bytes.map(Dead::read).unwrap_or_default())
}

/// A transaction that entries are applied to.
pub(super) struct Applying<'a, 't> {
    /// The view.
    pub view: &'a View,
    /// Its write transaction.
    pub txn: &'a mut RwTxn<'t>,
    /// Sums so far.
    pub tally: &'a mut Tally,
}

/// Applies entries of the log in one transaction, as many of them as it bears. Numbers without an entry are passed over.
/// Says up to which number.
pub(super) fn replay(
    view: &View,
    frames: &Frames<'_>,
    numbers: RangeInclusive<u64>,
) -> heed::Result<u64> {
    let mut txn = view.write()?;
    let mut tally = Tally::default();
    let (first, mut upto, mut bytes) = (*numbers.start(), *numbers.end(), 0);
    let mut applying = Applying {
        view,
        txn: &mut txn,
        tally: &mut tally,
    };
    for number in numbers {
        let Some(entry) = frames.get(number) else {
            continue;
        };
        bytes += weight(&entry, frames);
        if number > first && bytes > GROUP_BYTES {
            upto = number - 1;
            break;
        }
        applying.apply(&entry, frames)?;
    }
    tally.reached(upto);
    tally.write(view, &mut txn)?;
    txn.commit()?;
    Ok(upto)
}

/// Bytes of text that an entry brings into the view and takes out of it.
fn weight(entry: &Entry<'_>, frames: &Frames<'_>) -> usize {
    let removed = entry.effects().filter_map(|effect| match effect {
        Effect::Remove(number, _) => frames.get(number),
        _ => None,
    });
    let texts = removed.chain([*entry]).map(|entry| entry.text().len());
    texts.sum()
}

/// Why an entry is removed, and when the removal was written.
#[derive(Clone, Copy)]
struct Cause {
    reason: Reason,
    time: u64,
}

impl Applying<'_, '_> {
    /// Applies one entry.
    pub fn apply(&mut self, entry: &Entry<'_>, frames: &Frames<'_>) -> heed::Result<()> {
        for effect in entry.effects() {
            self.effect(effect, entry.written(), frames)?;
        }
        match entry.form() {
            Form::Event => self.insert(entry)?,
            Form::Removal | Form::Husk => {}
        }
        self.tally.applied = entry.number();
        Ok(())
    }

    fn insert(&mut self, entry: &Entry<'_>) -> heed::Result<()> {
        let mut result = Ok(());
        view::each_key(entry, |index, key, value| {
            if result.is_ok() {
                result = self.view.db(index).put(self.txn, key.get(), value);
            }
        });
        self.tally.events += 1;
        self.tally.live += (entry.padded() as u64).cast_signed();
        result
    }

    fn effect(&mut self, effect: Effect, time: u64, frames: &Frames<'_>) -> heed::Result<()> {
        match effect {
            Effect::Remove(number, reason) => match frames.get(number) {
                Some(dead) => self.remove(&dead, Cause { reason, time }, frames),
                None => Ok(()),
            },
            Effect::Tombstone { id, by } => {
                let key = view::tomb(&id, &by);
                self.view.db(Index::Tombs).put(self.txn, key.get(), &[])
            }
            Effect::AddressTombstone { address, upto } => {
                self.raise(Index::AddressTombs, &address, upto)
            }
            Effect::Vanish { pubkey, upto } => self.raise(Index::Vanished, &pubkey, upto),
        }
    }

    fn raise(&mut self, index: Index, key: &[u8], upto: u64) -> heed::Result<()> {
        let old = self.view.number(self.txn, index, key)?;
        if old.is_none_or(|old| old < upto) {
            self.view.put_number(self.txn, (index, key), upto)?;
        }
        Ok(())
    }

    /// Deletes a key that still leads to this entry: after a loss, a newer one may have taken the id's or the address's.
    fn delete(&mut self, index: Index, key: &[u8], value: &[u8]) -> heed::Result<()> {
        let db = self.view.db(index);
        let is_shared = matches!(index, Index::Ids | Index::Address);
        if !is_shared || db.get(self.txn, key)? == Some(value) {
            db.delete(self.txn, key)?;
        }
        Ok(())
    }

    fn remove(&mut self, dead: &Entry<'_>, cause: Cause, frames: &Frames<'_>) -> heed::Result<()> {
        if dead.form() != Form::Event || !self.view.stands(self.txn, dead)? {
            return Ok(());
        }
        let mut result = Ok(());
        view::each_key(dead, |index, key, value| {
            if result.is_ok() {
                result = self.delete(index, key.get(), value);
            }
        });
        let bytes = dead.padded() as u64;
        self.tally.events -= 1;
        self.tally.live -= bytes.cast_signed();
        let segment = frames.segment_of(dead.number());
        let sum = self.tally.dead.entry(segment).or_default();
        sum.add(bytes, cause.reason, cause.time);
        result
    }
}
