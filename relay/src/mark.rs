//! What changes when a mounted or plain file changes, so that it is read again only then.
//!
//! A mounted ConfigMap or Secret changes by a swap of its `..data` link; a plain file by its time, length or inode.
//! Looking costs two system calls; nothing here reads a file.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often files are looked at.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// The link that a kubelet swaps when a mounted ConfigMap or Secret changes.
pub const MOUNT_LINK: &str = "..data";

/// The state of one file at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    link: Option<PathBuf>,
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

impl Mark {
    /// Looks at a file; one that is not there has a mark too.
    pub fn of(path: &Path) -> Self {
        let link = path
            .parent()
            .and_then(|parent| fs::read_link(parent.join(MOUNT_LINK)).ok());
        let Ok(file) = fs::metadata(path) else {
            return Self {
                link,
                ..Self::default()
            };
        };
        Self {
            link,
            modified: (file.mtime(), file.mtime_nsec()),
            length: file.len(),
            inode: file.ino(),
        }
    }

    /// Does it stand in a mount, which swaps whole? A plain file may be half written when its mark has just changed.
    fn is_mounted(&self) -> bool {
        self.link.is_some()
    }
}

/// Files that are looked at again and again: says when they must be read.
#[derive(Debug)]
pub struct Watched {
    /// Their state when they were last read.
    read: Vec<Mark>,
    /// Their state at the last look.
    seen: Vec<Mark>,
}

impl Watched {
    /// Files that were read in this state.
    pub fn new(marks: Vec<Mark>) -> Self {
        Self {
            read: marks.clone(),
            seen: marks,
        }
    }

    /// One look: must they be read again? Plain files that are being written are left alone until they have stood still from
    /// one look to the next; a mount swaps whole.
    pub fn look(&mut self, marks: Vec<Mark>) -> bool {
        let still = marks.iter().all(Mark::is_mounted) || marks == self.seen;
        self.seen = marks;
        let due = self.seen != self.read && still;
        if due {
            self.read.clone_from(&self.seen);
        }
        due
    }

    /// Their state when they were last read.
    pub fn read(&self) -> &[Mark] {
        &self.read
    }
}
