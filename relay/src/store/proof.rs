//! `FORMAT`, `CLEAN`, `DIRTY` and the run token: whose store this is, and whether the view may be trusted.
//!
//! The view is not synced, so its file is whole only while the machine that wrote it lives, or after a clean close.
//! `CLEAN` says the latter. `DIRTY` names the run that wrote last and the file that it wrote; the same token in the
//! runtime directory, a tmpfs that dies with the boot or the pod, says that only the process died. A copy of the store has
//! another file, and a runtime directory on a disk would outlive the boot: neither proves anything.

use super::{error::OpenError, files};
use rustix::fs::statfs;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// `f_type` of a tmpfs (statfs(2)).
const TMPFS: i64 = 0x0102_1994;

/// The newest format that this program reads and writes.
pub(super) const FORMAT: u32 = 1;

/// The file `FORMAT`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Format {
    /// Version of all files.
    pub format: u32,
    /// Identity of the store: 32 hex digits, made once.
    pub store_id: String,
}

impl Format {
    /// Reads the file, or makes it for a new store.
    pub fn read_or_make(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("FORMAT");
        let what = || path.display().to_string();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_orphans(dir).map_err(OpenError::io(what()))?;
                return Self::make(&path);
            }
            Err(error) => return Err(OpenError::io(what())(error)),
        };
        let format: Self = serde_json::from_slice(&text)
            .map_err(io::Error::from)
            .map_err(OpenError::io(what()))?;
        if format.format > FORMAT {
            return Err(OpenError::Newer {
                dir: dir.to_owned(),
                format: format.format,
                known: FORMAT,
            });
        }
        u128::from_str_radix(&format.store_id, 16)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            .map_err(OpenError::io(format!("storeId in {}", what())))?;
        Ok(format)
    }

    fn make(path: &Path) -> Result<Self, OpenError> {
        let format = Self {
            format: FORMAT,
            store_id: format!("{:032x}", rand::random::<u128>()),
        };
        serde_json::to_vec(&format)
            .map_err(io::Error::from)
            .and_then(|bytes| files::write_durably(path, &bytes))
            .map_err(OpenError::io(path.display().to_string()))?;
        Ok(format)
    }

    /// The identity as bytes.
    pub fn store(&self) -> [u8; 16] {
        u128::from_str_radix(&self.store_id, 16)
            .unwrap_or(0)
            .to_be_bytes()
    }
}

/// A log without its `FORMAT` is a copy that is not whole: to give it a new identity would set all of it aside.
fn refuse_orphans(dir: &Path) -> io::Result<()> {
    for file in fs::read_dir(dir.join("log"))? {
        if file?.path().extension().is_some_and(|e| e == "seg") {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the file is missing beside a log: restore it from where the log came from",
            ));
        }
    }
    Ok(())
}

/// What the files say about the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Closed cleanly.
    Clean,
    /// Only the process died.
    SameRun,
    /// Nothing proves it whole.
    None,
}

/// The proofs of one store.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    dir: PathBuf,
    view: PathBuf,
    /// `None`: there is no tmpfs to keep it in.
    token: Option<PathBuf>,
}

fn is_tmpfs(dir: &Path) -> io::Result<bool> {
    fs::create_dir_all(dir)?;
    Ok(statfs(dir)?.f_type == TMPFS)
}

impl Proof {
    /// The proofs of the store in `dir` whose view is the file `view`.
    pub fn new(dir: &Path, view: PathBuf, token: Option<PathBuf>) -> Self {
        Self {
            dir: dir.to_owned(),
            view,
            token,
        }
    }

    /// Where the run token stands; `None`, said once in the log, where `runtime_dir` is no tmpfs.
    pub fn token(runtime_dir: &Path, store_id: &str) -> Option<PathBuf> {
        let why = match is_tmpfs(runtime_dir) {
            Ok(true) => return Some(runtime_dir.join(format!("nostr-fleet-{store_id}.run"))),
            Ok(false) => "it is on a disk, which outlives a power loss".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            runtime_dir = %runtime_dir.display(),
            why,
            "the runtime directory is no tmpfs: after any death of the process the view is made anew from the log"
        );
        None
    }

    /// Device and inode of the view's file.
    fn file(&self) -> io::Result<String> {
        let file = fs::metadata(&self.view)?;
        Ok(format!("{:x}:{:x}", file.dev(), file.ino()))
    }

    fn clean(&self) -> PathBuf {
        self.dir.join("CLEAN")
    }

    fn dirty(&self) -> PathBuf {
        self.dir.join("DIRTY")
    }

    fn rebuild(&self) -> PathBuf {
        self.dir.join("REBUILD")
    }

    /// May the view be opened?
    pub fn trust(&self) -> Trust {
        if self.rebuild().exists() {
            return Trust::None;
        }
        if self.clean().exists() {
            return Trust::Clean;
        }
        let token = self.token.as_ref().map(fs::read_to_string);
        match (fs::read_to_string(self.dirty()), token, self.file()) {
            (Ok(dirty), Some(Ok(token)), Ok(file))
                if dirty == token && token.split(' ').nth(1) == Some(&file) =>
            {
                Trust::SameRun
            }
            _ => Trust::None,
        }
    }

    /// Before the first write: a token in both places, then `CLEAN` goes, all durable.
    pub fn mark_dirty(&self) -> io::Result<()> {
        let token = format!("{:032x} {}", rand::random::<u128>(), self.file()?);
        if let Some(path) = &self.token
            && let Err(error) = fs::write(path, &token)
        {
            tracing::warn!(%error, path = %path.display(), "no run token: the view is rebuilt after any death of the process");
        }
        files::write_durably(&self.dirty(), token.as_bytes())?;
        files::remove(&self.clean())?;
        files::sync_dir(&self.dir)
    }

    /// After the forced sync of a close.
    pub fn mark_clean(&self) -> io::Result<()> {
        files::write_durably(&self.clean(), b"")?;
        self.token.as_deref().map_or(Ok(false), files::remove)?;
        Ok(())
    }

    /// Before the view's files are deleted: nothing vouches for them from here on.
    pub fn revoke(&self) -> io::Result<()> {
        files::remove(&self.clean())?;
        files::remove(&self.dirty())?;
        files::sync_dir(&self.dir)
    }

    /// The next start rebuilds the view.
    pub fn demand_rebuild(&self) -> io::Result<()> {
        files::write_durably(&self.rebuild(), b"")
    }

    /// The view was rebuilt.
    pub fn rebuilt(&self) -> io::Result<()> {
        if files::remove(&self.rebuild())? {
            files::sync_dir(&self.dir)?;
        }
        Ok(())
    }
}
