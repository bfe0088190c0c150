//! Compaction: a segment's live entries go into a new file and table, which take the old one's place. Numbers stay, the
//! view does not change, readers keep the old file as long as they look at it.
//!
//! Of a dead entry only those effects stay that a rebuild still needs: tombstones and vanishings, and removals whose
//! victim another segment still has.

use super::{
    apply::{Dead, dead_of},
    effect::Effect,
    entry::{self, Entry, Form},
    error::{ReadError, WriteError},
    log::{self, SegmentList},
    quarantine::Loss,
    salvage,
    segment::{self, Identity, Replacement, Segment},
    shared::{Command, Shared, Swap},
    space::Purpose,
};
use std::{
    io,
    sync::{Arc, mpsc},
};

/// Entries that one read transaction looks at.
const BATCH: u64 = 512;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Segments that were rewritten.
    pub segments: u64,
    /// Bytes that their files take less.
    pub freed_bytes: u64,
}

/// Which segments are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Those whose deleted text has waited long enough, or that are mostly dead.
    Usual,
    /// The volume is full: also those that would free a sixteenth of their size.
    Pressing,
    /// All with anything dead, and what was set aside.
    All,
}

/// Compacts what is due. What fails does not keep the others from being tried: they may make the room that it lacks.
pub(super) fn compact(shared: &Shared, due: Due) -> Result<CompactReport, WriteError> {
    let mut report = CompactReport::default();
    let mut failed = None;
    let before = shared.used();
    let patience = if due == Due::All {
        0
    } else {
        shared.patience()
    };
    if let Err(error) = shared.ward.erase(shared.clock.now(), patience) {
        failed = Some(WriteError::io("a damaged file could not be erased")(error));
    }
    report.freed_bytes = before.saturating_sub(shared.used());
    for first in candidates(shared, due)? {
        if shared.alarm.is_stopped() && due != Due::All {
            break;
        }
        let before = shared.used();
        match compact_one(shared, first) {
            Ok(rewritten) => report.segments += u64::from(rewritten),
            Err(error) => failed = failed.or(Some(error)),
        }
        report.freed_bytes += before.saturating_sub(shared.used());
    }
    failed.map_or(Ok(report), Err)
}

/// First numbers of the segments that are due: sealed ones first, as they need no new segment; then the most wasteful.
fn candidates(shared: &Shared, due: Due) -> Result<Vec<u64>, ReadError> {
    let now = shared.clock.now();
    let patience = shared.patience();
    let txn = shared.view.read()?;
    let mut candidates = Vec::new();
    for segment in shared.segments.load().iter() {
        let dead = dead_of(&shared.view, &txn, segment.identity.first)?;
        let must = dead
            .erase_since
            .is_some_and(|since| now.saturating_sub(since) >= patience);
        let share = match due {
            Due::Usual if segment.is_sealed() => segment.size() as u64 / 2,
            Due::Usual => u64::MAX,
            Due::Pressing => segment.size() as u64 / 16,
            Due::All => 0,
        };
        if dead.bytes > 0 && (must || dead.bytes >= share) {
            let order = (!segment.is_sealed(), u64::MAX - dead.bytes);
            candidates.push((order, segment.identity.first));
        }
    }
    candidates.sort_unstable();
    Ok(candidates.into_iter().map(|(_, first)| first).collect())
}

fn find(list: &SegmentList, first: u64) -> Option<Arc<Segment>> {
    log::covering(list, first)
        .filter(|segment| segment.identity.first == first)
        .cloned()
}

/// Asks the writer for something and waits until it is done.
fn ask(
    shared: &Shared,
    command: impl FnOnce(mpsc::Sender<bool>) -> Command,
) -> Result<bool, WriteError> {
    let (reply, answer) = mpsc::channel();
    let gone = WriteError::Broken(shared.failure.get().copied().unwrap_or("it is closed"));
    match shared.queue.push(command(reply)) {
        Ok(()) => answer.recv().map_err(|_| gone),
        Err(_) => Err(gone),
    }
}

fn compact_one(shared: &Shared, first: u64) -> Result<bool, WriteError> {
    let Some(mut segment) = find(&shared.segments.load(), first) else {
        return Ok(false);
    };
    if !segment.is_sealed() {
        if !ask(shared, Command::Roll)? {
            return Err(WriteError::Full);
        }
        match find(&shared.segments.load(), first) {
            Some(sealed) if sealed.is_sealed() => segment = sealed,
            _ => return Ok(false),
        }
    }
    let lost = salvage::lost(&segment);
    if !lost.is_empty() {
        set_aside(shared, &segment, lost)?;
        return Ok(false);
    }
    let due = due(shared, first)?;
    let mut kept = keep(shared, &segment)?;
    // The sum that made it due is settled even where it counted more than there was.
    kept.freed.bytes = kept.freed.bytes.max(due.bytes);
    let need = kept.frames.len() as u64;
    let room = shared.space.available(shared.used(), Purpose::Removal);
    if room.map_err(WriteError::io("the file system"))? < need {
        return Err(WriteError::Full);
    }
    let what = || format!("compaction of {}", segment.path.display());
    Replacement::write(&segment.path, kept.identity, &kept.frames, &kept.table)
        .and_then(Replacement::publish)
        .map_err(WriteError::io(what()))?;
    swap(shared, &segment, kept.freed).map_err(WriteError::io(what()))?;
    Ok(true)
}

fn due(shared: &Shared, first: u64) -> Result<Dead, ReadError> {
    let txn = shared.view.read()?;
    Ok(dead_of(&shared.view, &txn, first)?)
}

/// Has the writer put a segment's new file in its place.
fn swap(shared: &Shared, old: &Segment, freed: Dead) -> io::Result<()> {
    let segment = Arc::new(Segment::open(&old.path)?);
    ask(shared, |reply| {
        Command::Swap(Swap {
            segment,
            freed,
            reply,
        })
    })
    .map(|_| ())
    .map_err(|error| io::Error::other(error.to_string()))
}

/// Sets a damaged segment aside while the store runs: the rest is served, the next start rebuilds the view.
pub(super) fn set_aside(
    shared: &Shared,
    segment: &Segment,
    lost: Vec<(u64, u64)>,
) -> Result<(), WriteError> {
    let what = || format!("the damaged {}", segment.path.display());
    let loss = Loss {
        numbers: lost,
        noticed: shared.clock.now(),
    };
    let demanded = shared.proof.demand_rebuild();
    demanded
        .and_then(|()| shared.ward.replace(segment, loss))
        .map_err(WriteError::io(what()))?;
    swap(shared, segment, Dead::default()).map_err(WriteError::io(what()))
}

/// What goes into the new file.
struct Kept {
    identity: Identity,
    frames: Vec<u8>,
    table: Vec<u32>,
    freed: Dead,
}

fn keep(shared: &Shared, segment: &Segment) -> Result<Kept, ReadError> {
    let count = segment.sealed_count().unwrap_or(0) as u64;
    let first = segment.identity.first;
    let mut kept = Kept {
        identity: Identity {
            id: rand::random(),
            ..segment.identity
        },
        frames: Vec::new(),
        table: vec![0; count as usize],
        freed: Dead::default(),
    };
    for start in (0..count).step_by(BATCH as usize) {
        let txn = shared.view.read()?;
        for number in first + start..first + count.min(start + BATCH) {
            let Some(entry) = segment.get(number) else {
                continue;
            };
            let at = kept.frames.len();
            if entry.form() == Form::Event && shared.view.holds(&txn, &entry)? {
                entry.copy(&mut kept.frames);
            } else {
                kept.bury(shared, segment, &entry);
            }
            if kept.frames.len() > at {
                entry::seal(&mut kept.frames[at..], kept.identity.id);
                segment::place(&mut kept.table, &kept.identity, number, at);
            }
        }
    }
    Ok(kept)
}

impl Kept {
    /// Leaves of a dead entry what a rebuild needs, or nothing.
    fn bury(&mut self, shared: &Shared, segment: &Segment, dead: &Entry<'_>) {
        if dead.form() == Form::Event {
            self.freed.bytes += dead.padded() as u64;
        }
        let segments = shared.segments.load();
        let covers = segment.sealed_count().unwrap_or(0) as u64;
        let mine = segment.identity.first..segment.identity.first + covers;
        let mut effects = Vec::new();
        for effect in dead.effects() {
            let is_needed = match effect {
                Effect::Remove(number, _) => {
                    let victim = log::find(&segments, number);
                    !mine.contains(&number)
                        && victim.is_some_and(|victim| victim.form() == Form::Event)
                }
                Effect::Tombstone { .. }
                | Effect::AddressTombstone { .. }
                | Effect::Vanish { .. } => true,
            };
            if is_needed {
                effect.write(&mut effects);
            }
        }
        if !effects.is_empty() {
            entry::write_husk(&mut self.frames, dead, &effects);
        }
    }
}
