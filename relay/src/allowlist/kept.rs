//! The last whole modes and lists, in the volume, so that a restart in the middle of a rotation neither opens nor shuts the
//! door. One file: the modes and the hash in the first line, then an entry a line. It is written under another name, synced
//! and renamed, and read only if its hash computes.

use crate::store::write_durably;
use relay_config::{
    Access, Lists,
    lists::{Entry, Modes, SHARD_BYTES, SHARDS},
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The file's name in the data directory.
const NAME: &str = "allowlist";

/// All shards and the first line.
const LARGEST: u64 = (SHARDS * SHARD_BYTES + 1024) as u64;

/// Why what the volume holds cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{path} is damaged: its hash does not compute")]
    Damaged {
        /// The file.
        path: String,
    },
}

/// The file, and which generation it holds.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    generation: String,
}

impl Kept {
    /// In this data directory, which the store of this process has opened. Nothing is read yet.
    pub fn in_directory(data: &Path) -> Self {
        Self {
            path: data.join(NAME),
            generation: String::new(),
        }
    }

    /// The generation that the file is known to hold; empty when it holds none, or was not read yet.
    pub fn generation(&self) -> &str {
        &self.generation
    }

    /// What it holds, if it was ever written.
    pub fn load(&mut self) -> Result<Option<Lists>, KeptError> {
        let path = || self.path.display().to_string();
        let mut text = String::new();
        let read = File::open(&self.path)
            .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(KeptError::Damaged { path: path() });
            }
            Err(source) => {
                return Err(KeptError::Io {
                    path: path(),
                    source,
                });
            }
        }
        let lists = parse(&text).ok_or_else(|| KeptError::Damaged { path: path() })?;
        self.generation = lists.generation();
        Ok(Some(lists))
    }

    /// Replaces what it holds.
    pub fn store(&mut self, lists: &Lists) -> io::Result<()> {
        self.generation.clear(); // after an error nobody knows
        let generation = lists.generation();
        write_durably(&self.path, write(lists, &generation).as_bytes())?;
        self.generation = generation;
        Ok(())
    }
}

fn write(lists: &Lists, generation: &str) -> String {
    let access = lists.modes().access(Some(generation.to_owned()));
    let mut text = serde_json::to_string(&access).expect("modes are plain data");
    text.push('\n');
    for entry in lists.entries() {
        entry.push_line(&mut text);
    }
    text
}

fn parse(text: &str) -> Option<Lists> {
    let mut lines = text.lines();
    let access: Access = serde_json::from_str(lines.next()?).ok()?;
    let entries = lines.map(|line| line.parse::<Entry>().ok());
    let lists = Lists::new(Modes::of(&access), entries.collect::<Option<_>>()?);
    (access.generation? == lists.generation()).then_some(lists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_config::{
        access::Mode,
        lists::{Key, List},
    };
    use std::fs;

    fn lists(first: u8) -> Lists {
        let modes = Modes {
            write: Mode::Allow,
            ..Modes::default()
        };
        let entry = |list, until: Option<&str>| Entry {
            key: Key([first; 32]),
            list,
            until: until.map(|day| day.parse().unwrap()),
        };
        let entries = vec![
            entry(List::Write, Some("2027-01-01")),
            entry(List::Banned, None),
        ];
        Lists::new(modes, entries)
    }

    fn loaded(dir: &Path) -> Result<Option<Lists>, KeptError> {
        Kept::in_directory(dir).load()
    }

    #[test]
    fn what_is_kept_is_read_back_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(loaded(dir.path()), Ok(None)));
        let mut kept = Kept::in_directory(dir.path());
        for first in [1, 2] {
            kept.store(&lists(first)).unwrap();
            assert_eq!(kept.generation(), lists(first).generation());
            assert_eq!(loaded(dir.path()).unwrap(), Some(lists(first)));
        }
    }

    /// A kill leaves a beginning of the new file under its first name, or the new file under its last: every such state is
    /// made here.
    #[test]
    fn a_kill_at_any_point_of_the_writing_leaves_the_old_or_the_new_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (lists(1), lists(2));
        Kept::in_directory(dir.path()).store(&old).unwrap();
        let bytes = write(&new, &new.generation());
        let unfinished = dir.path().join("allowlist.new");
        for length in 0..=bytes.len() {
            fs::write(&unfinished, &bytes[..length]).unwrap();
            assert_eq!(loaded(dir.path()).unwrap().as_ref(), Some(&old));
        }
        fs::rename(&unfinished, dir.path().join(NAME)).unwrap();
        assert_eq!(loaded(dir.path()).unwrap().as_ref(), Some(&new));
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let good = write(&lists(1), &lists(1).generation());
        let path = dir.path().join(NAME);
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            matches!(loaded(dir.path()), Err(KeptError::Damaged { .. }))
        };
        assert!(!damaged(good.as_bytes()), "this one is good");
        for length in 0..good.len() - 1 {
            assert!(damaged(&good.as_bytes()[..length]), "cut at {length}");
        }
        for place in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1;
            assert!(damaged(&bytes), "a bit changed at {place}");
        }
        let opened = good.replace(r#""mode":"Allow""#, r#""mode":"Open""#);
        assert!(damaged(opened.as_bytes()));
        assert!(damaged(&[0xff; 100]));
    }
}
