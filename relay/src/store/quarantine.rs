//! `quarantine/`: damaged segments that were set aside, a note of each, and how long their text may stay.
//!
//! A file set aside may hold text that was deleted, so it is erased in time as everything else is; its readable entries
//! were copied out when it came. The note stays, as what was lost stays lost, until somebody acknowledges it. Only files
//! with a note are ever removed.

use super::{
    files, salvage,
    segment::{HEADER, Segment},
};
use relay_config::status::Quarantine;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const DIR: &str = "quarantine";

/// Removes all files that were set aside in a store, with their notes, and says what they were. The store may be open:
/// whoever has it sees that the notes are gone.
///
/// # Errors
/// If a file cannot be removed; those before it are gone.
pub fn acknowledge(store: &Path) -> io::Result<Vec<Quarantine>> {
    let ward = Ward::of(store);
    let notes = ward.notes(0);
    for note in &notes {
        files::remove(&store.join(&note.file))?;
        files::remove(&note_of(store, note))?;
        files::sync_dir(&store.join(DIR))?;
    }
    Ok(notes)
}

/// Where the note of a file stands.
fn note_of(store: &Path, note: &Quarantine) -> PathBuf {
    store.join(&note.file).with_extension("json")
}

/// The directory, and what is in it.
pub(super) struct Ward {
    store: PathBuf,
    files: Mutex<Vec<Inmate>>,
}

/// What is lost with a damaged segment.
pub(super) struct Loss {
    /// First and last number of each run, both included.
    pub numbers: Vec<(u64, u64)>,
    /// When it was noticed, in Unix seconds.
    pub noticed: u64,
}

/// One file that was set aside.
struct Inmate {
    note: Quarantine,
    /// `None`: it is erased.
    bytes: Option<u64>,
}

impl Ward {
    /// Reads the notes of a store.
    pub fn of(store: &Path) -> Self {
        let files = fs::read_dir(store.join(DIR)).into_iter().flatten();
        let mut files: Vec<Inmate> = files
            .filter_map(Result::ok)
            .filter(|file| file.path().extension().is_some_and(|e| e == "json"))
            .filter_map(|file| serde_json::from_slice(&fs::read(file.path()).ok()?).ok())
            .map(|note| Inmate::of(store, note))
            .collect();
        files.sort_by(|a, b| a.note.file.cmp(&b.note.file));
        Self {
            store: store.to_owned(),
            files: Mutex::new(files),
        }
    }

    /// What is here, without what was acknowledged meanwhile.
    fn files(&self) -> MutexGuard<'_, Vec<Inmate>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be looked at is not acknowledged.
        let is_there = |file: &Inmate| note_of(&self.store, &file.note).try_exists();
        files.retain(|file| is_there(file).unwrap_or(true));
        files
    }

    /// Bytes that the files take.
    pub fn bytes(&self) -> u64 {
        self.files().iter().filter_map(|file| file.bytes).sum()
    }

    /// What was set aside, for `/status`. A file stays for `patience` seconds.
    pub fn notes(&self, patience: u64) -> Vec<Quarantine> {
        let note = |file: &Inmate| Quarantine {
            erase_at: file.bytes.map(|_| file.due(patience)),
            ..file.note.clone()
        };
        self.files().iter().map(note).collect()
    }

    /// Sets a damaged segment aside: its readable frames go into a new file under its name, the damaged one into
    /// `quarantine/`. Returns the new segment.
    pub fn replace(&self, segment: &Segment, loss: Loss) -> io::Result<Arc<Segment>> {
        let identity = segment.identity;
        let name = format!("{:020}-{:08x}", identity.first, identity.id);
        let readable = salvage::entries(segment, HEADER).map(|(_, entry)| entry);
        let kept = Segment::write_kept(segment, readable)?;
        let target = self.target(&name)?;
        files::remove(&target)?;
        fs::hard_link(&segment.path, &target)?;
        self.admit(&segment.path, &name, loss)?;
        kept.publish()?;
        Ok(Arc::new(Segment::open(&segment.path)?))
    }

    /// Sets a file aside of which nothing can be read.
    pub fn take(&self, path: &Path, loss: Loss) -> io::Result<()> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let target = self.target(&name)?;
        self.admit(path, &name, loss)?;
        fs::rename(path, &target)?;
        files::sync_dir(&self.store.join(DIR))?;
        path.parent().map_or(Ok(()), files::sync_dir)
    }

    /// Removes the files that have been here for `patience` seconds.
    pub fn erase(&self, now: u64, patience: u64) -> io::Result<()> {
        for file in self.files().iter_mut() {
            if file.bytes.is_some() && now >= file.due(patience) {
                files::remove(&self.store.join(&file.note.file))?;
                files::sync_dir(&self.store.join(DIR))?;
                file.bytes = None;
                tracing::info!(file = %file.note.file, "a damaged file was erased, as it may hold deleted text; its note stays");
            }
        }
        Ok(())
    }

    fn target(&self, name: &str) -> io::Result<PathBuf> {
        let dir = self.store.join(DIR);
        fs::create_dir_all(&dir)?;
        Ok(dir.join(format!("{name}.seg")))
    }

    /// Notes a file that is on its way here from `path`, before the log is without it.
    fn admit(&self, path: &Path, name: &str, loss: Loss) -> io::Result<()> {
        let note = Quarantine {
            file: format!("{DIR}/{name}.seg"),
            lost: loss.numbers,
            set_aside_at: loss.noticed,
            erase_at: None,
        };
        let bytes = fs::metadata(path)?.len();
        let text = serde_json::to_vec(&note)?;
        files::write_durably(&self.store.join(DIR).join(format!("{name}.json")), &text)?;
        tracing::error!(file = %note.file, lost = ?note.lost, "a damaged segment was set aside; its readable entries were kept");
        let mut files = self.files();
        files.retain(|old| old.note.file != note.file);
        files.push(Inmate {
            note,
            bytes: Some(bytes),
        });
        Ok(())
    }
}

impl Inmate {
    fn of(store: &Path, note: Quarantine) -> Self {
        let file = fs::metadata(store.join(&note.file));
        Self {
            bytes: file.ok().map(|file| file.len()),
            note,
        }
    }

    /// When it is erased.
    fn due(&self, patience: u64) -> u64 {
        self.note.set_aside_at.saturating_add(patience)
    }
}
