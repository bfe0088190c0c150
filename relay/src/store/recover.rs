//! The start: whose store this is, what the log holds, whether the view may be trusted, and what is done about it.
//!
//! Only the active segment is scanned. The view is opened only when it is proved whole; otherwise its files are deleted
//! unopened and it is made anew from the log.

use super::{
    apply::{self, Frames},
    effect::Reason,
    entry,
    error::OpenError,
    files,
    lock::Lock,
    log::{self, Log, Position, Segments},
    options::{Options, Phase},
    proof::{Format, Proof, Trust},
    rebuild::Rebuild,
    salvage::{self, Tail},
    segment::Segment,
    shared::{Doomed, Removing, Shared},
    space::{Purpose, Space},
    view::{self, View},
};
use relay_config::status::Quarantine;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, RwLock, atomic::AtomicU64},
};

/// Entries that a replay applies in one transaction.
const REPLAY: u64 = 4096;

/// An open store before its threads run.
pub(super) struct Opened {
    /// What everyone shares.
    pub shared: Shared,
    /// The writer's end of the log.
    pub log: Log,
    /// Does the proof already name this run?
    pub is_dirty: bool,
    /// What the writer should remove first.
    pub stale: Option<Removing>,
}

/// The log as it was found, and mended.
struct Found {
    segments: Vec<Arc<Segment>>,
    position: Position,
    damaged: bool,
}

/// The view, and how it came about.
struct Viewed {
    view: View,
    start: &'static str,
    stale: Vec<u64>,
}

/// Opens a store.
pub(super) fn open(options: &Options) -> Result<Opened, OpenError> {
    options.progress.set(Phase::Opening, 0);
    let dir = &options.dir;
    let log_dir = dir.join("log");
    fs::create_dir_all(&log_dir).map_err(OpenError::io(dir.display().to_string()))?;
    let lock = Lock::take(dir)?;
    let format = Format::read_or_make(dir)?;
    let space = Space::new(dir, options.size);
    let starting = Starting {
        options,
        log_dir: &log_dir,
        store: format.store(),
        space: &space,
        proof: Proof::new(dir, &options.runtime_dir, &format.store_id),
    };
    let found = starting
        .find()
        .map_err(OpenError::io(format!("the log in {}", log_dir.display())))?;
    let (found, viewed) = starting.view(found)?;
    let proof = starting.proof.clone();
    let is_dirty = proof.trust() == Trust::SameRun;
    let segments = Arc::new(Segments::new(found.segments));
    let committed = found.position.next - 1;
    let log = Log::new(
        &log_dir,
        Arc::clone(&segments),
        found.position,
        options.faults.clone(),
    );
    options.progress.set(Phase::Open, 100);
    let stale = (!viewed.stale.is_empty()).then_some(Removing {
        what: Doomed::Numbers(viewed.stale),
        reason: Reason::Replaced,
        reply: None,
    });
    let shared = Shared {
        dir: dir.clone(),
        clock: Arc::clone(&options.clock),
        view: viewed.view,
        segments,
        committed: AtomicU64::new(committed),
        failure: OnceLock::new(),
        queue: super::shared::Queue::default(),
        alarm: super::shared::Alarm::default(),
        listener: RwLock::new(None),
        space,
        proof,
        erase_within: AtomicU64::new(options.erase_within.as_secs()),
        quarantined: Mutex::new(salvage::notes(dir)),
        store_id: format.store_id,
        start: viewed.start,
        on_commit: options.on_commit.clone(),
        _lock: lock,
    };
    Ok(Opened {
        shared,
        log,
        is_dirty,
        stale,
    })
}

struct Starting<'a> {
    options: &'a Options,
    log_dir: &'a Path,
    store: [u8; 16],
    space: &'a Space,
    proof: Proof,
}

fn segment_paths(dir: &Path) -> io::Result<Vec<PathBuf>> {
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

impl Starting<'_> {
    /// Opens all segments; cuts a torn tail, seals what should be sealed, sets aside what is damaged.
    fn find(&self) -> io::Result<Found> {
        let paths = segment_paths(self.log_dir)?;
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        let (mut damaged, mut lost_upto) = (false, 0);
        let mut position = None;
        for (at, path) in paths.iter().enumerate() {
            let next = paths.get(at + 1).and_then(|next| first_of(next));
            let end = next.or_else(|| numbers_end(path));
            let Some(segment) = self.open_segment(path, end)? else {
                (damaged, lost_upto) = (true, end.unwrap_or(0));
                continue;
            };
            if segment.is_sealed() {
                segments.push(segment);
                continue;
            }
            let walk = salvage::walk(&segment);
            for (index, offset) in walk.offsets.iter().enumerate() {
                segment.set_offset(index, *offset);
            }
            let count = walk.offsets.len();
            let reached = segment.identity.first + count as u64;
            match (&walk.tail, next) {
                (Tail::Damaged, _) => {
                    damaged = true;
                    segments.push(self.set_aside(&segment, next)?);
                }
                (_, Some(next)) if reached < next => {
                    damaged = true;
                    segments.push(self.set_aside(&segment, Some(next))?);
                }
                (_, Some(_)) => {
                    segment.seal(count, walk.end)?;
                    segments.push(Arc::new(Segment::open(path)?));
                }
                (tail, None) => {
                    if *tail == Tail::Torn {
                        tracing::warn!(
                            number = reached,
                            "a torn group at the end of the log was cut; nothing in it was answered"
                        );
                        files::write_zeros(&segment, walk.end..segment.size())?;
                    }
                    salvage::settle(&segment, &walk)?;
                    position = Some(Position {
                        active: Arc::clone(&segment),
                        end: walk.end,
                        next: reached,
                    });
                    segments.push(segment);
                }
            }
        }
        let position = match position {
            Some(position) => position,
            None => self.new_active(&mut segments, lost_upto)?,
        };
        Ok(Found {
            segments,
            position,
            damaged,
        })
    }

    fn open_segment(&self, path: &Path, end: Option<u64>) -> io::Result<Option<Arc<Segment>>> {
        let opened = Segment::open(path).and_then(|segment| {
            if segment.identity.store != self.store {
                let what = format!("{} belongs to another store", path.display());
                return Err(io::Error::other(what));
            }
            let fits = Some(segment.identity.first) == first_of(path);
            fits.then_some(segment)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "of another number"))
        });
        match opened {
            Ok(segment) => Ok(Some(Arc::new(segment))),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.set_whole_aside(path, end)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A file without a readable header: all its numbers are lost.
    fn set_whole_aside(&self, path: &Path, end: Option<u64>) -> io::Result<()> {
        self.proof.demand_rebuild()?;
        let aside = self.options.dir.join(salvage::QUARANTINE);
        fs::create_dir_all(&aside)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let lost = first_of(path).zip(end).map(|(first, end)| (first, end - 1));
        let note = Quarantine {
            file: format!("{}/{name}.seg", salvage::QUARANTINE),
            lost: lost.into_iter().collect(),
        };
        let bytes = serde_json::to_vec(&note)?;
        files::write_durably(&aside.join(format!("{name}.json")), &bytes)?;
        fs::rename(path, aside.join(format!("{name}.seg")))?;
        files::sync_dir(&aside)?;
        files::sync_dir(self.log_dir)
    }

    fn set_aside(&self, segment: &Segment, next: Option<u64>) -> io::Result<Arc<Segment>> {
        self.proof.demand_rebuild()?;
        let last = salvage::entries(segment, super::segment::HEADER)
            .map(|(_, entry)| entry.number() + 1)
            .max();
        let next = next.or(last).unwrap_or(segment.identity.first);
        let lost = salvage::missing(segment, next);
        Ok(salvage::set_aside(&self.options.dir, segment, lost)?.0)
    }

    fn new_active(&self, segments: &mut Vec<Arc<Segment>>, lost_upto: u64) -> io::Result<Position> {
        let next = segments.last().map_or(1, |last| {
            last.identity.first + last.sealed_count().unwrap_or(0) as u64
        });
        let next = next.max(lost_upto);
        let used = segments.iter().map(|s| s.size() as u64).sum();
        let usual = self.space.segment_size(Purpose::Ordinary)?;
        let size = if self.space.available(used, Purpose::Ordinary)? >= usual {
            usual
        } else {
            self.space.segment_size(Purpose::Removal)?
        };
        let active = log::create(self.log_dir, self.store, next, size)?;
        segments.push(Arc::clone(&active));
        Ok(Position {
            active,
            end: super::segment::HEADER,
            next,
        })
    }

    /// Opens the view and replays what it lacks, or makes it anew.
    fn view(&self, mut found: Found) -> Result<(Found, Viewed), OpenError> {
        let view_dir = self.options.dir.join("view");
        let last = found.position.next - 1;
        let trust = self.proof.trust();
        let is_there = view::data_file(&view_dir).exists();
        if !found.damaged && is_there && trust != Trust::None {
            let view = View::open(&view_dir, 0).map_err(OpenError::view("the view"))?;
            if let Some(start) = self.catch_up(&view, &found, trust)? {
                let viewed = Viewed {
                    view,
                    start,
                    stale: Vec::new(),
                };
                return Ok((found, viewed));
            }
        }
        self.check_all(&mut found)?;
        self.proof.revoke().map_err(OpenError::io("CLEAN, DIRTY"))?;
        let size = self.space.first_view_size();
        let rebuilt = Rebuild {
            dir: &self.options.dir,
            view_dir: &view_dir,
            segments: &found.segments,
            last,
            size: size.map_err(OpenError::io("the file system"))?,
            progress: &self.options.progress,
        }
        .run()?;
        self.proof.rebuilt().map_err(OpenError::io("REBUILD"))?;
        self.proof.mark_dirty().map_err(OpenError::io("DIRTY"))?;
        let viewed = Viewed {
            view: rebuilt.view,
            start: if last == 0 { "Empty" } else { "Rebuilt" },
            stale: rebuilt.stale,
        };
        Ok((found, viewed))
    }

    /// Sets aside every sealed segment with a damaged frame: a rebuild must not read one.
    fn check_all(&self, found: &mut Found) -> Result<(), OpenError> {
        for segment in &mut found.segments {
            let lost = salvage::lost(segment);
            if !lost.is_empty() {
                let mended = salvage::set_aside(&self.options.dir, segment, lost)
                    .map_err(OpenError::io("a damaged segment could not be set aside"))?;
                *segment = mended.0;
            }
        }
        Ok(())
    }

    /// Applies the log's tail. `None`: the view is ahead of the log and must be made anew.
    fn catch_up(
        &self,
        view: &View,
        found: &Found,
        trust: Trust,
    ) -> Result<Option<&'static str>, OpenError> {
        let error = |error| OpenError::view("the replay of the log")(error);
        let last = found.position.next - 1;
        let mut applied = view
            .read()
            .and_then(|txn| view.applied(&txn))
            .map_err(error)?;
        if applied > last {
            return Ok(None);
        }
        if applied == last && trust == Trust::Clean {
            return Ok(Some(if last == 0 { "Empty" } else { "Clean" }));
        }
        if trust == Trust::Clean {
            self.proof.mark_dirty().map_err(OpenError::io("DIRTY"))?;
        }
        let frames = Frames {
            segments: &found.segments,
            group: None,
            active: found.position.active.identity.first,
        };
        while applied < last {
            let upto = last.min(applied + REPLAY);
            match apply::replay(view, &frames, applied + 1..=upto) {
                Ok(()) => applied = upto,
                Err(error) if view::is_full(&error) => {
                    let size = view.size() as u64;
                    let used = found.segments.iter().map(|s| s.size() as u64).sum::<u64>() + size;
                    let next = self.space.next_view_size(size, used, Purpose::Removal);
                    let next = next.ok().flatten().ok_or_else(|| no_room(view.size()))?;
                    view.grow(next as usize)
                        .map_err(OpenError::view("the view could not grow"))?;
                }
                Err(other) => return Err(error(other)),
            }
        }
        Ok(Some("Replayed"))
    }
}

fn no_room(size: usize) -> OpenError {
    OpenError::io("the replay of the log")(io::Error::new(
        io::ErrorKind::StorageFull,
        format!("the view needs more than its {size} bytes and the volume has no room"),
    ))
}
