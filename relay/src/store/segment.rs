//! One file of the log: header, frames, and once sealed the offset table and a trailer at the very end.
//!
//! A segment is read through its map and its table, by number. It knows nothing of the view.

use super::{
    entry::{self, ALIGN, Entry, HEAD},
    map,
    offsets::{self, LiveOffsets},
    salvage,
};
use memmap2::Mmap;
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Bytes before the first frame.
pub(super) const HEADER: usize = 64;
/// Bytes after the offset table.
pub(super) const TRAILER: usize = 64;
const MAGIC: &[u8; 8] = b"NFLOG\x01\0\0";
const SEALED: &[u8; 8] = b"NFSEAL\x01\0";

/// What makes a segment this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Seed of its checksums: a stale frame of another file never counts.
    pub id: u32,
    /// Its first number.
    pub first: u64,
    /// The store it belongs to.
    pub store: [u8; 16],
}

enum Offsets {
    Live(LiveOffsets),
    Sealed { table: Range<usize>, count: usize },
}

/// An open segment.
pub(super) struct Segment {
    /// Where its file is.
    pub path: PathBuf,
    /// What it is.
    pub identity: Identity,
    /// Where its frames end, if it is sealed.
    pub end: Option<usize>,
    file: File,
    map: Mmap,
    offsets: Offsets,
}

/// The file name of the segment that starts at `first`.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.seg")
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn header(identity: &Identity) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&identity.id.to_le_bytes());
    bytes[16..24].copy_from_slice(&identity.first.to_le_bytes());
    bytes[24..40].copy_from_slice(&identity.store);
    let sum = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn read_header(bytes: &[u8]) -> io::Result<Identity> {
    let head: &[u8; HEADER] = bytes
        .first_chunk()
        .ok_or_else(|| bad("shorter than a segment header"))?;
    let number = |at: usize| u64::from_le_bytes(*head[at..].first_chunk().expect("8 of 64 bytes"));
    let sum = u32::from_le_bytes(*head[60..].first_chunk().expect("4 of 64 bytes"));
    if &head[..8] != MAGIC || crc32c::crc32c(&head[..60]) != sum {
        return Err(bad("not a segment header"));
    }
    Ok(Identity {
        id: number(8) as u32,
        first: number(16),
        store: *head[24..].first_chunk().expect("16 of 64 bytes"),
    })
}

/// Allocates and writes an empty segment of `size` bytes and puts it under `path`, durably. An older file of that name
/// stays as it is for whoever has it mapped.
pub(super) fn create(path: &Path, identity: Identity, size: u64) -> io::Result<()> {
    let new = path.with_extension("new");
    let file = File::create(&new)?;
    let made = fallocate(&file, FallocateFlags::empty(), 0, size)
        .map_err(io::Error::from)
        .and_then(|()| file.write_all_at(&header(&identity), 0))
        .and_then(|()| Ok(rustix::fs::fsync(&file)?));
    if let Err(error) = made {
        // Best effort: the next start removes what is left of it.
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    let replacement = Replacement {
        new,
        path: path.to_owned(),
    };
    replacement.publish()
}

/// A sealed segment in the making, beside the one whose place it will take.
pub(super) struct Replacement {
    new: PathBuf,
    path: PathBuf,
}

impl Replacement {
    /// Writes frames and table under a name of its own, and syncs them. `table` holds offsets from the first frame.
    pub fn write(
        path: &Path,
        identity: Identity,
        frames: &[u8],
        table: &[u32],
    ) -> io::Result<Self> {
        let new = path.with_extension("new");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)?;
        let size = HEADER + frames.len() + table.len() * 4 + TRAILER;
        let size = size.next_multiple_of(ALIGN) as u64;
        let written = fallocate(&file, FallocateFlags::empty(), 0, size)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all_at(&header(&identity), 0))
            .and_then(|()| file.write_all_at(frames, HEADER as u64))
            .and_then(|()| write_footer(&file, &identity, HEADER + frames.len(), table))
            .and_then(|()| Ok(rustix::fs::fsync(&file)?));
        if let Err(error) = written {
            // Best effort: the next start removes what is left of it.
            let _ = std::fs::remove_file(&new);
            return Err(error);
        }
        Ok(Self {
            new,
            path: path.to_owned(),
        })
    }

    /// Takes the old file's place, durably. Whoever has the old one mapped keeps it.
    pub fn publish(self) -> io::Result<()> {
        std::fs::rename(&self.new, &self.path)?;
        self.path.parent().map_or(Ok(()), super::files::sync_dir)
    }
}

fn write_footer(file: &File, identity: &Identity, end: usize, table: &[u32]) -> io::Result<()> {
    let bytes: Vec<u8> = table.iter().flat_map(|at| at.to_le_bytes()).collect();
    let size = file.metadata()?.len();
    let at = size
        .checked_sub((bytes.len() + TRAILER) as u64)
        .filter(|at| *at >= end as u64)
        .ok_or_else(|| bad("no room for the offset table"))?;
    let mut trailer = [0; TRAILER];
    trailer[..8].copy_from_slice(SEALED);
    trailer[8..16].copy_from_slice(&(table.len() as u64).to_le_bytes());
    trailer[16..24].copy_from_slice(&at.to_le_bytes());
    trailer[24..32].copy_from_slice(&(end as u64).to_le_bytes());
    let sum = crc32c::crc32c_append(identity.id, &bytes);
    trailer[32..36].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32c::crc32c_append(identity.id, &trailer[..60]);
    trailer[60..].copy_from_slice(&sum.to_le_bytes());
    file.write_all_at(&bytes, at)?;
    file.write_all_at(&trailer, size - TRAILER as u64)
}

/// Notes in `table` that the frame of `number` stands `at` bytes behind the header.
pub(super) fn place(table: &mut Vec<u32>, identity: &Identity, number: u64, at: usize) {
    let index = (number - identity.first) as usize;
    if table.len() <= index {
        table.resize(index + 1, 0);
    }
    table[index] = (HEADER + at) as u32;
}

struct Footer {
    table: Range<usize>,
    count: usize,
    end: usize,
}

fn read_footer(bytes: &[u8], identity: &Identity) -> Option<Footer> {
    let trailer: &[u8; TRAILER] = bytes.last_chunk()?;
    let number = |at: usize| {
        usize::try_from(u64::from_le_bytes(
            *trailer[at..].first_chunk().expect("8 of 64 bytes"),
        ))
        .ok()
    };
    let sum = |at: usize| u32::from_le_bytes(*trailer[at..].first_chunk().expect("4 of 64 bytes"));
    if &trailer[..8] != SEALED || crc32c::crc32c_append(identity.id, &trailer[..60]) != sum(60) {
        return None;
    }
    let (count, start, end) = (number(8)?, number(16)?, number(24)?);
    let table = start..start.checked_add(count.checked_mul(4)?)?;
    let fits = end <= start && table.end <= bytes.len() - TRAILER;
    let whole = fits && crc32c::crc32c_append(identity.id, &bytes[table.clone()]) == sum(32);
    whole.then_some(Footer { table, count, end })
}

fn open(path: &Path) -> io::Result<(File, Mmap)> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let map = map::map_file(&file)?;
    Ok((file, map))
}

impl Segment {
    /// Opens a segment. Without a whole footer it is open for writing: its table is empty until [`Segment::set_offset`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, map) = open(path)?;
        let identity = read_header(&map)?;
        Ok(Self::mapped(path, (file, map), identity))
    }

    /// Opens a segment whose header cannot be read as what it should be by its name and place, if its frames bear that out.
    pub fn presumed(path: &Path, first: u64, store: [u8; 16]) -> io::Result<Option<Self>> {
        let (file, map) = open(path)?;
        let Some(id) = map.get(8..12).and_then(|id| id.try_into().ok()) else {
            return Ok(None);
        };
        let id = u32::from_le_bytes(id);
        let segment = Self::mapped(path, (file, map), Identity { id, first, store });
        let agrees = salvage::entries(&segment, HEADER).next().is_some();
        Ok(agrees.then_some(segment))
    }

    fn mapped(path: &Path, (file, map): (File, Mmap), identity: Identity) -> Self {
        let footer = read_footer(&map, &identity);
        let end = footer.as_ref().map(|footer| footer.end);
        let offsets = match footer {
            Some(Footer { table, count, .. }) => Offsets::Sealed { table, count },
            None => Offsets::Live(LiveOffsets::new(map.len() / (HEAD + 4))),
        };
        Self {
            path: path.to_owned(),
            identity,
            end,
            file,
            map,
            offsets,
        }
    }

    /// Writes these entries of this segment into a replacement of it: same numbers, new identity.
    pub fn write_kept<'a>(
        segment: &Self,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> io::Result<Replacement> {
        let identity = Identity {
            id: rand::random(),
            ..segment.identity
        };
        let (mut frames, mut table) = (Vec::new(), Vec::new());
        for entry in entries {
            place(&mut table, &identity, entry.number(), frames.len());
            let start = frames.len();
            entry.copy(&mut frames);
            entry::seal(&mut frames[start..], identity.id);
        }
        Replacement::write(&segment.path, identity, &frames, &table)
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Length of the file.
    pub fn size(&self) -> usize {
        self.map.len()
    }

    pub fn is_sealed(&self) -> bool {
        self.end.is_some()
    }

    /// How many numbers a sealed segment covers.
    pub fn sealed_count(&self) -> Option<usize> {
        match &self.offsets {
            Offsets::Sealed { count, .. } => Some(*count),
            Offsets::Live(_) => None,
        }
    }

    /// Publishes where a number stands. `false` if the table has no room.
    pub fn set_offset(&self, index: usize, offset: usize) -> bool {
        match &self.offsets {
            Offsets::Live(live) => live.set(index, offset as u32),
            Offsets::Sealed { .. } => false,
        }
    }

    /// Where the entry at this index stands; zero where there is none.
    pub fn offset(&self, index: usize) -> usize {
        match &self.offsets {
            Offsets::Live(live) => live.get(index) as usize,
            Offsets::Sealed { table, .. } => {
                offsets::sealed(&self.map[table.clone()], index) as usize
            }
        }
    }

    /// The entry of this number; `None` if it is not here, was compacted away, or is damaged.
    pub fn get(&self, number: u64) -> Option<Entry<'_>> {
        let entry = Entry::read(self.bytes_from(number)?)?;
        (entry.number() == number).then_some(entry)
    }

    /// The entry of this number will be asked for next.
    pub fn fetch_ahead(&self, number: u64) {
        if let Some(bytes) = self.bytes_from(number) {
            map::fetch_ahead(bytes);
        }
    }

    /// All bytes from where the entry of this number begins.
    fn bytes_from(&self, number: u64) -> Option<&[u8]> {
        let index = usize::try_from(number.checked_sub(self.identity.first)?).ok()?;
        let offset = self.offset(index);
        if offset < HEADER {
            return None;
        }
        self.map.get(offset..)
    }

    /// Writes bytes into the allocated space.
    pub fn write(&self, bytes: &[u8], at: usize) -> io::Result<()> {
        if at + bytes.len() > self.map.len() {
            return Err(bad("a write beyond the segment"));
        }
        self.file.write_all_at(bytes, at as u64)
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    /// Writes the table of the first `count` numbers and the trailer. The frames end at `end`.
    pub fn seal(&self, count: usize, end: usize) -> io::Result<()> {
        let table: Vec<u32> = (0..count).map(|index| self.offset(index) as u32).collect();
        write_footer(&self.file, &self.identity, end, &table)?;
        self.sync()
    }
}
