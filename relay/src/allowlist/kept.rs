//! The last whole terms and lists, in the volume, so that a restart in the middle of a rotation neither opens nor shuts the
//! door. One file: the terms, the resource and the hash in the first line, then an entry a line. It is written under another
//! name, synced and renamed, and read only if its hash computes and it is of the same resource: a volume may have served
//! another relay before.

use crate::store::write_durably;
use relay_config::{
    Access, Auth, Hot, Lists,
    access::Addresses,
    lists::{Entry, SHARD_BYTES, SHARDS, Terms},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The file's name in the data directory.
const NAME: &str = "allowlist";

/// The first line: what the largest configuration file could hold.
const HEAD: usize = 1024 * 1024;

/// All shards and the first line.
const LARGEST: u64 = (SHARDS * SHARD_BYTES + HEAD) as u64;

/// The first line: the sections of a configuration that say who gets in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    access: Access,
    auth: Auth,
    addresses: Addresses,
}

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
    /// It has modes and entries alone, as it once was written.
    #[error("{path} is of an older form, without all that says who gets in")]
    OlderForm {
        /// The file.
        path: String,
    },
    /// The volume came from somewhere else.
    #[error("{path} is of another resource of Kubernetes than the configuration")]
    OtherResource {
        /// The file.
        path: String,
    },
}

/// The file, and what it is known to hold.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    held: Option<Held>,
}

/// Which generation of which resource.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    generation: String,
    resource: Option<String>,
}

impl Kept {
    /// In this data directory, which the store of this process has opened. Nothing is read yet.
    pub fn in_directory(data: &Path) -> Self {
        Self {
            path: data.join(NAME),
            held: None,
        }
    }

    /// Is it known to hold this generation of this resource?
    pub fn holds(&self, generation: &str, resource: Option<&str>) -> bool {
        let same =
            |held: &Held| held.generation == generation && held.resource.as_deref() == resource;
        self.held.as_ref().is_some_and(same)
    }

    /// What it holds of this resource, if it was ever written.
    pub fn load(&mut self, resource: Option<&str>) -> Result<Option<Lists>, KeptError> {
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
        let Some((lists, held)) = parse(&text) else {
            let path = path();
            return Err(if is_of_older_form(&text) {
                KeptError::OlderForm { path }
            } else {
                KeptError::Damaged { path }
            });
        };
        if held.resource.as_deref() != resource {
            return Err(KeptError::OtherResource { path: path() });
        }
        self.held = Some(held);
        Ok(Some(lists))
    }

    /// Replaces what it holds.
    pub fn store(&mut self, lists: &Lists, resource: Option<&str>) -> io::Result<()> {
        self.held = None; // after an error nobody knows
        let held = Held {
            generation: lists.generation(),
            resource: resource.map(str::to_owned),
        };
        write_durably(&self.path, write(lists, &held).as_bytes())?;
        self.held = Some(held);
        Ok(())
    }
}

fn write(lists: &Lists, held: &Held) -> String {
    let mut hot = Hot::default();
    hot.access.resource_uid.clone_from(&held.resource);
    let terms = lists.terms().clone();
    terms.put(&mut hot, Some(held.generation.clone()));
    let Hot {
        access,
        auth,
        addresses,
        ..
    } = hot;
    let head = Head {
        access,
        auth,
        addresses,
    };
    let mut text = serde_json::to_string(&head).expect("terms are plain data");
    text.push('\n');
    for entry in lists.entries() {
        entry.push_line(&mut text);
    }
    text
}

fn parse(text: &str) -> Option<(Lists, Held)> {
    let mut lines = text.lines();
    let head: Head = serde_json::from_str(lines.next()?).ok()?;
    let hot = Hot {
        access: head.access,
        auth: head.auth,
        addresses: head.addresses,
        ..Hot::default()
    };
    let entries = lines.map(|line| line.parse::<Entry>().ok());
    let lists = Lists::new(Terms::of(&hot), entries.collect::<Option<_>>()?);
    let held = Held {
        generation: hot.access.generation?,
        resource: hot.access.resource_uid,
    };
    (held.generation == lists.generation()).then_some((lists, held))
}

/// Its first line was nothing but modes.
fn is_of_older_form(text: &str) -> bool {
    let head = text.lines().next().unwrap_or_default();
    serde_json::from_str::<Access>(head).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_config::{
        access::{Mode, Required},
        lists::{Key, List, Modes},
    };
    use std::fs;

    const UID: Option<&str> = Some("0c5c");

    fn lists(first: u8) -> Lists {
        let mut terms = Terms::from(Modes {
            write: Mode::Allow,
            ..Modes::default()
        });
        terms.auth.required = Required::Always;
        terms.kinds.deny = vec!["4".parse().unwrap()];
        terms.addresses.allow = vec!["192.0.2.7".parse().unwrap()];
        let entry = |list, until: Option<&str>| Entry {
            key: Key([first; 32]),
            list,
            until: until.map(|day| day.parse().unwrap()),
        };
        let entries = vec![
            entry(List::Write, Some("2027-01-01")),
            entry(List::Banned, None),
        ];
        Lists::new(terms, entries)
    }

    fn text(lists: &Lists) -> String {
        let held = Held {
            generation: lists.generation(),
            resource: UID.map(str::to_owned),
        };
        write(lists, &held)
    }

    fn loaded(dir: &Path) -> Result<Option<Lists>, KeptError> {
        Kept::in_directory(dir).load(UID)
    }

    #[test]
    fn what_is_kept_is_read_back_by_the_next_process_with_all_that_says_who_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(loaded(dir.path()), Ok(None)));
        let mut kept = Kept::in_directory(dir.path());
        for first in [1, 2] {
            kept.store(&lists(first), UID).unwrap();
            assert!(kept.holds(&lists(first).generation(), UID));
            assert!(!kept.holds(&lists(first).generation(), None));
            assert!(!kept.holds(&lists(3).generation(), UID));
            assert_eq!(loaded(dir.path()).unwrap(), Some(lists(first)));
        }
    }

    #[test]
    fn what_is_kept_of_another_resource_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        for (kept, asked, used) in [
            (UID, UID, true),
            (None, None, true),
            (UID, Some("1d6d"), false),
            (UID, None, false),
            (None, UID, false),
        ] {
            let mut file = Kept::in_directory(dir.path());
            file.store(&lists(1), kept).unwrap();
            let loaded = Kept::in_directory(dir.path()).load(asked);
            match loaded {
                Ok(lists) => assert!(used && lists.is_some(), "{kept:?} {asked:?}"),
                Err(KeptError::OtherResource { .. }) => assert!(!used, "{kept:?} {asked:?}"),
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// A kill leaves a beginning of the new file under its first name, or the new file under its last: every such state is
    /// made here.
    #[test]
    fn a_kill_at_any_point_of_the_writing_leaves_the_old_or_the_new_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (lists(1), lists(2));
        Kept::in_directory(dir.path()).store(&old, UID).unwrap();
        let bytes = text(&new);
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
        let good = text(&lists(1));
        let path = dir.path().join(NAME);
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            loaded(dir.path()).is_err()
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
        for (from, to) in [
            (r#""mode":"Allow""#, r#""mode":"Open""#),
            ("Always", "Never"),
            (r#""deny":["4"]"#, r#""deny":["5"]"#),
            ("192.0.2.7/32", "0.0.0.0/0"),
        ] {
            let opened = good.replace(from, to);
            assert_ne!(opened, good, "{from}");
            assert!(damaged(opened.as_bytes()), "{to}");
        }
        assert!(damaged(&[0xff; 100]));
    }

    #[test]
    fn a_file_of_an_older_form_is_named_and_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let lists = lists(1);
        let access = lists.modes().access(Some(lists.generation()));
        let older = serde_json::to_string(&access).unwrap() + "\n";
        fs::write(dir.path().join(NAME), older).unwrap();
        let error = loaded(dir.path()).unwrap_err();
        assert!(matches!(error, KeptError::OlderForm { .. }), "{error}");
    }
}
