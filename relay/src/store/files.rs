//! Small durable files, directory syncs, and the points where a test may let the disk fail.

use super::segment::Segment;
use rustix::fs::fsync;
use std::{
    fmt,
    fs::{self, File},
    io,
    ops::Range,
    path::Path,
    sync::Arc,
};

type Hook = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Lets the disk fail at chosen points. Empty in production; tests set hooks.
#[derive(Clone, Default)]
pub struct Faults {
    /// Asked before each append to the log.
    pub append: Option<Hook>,
    /// Asked before each `fdatasync` of the log.
    pub sync: Option<Hook>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    pub(super) fn check_append(&self) -> io::Result<()> {
        self.append.as_ref().map_or(Ok(()), |hook| hook())
    }

    pub(super) fn check_sync(&self) -> io::Result<()> {
        self.sync.as_ref().map_or(Ok(()), |hook| hook())
    }
}

/// Makes names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    Ok(fsync(File::open(dir)?)?)
}

/// Writes a small file whole: new name, synced, renamed, directory synced.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .ok_or_else(|| io::Error::other("a file without a directory"))?;
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fsync(File::open(&new)?)?;
    fs::rename(&new, path)?;
    sync_dir(dir)
}

/// Removes a file that may be missing. Was it there?
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes zeros into a segment.
pub(super) fn write_zeros(segment: &Segment, range: Range<usize>) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut at = range.start;
    while at < range.end {
        let length = ZEROS.len().min(range.end - at);
        segment.write(&ZEROS[..length], at)?;
        at += length;
    }
    Ok(())
}
