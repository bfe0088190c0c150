//! `LOCK`: one process at a time has a store. LMDB's own lock fails between pods, where everyone is process 1.

use super::error::OpenError;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::fd::AsFd,
    path::Path,
};

/// Held as long as the store is open; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "holds the lock by being open")] File);

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("LOCK");
        let what = || format!("{}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(OpenError::io(what()))?;
        if is_held_elsewhere(&file).map_err(OpenError::io(what()))? {
            let mut holder = String::new();
            // Best effort: the holder's own words; without them the refusal stands all the same.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(OpenError::Locked {
                dir: dir.to_owned(),
                holder: if holder.is_empty() {
                    "another process"
                } else {
                    holder
                }
                .to_owned(),
            });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(own_name().as_bytes()))
            .map_err(OpenError::io(what()))?;
        Ok(Self(file))
    }
}

/// Takes the lock, unless another process has it.
///
/// # Errors
/// When this file system has no locks.
fn is_held_elsewhere(file: impl AsFd) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(problem) => Err(problem.into()),
    }
}

fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}\n", std::process::id(), host.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};

    #[test]
    fn a_lock_is_held_elsewhere_only_if_somebody_has_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let first = open();
        assert!(!is_held_elsewhere(&first).unwrap());
        assert!(is_held_elsewhere(open()).unwrap());
        drop(first);
        assert!(!is_held_elsewhere(open()).unwrap());
        // A file that cannot be locked at all, as on some network file systems.
        let path_only = rustix::fs::open(file.path(), OFlags::PATH, Mode::empty()).unwrap();
        let problem = is_held_elsewhere(path_only).unwrap_err();
        assert_eq!(problem.raw_os_error(), Some(Errno::BADF.raw_os_error()));
    }
}
