//! The log as a start finds it: opens all segments, cuts a torn tail, seals what should be sealed, sets aside what is
//! damaged. Only the segment that was open for writing is scanned.

use super::{
    entry, files,
    log::{self, Position},
    proof::Proof,
    quarantine::{Loss, Ward},
    salvage::{self, Tail},
    segment::{HEADER, Segment},
    space::{Purpose, Space},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The log, mended.
pub(super) struct Inventory {
    /// All segments, sorted by their first number.
    pub segments: Vec<Arc<Segment>>,
    /// Where it goes on.
    pub position: Position,
    /// Was anything set aside? Then the view must be made anew.
    pub is_damaged: bool,
}

/// What it takes to look at a log.
pub(super) struct Finder<'a> {
    /// The directory of the segments.
    pub dir: &'a Path,
    /// The store that they belong to.
    pub store: [u8; 16],
    /// Says how large a new segment is.
    pub space: &'a Space,
    /// Is told when the view can no longer be trusted.
    pub proof: &'a Proof,
    /// Takes what is damaged.
    pub ward: &'a Ward,
    /// Unix seconds.
    pub now: u64,
}

#[derive(Default)]
struct Found {
    segments: Vec<Arc<Segment>>,
    position: Option<Position>,
    is_damaged: bool,
    lost_upto: u64,
}

impl Found {
    fn mended(&mut self, segment: Arc<Segment>) {
        self.is_damaged = true;
        self.segments.push(segment);
    }
}

fn paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        match path.extension().and_then(|e| e.to_str()) {
            Some("seg") => paths.push(path),
            Some("new") => fs::remove_file(&path)?,
            _ => {}
        }
    }
    paths.sort();
    Ok(paths)
}

fn first_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// A number that no entry of an unreadable file can have reached: none is given out twice.
fn numbers_end(path: &Path) -> Option<u64> {
    let size = fs::metadata(path).ok()?.len();
    Some(first_of(path)? + size / entry::HEAD as u64 + 1)
}

impl Finder<'_> {
    /// Looks at all files.
    pub fn find(&self) -> io::Result<Inventory> {
        let paths = paths(self.dir)?;
        let mut found = Found::default();
        for (at, path) in paths.iter().enumerate() {
            let next = paths.get(at + 1).and_then(|next| first_of(next));
            self.look_at(path, next, &mut found)?;
        }
        let position = match found.position.take() {
            Some(position) => position,
            None => self.new_active(&mut found)?,
        };
        Ok(Inventory {
            segments: found.segments,
            position,
            is_damaged: found.is_damaged,
        })
    }

    /// One file; `next` is the first number of the one after it.
    fn look_at(&self, path: &Path, next: Option<u64>, found: &mut Found) -> io::Result<()> {
        match Segment::open(path) {
            Ok(segment) => {
                self.check(&segment, path)?;
                if segment.is_sealed() {
                    found.segments.push(Arc::new(segment));
                    Ok(())
                } else {
                    self.unsealed(segment, next, found)
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.headless(path, next, found)
            }
            Err(error) => Err(error),
        }
    }

    /// A file that says itself that it belongs elsewhere is somebody's mistake, which no start may settle.
    fn check(&self, segment: &Segment, path: &Path) -> io::Result<()> {
        let path = path.display();
        if segment.identity.store != self.store {
            let what = format!("{path} belongs to another store");
            return Err(io::Error::other(what));
        }
        if Some(segment.identity.first) != first_of(&segment.path) {
            let first = segment.identity.first;
            let what = format!("{path} was renamed: its first number is {first}");
            return Err(io::Error::other(what));
        }
        Ok(())
    }

    /// A file without a readable header: what its frames still say is kept.
    fn headless(&self, path: &Path, next: Option<u64>, found: &mut Found) -> io::Result<()> {
        if let Some(first) = first_of(path)
            && let Some(segment) = Segment::presumed(path, first, self.store)?
        {
            found.mended(self.set_aside(&segment, next)?);
            return Ok(());
        }
        let end = next.or_else(|| numbers_end(path));
        let lost = first_of(path).zip(end).map(|(first, end)| (first, end - 1));
        self.proof.demand_rebuild()?;
        self.ward
            .take(path, self.loss(lost.into_iter().collect()))?;
        (found.is_damaged, found.lost_upto) = (true, end.unwrap_or(0));
        Ok(())
    }

    fn unsealed(&self, segment: Segment, next: Option<u64>, found: &mut Found) -> io::Result<()> {
        let walk = salvage::walk(&segment);
        for (index, offset) in walk.offsets.iter().enumerate() {
            segment.set_offset(index, *offset);
        }
        let count = walk.offsets.len();
        let reached = segment.identity.first + count as u64;
        if walk.tail == Tail::Damaged || next.is_some_and(|next| reached < next) {
            found.mended(self.set_aside(&segment, next)?);
            return Ok(());
        }
        if next.is_some() {
            segment.seal(count, walk.end)?;
            found.segments.push(Arc::new(Segment::open(&segment.path)?));
            return Ok(());
        }
        if walk.tail == Tail::Torn {
            tracing::warn!(
                number = reached,
                "a torn group at the end of the log was cut; nothing in it was answered"
            );
            files::write_zeros(&segment, walk.end..segment.size())?;
        }
        salvage::settle(&segment, &walk)?;
        let active = Arc::new(segment);
        found.segments.push(Arc::clone(&active));
        found.position = Some(Position {
            active,
            end: walk.end,
            next: reached,
        });
        Ok(())
    }

    fn loss(&self, numbers: Vec<(u64, u64)>) -> Loss {
        Loss {
            numbers,
            noticed: self.now,
        }
    }

    fn set_aside(&self, segment: &Segment, next: Option<u64>) -> io::Result<Arc<Segment>> {
        self.proof.demand_rebuild()?;
        let last = salvage::entries(segment, HEADER)
            .map(|(_, entry)| entry.number() + 1)
            .max();
        let next = next.or(last).unwrap_or(segment.identity.first);
        let lost = salvage::missing(segment, next);
        self.ward.replace(segment, self.loss(lost))
    }

    /// Sets aside every sealed segment with a damaged frame: a rebuild must not read one.
    pub fn check_all(&self, segments: &mut [Arc<Segment>]) -> io::Result<()> {
        for segment in segments {
            let lost = salvage::lost(segment);
            if !lost.is_empty() {
                *segment = self.ward.replace(segment, self.loss(lost))?;
            }
        }
        Ok(())
    }

    fn new_active(&self, found: &mut Found) -> io::Result<Position> {
        let next = found.segments.last().map_or(1, |last| {
            last.identity.first + last.sealed_count().unwrap_or(0) as u64
        });
        let next = next.max(found.lost_upto);
        let used = log::bytes(&found.segments) + self.ward.bytes();
        let usual = self.space.segment_size(Purpose::Ordinary)?;
        let size = if self.space.available(used, Purpose::Ordinary)? >= usual {
            usual
        } else {
            self.space.segment_size(Purpose::Removal)?
        };
        let active = log::create(self.dir, self.store, next, size)?;
        found.segments.push(Arc::clone(&active));
        Ok(Position {
            active,
            end: HEADER,
            next,
        })
    }
}
