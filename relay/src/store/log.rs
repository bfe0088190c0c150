//! The log: segments in order of their numbers, one of them open for writing.
//!
//! `Segments` is what readers share; `Log` is the writer's own. The log never decides what an entry means.

use super::{
    entry::{self, ALIGN, Entry, HEAD},
    files::{self, Faults},
    segment::{self, HEADER, Identity, Segment, TRAILER},
};
use arc_swap::ArcSwap;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Zeros are written this far ahead of the end, so that a sync finds written blocks and changes no extents.
const AHEAD: usize = 1 << 20;

/// All segments, sorted by their first number.
pub(super) type SegmentList = Arc<Vec<Arc<Segment>>>;

/// The segments as readers see them: a list that is swapped whole.
pub(super) struct Segments(ArcSwap<Vec<Arc<Segment>>>);

impl Segments {
    pub fn new(list: Vec<Arc<Segment>>) -> Self {
        Self(ArcSwap::from_pointee(list))
    }

    /// The list of now; entries borrow from it.
    pub fn load(&self) -> SegmentList {
        self.0.load_full()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut list = Vec::clone(&self.0.load());
        change(&mut list);
        list.sort_by_key(|segment| segment.identity.first);
        self.0.store(Arc::new(list));
    }

    /// Puts a segment in the place of the one with the same first number, or adds it.
    pub fn put(&self, segment: Arc<Segment>) {
        self.change(|list| {
            list.retain(|old| old.identity.first != segment.identity.first);
            list.push(segment);
        });
    }
}

/// Bytes that the files of these segments take.
pub(super) fn bytes(list: &[Arc<Segment>]) -> u64 {
    list.iter().map(|segment| segment.size() as u64).sum()
}

/// The segment that covers a number.
pub(super) fn covering(list: &[Arc<Segment>], number: u64) -> Option<&Arc<Segment>> {
    let after = list.partition_point(|segment| segment.identity.first <= number);
    list.get(after.checked_sub(1)?)
}

/// The entry of a number, if its bytes are still there.
pub(super) fn find(list: &[Arc<Segment>], number: u64) -> Option<Entry<'_>> {
    covering(list, number)?.get(number)
}

/// The entry of a number will be asked for next.
pub(super) fn fetch_ahead(list: &[Arc<Segment>], number: u64) {
    if let Some(segment) = covering(list, number) {
        segment.fetch_ahead(number);
    }
}

/// The frames of one group, not yet in the log.
pub(super) struct Group {
    first: u64,
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Group {
    /// An empty group whose first entry gets this number.
    pub fn new(first: u64) -> Self {
        Self {
            first,
            bytes: Vec::new(),
            starts: Vec::new(),
        }
    }

    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next entry gets.
    pub fn next(&self) -> u64 {
        self.first + self.starts.len() as u64
    }

    pub fn count(&self) -> usize {
        self.starts.len()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the frame that `write` appends.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.starts.push(self.bytes.len());
        write(&mut self.bytes);
    }

    /// An entry of this group.
    pub fn get(&self, number: u64) -> Option<Entry<'_>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        Entry::read(self.bytes.get(*self.starts.get(index)?..)?)
    }
}

/// The writer's end of the log.
pub(super) struct Log {
    dir: PathBuf,
    store: [u8; 16],
    segments: Arc<Segments>,
    active: Arc<Segment>,
    end: usize,
    zeroed: usize,
    next: u64,
    faults: Faults,
}

/// Where the log stands after recovery.
pub(super) struct Position {
    /// The segment open for writing.
    pub active: Arc<Segment>,
    /// Where its frames end.
    pub end: usize,
    /// The next number.
    pub next: u64,
}

impl Log {
    pub fn new(dir: &Path, segments: Arc<Segments>, position: Position, faults: Faults) -> Self {
        Self {
            dir: dir.to_owned(),
            store: position.active.identity.store,
            segments,
            active: position.active,
            end: position.end,
            zeroed: position.end,
            next: position.next,
            faults,
        }
    }

    /// The number that the next entry gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The first number of the segment open for writing.
    pub fn active_first(&self) -> u64 {
        self.active.identity.first
    }

    /// Has the segment open for writing no entries yet?
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        (self.next - self.active.identity.first) as usize
    }

    /// Is there room for `entries` more frames of `bytes` in all, and for the table behind them?
    pub fn has_room(&self, bytes: usize, entries: usize) -> bool {
        let table = (self.count() + entries) * 4;
        self.end + bytes + table + TRAILER + ALIGN <= self.active.size()
    }

    /// Opens a new segment of `size` bytes (more if `bytes` need it) and seals the old one. Nothing changed if the
    /// creation fails; after a failed seal the log is broken.
    pub fn roll(&mut self, size: u64, bytes: usize) -> Result<(), RollError> {
        let need = HEADER + bytes + bytes / HEAD * 4 + TRAILER + AHEAD.min(bytes) + 4096;
        let size = size.max(need as u64).next_multiple_of(4096);
        let segment = create(&self.dir, self.store, self.next, size).map_err(RollError::Create)?;
        self.faults.check_sync().map_err(RollError::Seal)?;
        if self.count() > 0 {
            self.active
                .seal(self.count(), self.end)
                .map_err(RollError::Seal)?;
            let sealed = Segment::open(&self.active.path).map_err(RollError::Seal)?;
            self.segments.put(Arc::new(sealed));
        }
        self.segments.put(Arc::clone(&segment));
        self.active = segment;
        self.end = HEADER;
        self.zeroed = HEADER;
        Ok(())
    }

    /// Appends a group and makes it durable. After an error nothing may be tried again.
    pub fn append(&mut self, group: &mut Group) -> io::Result<()> {
        let Some(last) = group.starts.last() else {
            return Ok(());
        };
        entry::mark_last(&mut group.bytes, *last);
        for start in &group.starts {
            entry::seal(&mut group.bytes[*start..], self.active.identity.id);
        }
        self.zero_ahead(self.end + group.bytes.len())?;
        self.faults.check_append()?;
        self.active.write(&group.bytes, self.end)?;
        self.faults.check_sync()?;
        self.active.sync()?;
        for (index, start) in group.starts.iter().enumerate() {
            if !self
                .active
                .set_offset(self.count() + index, self.end + start)
            {
                return Err(io::Error::other("the offset table is full"));
            }
        }
        self.end += group.bytes.len();
        self.next = group.next();
        Ok(())
    }

    fn zero_ahead(&mut self, upto: usize) -> io::Result<()> {
        if upto <= self.zeroed {
            return Ok(());
        }
        let limit = self.active.size();
        let target = (upto + AHEAD).min(limit);
        let from = self.zeroed.max(upto.min(limit));
        files::write_zeros(&self.active, from..target)?;
        self.zeroed = target;
        Ok(())
    }
}

/// Why a new segment could not be opened.
#[derive(Debug)]
pub(super) enum RollError {
    /// No room: the old segment is untouched.
    Create(io::Error),
    /// The old segment may be damaged.
    Seal(io::Error),
}

/// Creates and opens an empty segment, durable with its name.
pub(super) fn create(
    dir: &Path,
    store: [u8; 16],
    first: u64,
    size: u64,
) -> io::Result<Arc<Segment>> {
    let path = dir.join(segment::file_name(first));
    let identity = Identity {
        id: rand::random(),
        first,
        store,
    };
    segment::create(&path, identity, size)?;
    Ok(Arc::new(Segment::open(&path)?))
}
