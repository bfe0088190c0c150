//! The maintenance thread: sweeps what has expired, compacts what is due, and reads sealed text slowly to find damage.

use super::{
    compact::{self, Due},
    entry::Entry,
    error::WriteError,
    salvage,
    shared::Shared,
    sweep,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Bytes that the scrub checks in a round: ten gigabytes in half a day.
const SCRUB_BYTES: usize = 256 << 10;

/// One compaction at a time.
pub(super) type Compacting = Arc<Mutex<()>>;

/// Where the scrub stands.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    segment: u64,
    index: usize,
}

/// Says that the thread is gone when a panic ended it: nobody erases what was deleted any more.
struct Obituary<'a>(&'a Shared);

impl Drop for Obituary<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("the maintenance thread has panicked");
        }
    }
}

/// The thread: until the store closes.
pub(super) fn run(shared: &Shared, compacting: &Compacting) {
    let _obituary = Obituary(shared);
    let mut place = Place::default();
    let mut trouble = String::new();
    loop {
        let alarm = shared.alarm.wait(ROUND);
        if alarm.stop || shared.failure.get().is_some() {
            return;
        }
        let swept = sweep::sweep(shared).map(|_| ());
        let alone = compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let due = if alarm.hurry {
            Due::Pressing
        } else {
            Due::Usual
        };
        let compacted = compact::compact(shared, due).map(|_| ());
        tell(&mut trouble, swept.and(compacted));
        scrub(shared, &mut place);
        drop(alone);
        if alarm.hurry && shared.alarm.pause(ROUND) {
            return;
        }
    }
}

/// Says once what is wrong, not every second.
fn tell(trouble: &mut String, result: Result<(), WriteError>) {
    let now = result
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    if now != *trouble && !now.is_empty() {
        tracing::warn!(error = now, "upkeep of the store failed; it is tried again");
    }
    *trouble = now;
}

/// Checks some entries of sealed segments; at the end starts over.
fn scrub(shared: &Shared, place: &mut Place) {
    let segments = shared.segments.load();
    let at = segments.partition_point(|segment| segment.identity.first < place.segment);
    let Some(segment) = segments[at..].iter().find(|segment| segment.is_sealed()) else {
        *place = Place::default();
        return;
    };
    if segment.identity.first != place.segment {
        place.index = 0;
    }
    place.segment = segment.identity.first;
    let mut checked = 0;
    let count = segment.sealed_count().unwrap_or(0);
    while place.index < count && checked < SCRUB_BYTES {
        let number = segment.identity.first + place.index as u64;
        let offset = segment.offset(place.index);
        place.index += 1;
        if offset == 0 {
            continue;
        }
        let entry = segment
            .bytes()
            .get(offset..)
            .and_then(|bytes| Entry::read_checked(bytes, segment.identity.id));
        match entry {
            Some(entry) if entry.number() == number => checked += entry.padded(),
            _ => {
                let lost = salvage::lost(segment);
                if let Err(error) = compact::set_aside(shared, segment, lost) {
                    tracing::error!(%error, "a damaged segment could not be set aside");
                }
                return;
            }
        }
    }
    if place.index >= count {
        *place = Place {
            segment: place.segment + 1,
            index: 0,
        };
    }
}
