//! Reading a segment frame by frame: the tail of the active one at a start, and what is left of a damaged one.

use super::{
    entry::{ALIGN, Entry, HEAD},
    segment::{HEADER, Segment},
};
use std::io;

/// What a walk over an unsealed segment found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Whole groups up to here, and nothing behind them.
    Whole,
    /// A torn group behind `end`: to be cut.
    Torn,
    /// A later group follows a damaged frame.
    Damaged,
}

/// The whole groups at the start of an unsealed segment.
#[derive(Debug)]
pub(super) struct Walk {
    /// Offsets of the frames of whole groups, in order of their numbers.
    pub offsets: Vec<usize>,
    /// Where the last whole group ends.
    pub end: usize,
    /// What comes after.
    pub tail: Tail,
}

/// Walks over the frames of an unsealed segment.
pub(super) fn walk(segment: &Segment) -> Walk {
    let (bytes, identity) = (segment.bytes(), segment.identity);
    let mut offsets = Vec::new();
    let mut whole = (0, HEADER);
    let mut at = HEADER;
    let mut next = identity.first;
    while let Some(entry) = bytes
        .get(at..)
        .and_then(|rest| Entry::read_checked(rest, identity.id))
        .filter(|entry| entry.number() == next)
    {
        offsets.push(at);
        at += entry.padded();
        next += 1;
        if entry.is_last_of_group() {
            whole = (offsets.len(), at);
        }
    }
    let is_later = |entry: &Entry<'_>| entry.number() > next && entry.group() > next;
    let tail = if skip_zeros(bytes, whole.1) == bytes.len() {
        Tail::Whole
    } else if entries(segment, at).any(|(_, entry)| is_later(&entry)) {
        Tail::Damaged
    } else {
        Tail::Torn
    };
    offsets.truncate(whole.0);
    Walk {
        offsets,
        end: whole.1,
        tail,
    }
}

/// Writes the last whole group again and syncs: a process that died in its sync left it in memory only, and a sync that
/// failed does not write it later. Whoever finds it from here on finds it on the disk.
pub(super) fn settle(segment: &Segment, walk: &Walk) -> io::Result<()> {
    let last = walk
        .offsets
        .last()
        .and_then(|at| segment.bytes().get(*at..));
    let group = last
        .and_then(|bytes| Entry::read_checked(bytes, segment.identity.id))
        .map(|entry| (entry.group() - segment.identity.first) as usize);
    if let Some(start) = group.and_then(|group| walk.offsets.get(group)) {
        let bytes = segment.bytes()[*start..walk.end].to_vec(); // not out of the map of the file that is written
        segment.write(&bytes, *start)?;
    }
    segment.sync()
}

/// The first byte from `at` on that is not zero.
fn skip_zeros(bytes: &[u8], at: usize) -> usize {
    const BLOCK: [u8; 4096] = [0; 4096];
    let mut at = at;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let block = &rest[..rest.len().min(BLOCK.len())];
        if block != &BLOCK[..block.len()] {
            return at + block.iter().position(|byte| *byte != 0).unwrap_or(0);
        }
        at += block.len();
    }
    bytes.len()
}

/// Every frame with a right checksum and a number of this segment from `from` on, whatever lies between them.
pub(super) fn entries(segment: &Segment, from: usize) -> impl Iterator<Item = (usize, Entry<'_>)> {
    let (bytes, id, first) = (segment.bytes(), segment.identity.id, segment.identity.first);
    let numbers = first..first.saturating_add((bytes.len() / HEAD) as u64);
    let mut at = from.next_multiple_of(ALIGN);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let here = at;
            match Entry::read_checked(&bytes[here..], id) {
                Some(entry) if !numbers.contains(&entry.number()) => at += entry.padded(),
                Some(entry) => {
                    at += entry.padded();
                    return Some((here, entry));
                }
                None => at = (skip_zeros(bytes, here + ALIGN) & !(ALIGN - 1)).max(here + ALIGN),
            }
        }
        None
    })
}

/// Numbers that a segment should have and whose frames are not whole, as runs with both ends included.
pub(super) fn lost(segment: &Segment) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let identity = segment.identity;
    for index in 0..segment.sealed_count().unwrap_or(0) {
        let offset = segment.offset(index);
        let number = identity.first + index as u64;
        let whole = offset == 0
            || segment
                .bytes()
                .get(offset..)
                .and_then(|rest| Entry::read_checked(rest, identity.id))
                .is_some_and(|entry| entry.number() == number);
        if !whole {
            extend(&mut runs, number);
        }
    }
    runs
}

/// Adds a number to sorted runs.
pub(super) fn extend(runs: &mut Vec<(u64, u64)>, number: u64) {
    match runs.last_mut() {
        Some((_, last)) if *last + 1 == number => *last = number,
        _ => runs.push((number, number)),
    }
}

/// Numbers from `first` up to and without `next` that have no readable frame.
pub(super) fn missing(segment: &Segment, next: u64) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    let mut expected = segment.identity.first;
    for (_, entry) in entries(segment, HEADER) {
        for number in expected..entry.number().min(next) {
            extend(&mut runs, number);
        }
        expected = expected.max(entry.number() + 1);
    }
    for number in expected..next {
        extend(&mut runs, number);
    }
    runs
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::{
        entry::{self, Stamp},
        files,
        quarantine::{Loss, Ward},
        segment::{self, Identity},
    };
    use std::path::Path;

    /// A segment of groups of these sizes, each entry a removal without effects, and where its frames start.
    fn segment(dir: &Path, groups: &[u64]) -> (Segment, Vec<usize>) {
        let path = dir.join(segment::file_name(1));
        let identity = Identity {
            id: 77,
            first: 1,
            store: [5; 16],
        };
        segment::create(&path, identity, 1 << 16).unwrap();
        let segment = Segment::open(&path).unwrap();
        let (mut number, mut at, mut starts) = (1, HEADER, Vec::new());
        for size in groups {
            let group = number;
            for place in 0..*size {
                let mut frame = Vec::new();
                let stamp = Stamp {
                    number,
                    group,
                    written: 0,
                };
                entry::write_removal(&mut frame, stamp, b"");
                if place + 1 == *size {
                    entry::mark_last(&mut frame, 0);
                }
                entry::seal(&mut frame, 77);
                segment.write(&frame, at).unwrap();
                starts.push(at);
                at += frame.len();
                number += 1;
            }
        }
        starts.push(at);
        (segment, starts)
    }

    #[test]
    fn whole_groups_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (segment, starts) = segment(dir.path(), &[1, 3, 2]);
        let walk = walk(&segment);
        assert_eq!(
            (walk.tail, walk.offsets.len(), walk.end),
            (Tail::Whole, 6, starts[6])
        );
    }

    #[test]
    fn a_group_without_its_last_frame_is_torn_and_goes_as_a_whole() {
        for torn in [3, 4, 5] {
            let dir = tempfile::tempdir().unwrap();
            let (segment, starts) = segment(dir.path(), &[1, 2, 3]);
            files::write_zeros(&segment, starts[torn]..starts[torn + 1]).unwrap();
            let walk = walk(&segment);
            assert_eq!(walk.offsets.len(), 3, "{torn}");
            assert_eq!(walk.end, starts[3]);
            let expected = [Tail::Torn, Tail::Torn, Tail::Torn];
            assert_eq!(walk.tail, expected[torn - 3]);
        }
    }

    #[test]
    fn a_damaged_frame_before_a_later_group_is_damage_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (segment, starts) = segment(dir.path(), &[1, 2, 3]);
        segment.write(&[0xff], starts[1] + 60).unwrap();
        assert_eq!(walk(&segment).tail, Tail::Damaged);
        assert_eq!(missing(&segment, 7), [(2, 2)]);
        let ward = Ward::of(dir.path());
        let loss = Loss {
            numbers: vec![(2, 2)],
            noticed: 1000,
        };
        let kept = ward.replace(&segment, loss).unwrap();
        assert_eq!(lost(&kept), []);
        assert_eq!(kept.sealed_count(), Some(6));
        let found: Vec<u64> = (1..=6).filter(|n| kept.get(*n).is_some()).collect();
        assert_eq!(found, [1, 3, 4, 5, 6]);
        let notes = ward.notes(60);
        assert_eq!(notes[0].lost, [(2, 2)]);
        assert_eq!(notes[0].erase_at, Some(1060));
        assert_eq!(ward.bytes(), 1 << 16);
        assert_eq!(Ward::of(dir.path()).notes(60), notes, "a start reads them");
    }
}
