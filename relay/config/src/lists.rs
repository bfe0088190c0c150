//! Lists of public keys: the entries, eight shards of them, and the one hash that ties them to the terms on which somebody
//! gets in.
//!
//! - `terms`: modes, logins, kinds and addresses
//! - `line`: what people write, with its `key` and its `day`
//!
//! A list reaches a pod as eight files, because one ConfigMap is too small for a large list, and nine objects do not
//! change at once. So the configuration and every shard carry the hash of the whole, and [`Lists::whole`] takes
//! either all of it or nothing.

mod day;
mod key;
mod line;
mod terms;

pub use day::Day;
pub use key::Key;
pub use line::{LineError, Listed, line, said};
pub use terms::{Modes, Terms};

use crate::{Hot, hash::push_hex};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, str::FromStr};

/// Shards of a list: by the first three bits of the key.
pub const SHARDS: usize = 8;

/// Bytes that one shard may hold, below what one ConfigMap can.
pub const SHARD_BYTES: usize = 1_040_000;

/// The generation of no lists at all, as the operator names it while there never was a good one: no text is known that has
/// this hash, and nobody is served under it.
pub const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Bytes of lines that are hashed at a time.
const BLOCK: usize = 16 << 10;

/// Which list an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// `access.banned`.
    Banned,
    /// `access.read`.
    Read,
    /// `access.write`.
    Write,
}

impl List {
    const ALL: [(Self, &str); 3] = [(Self::Banned, "b"), (Self::Read, "r"), (Self::Write, "w")];

    fn letter(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Whose.
    pub key: Key,
    /// In which list.
    pub list: List,
    /// The day at whose beginning (00:00 UTC) the entry ends by itself.
    pub until: Option<Day>,
}

impl Entry {
    /// Appends its line, as it is hashed, sharded and kept.
    pub fn push_line(&self, text: &mut String) {
        text.push_str(self.list.letter());
        text.push(' ');
        self.key.push_hex(text);
        if let Some(day) = self.until {
            let _ = write!(text, " {day}"); // a String takes every text
        }
        text.push('\n');
    }
}

impl FromStr for Entry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ');
        let (letter, key) = (words.next().ok_or(())?, words.next().ok_or(())?);
        let (list, _) = List::ALL
            .into_iter()
            .find(|(_, it)| *it == letter)
            .ok_or(())?;
        let key = Key::from_hex(key).ok_or(())?;
        let until = words.next().map(str::parse).transpose()?;
        match words.next() {
            None => Ok(Self { key, list, until }),
            Some(_) => Err(()),
        }
    }
}

/// The lists and the terms on which they are asked, the whole door: what swaps whole. Entries are sorted, and hold each key
/// once per list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    terms: Terms,
    entries: Vec<Entry>,
    generation: String,
}

impl Default for Lists {
    fn default() -> Self {
        Self::new(Terms::default(), Vec::new())
    }
}

/// Why terms and lists cannot be taken. Nothing of them is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// The configuration itself says so: see [`NOBODY`].
    #[error("there never was a good allowlist: nobody is served until there is one")]
    Nobody,
    /// A shard is not there.
    #[error("shard {0} of the allowlist is not there")]
    Missing(usize),
    /// A shard is of another generation than the configuration: it will follow, or the configuration will.
    #[error(
        "shard {shard} of the allowlist is of generation {found}, the configuration of {wanted}"
    )]
    Mixed {
        /// Which.
        shard: usize,
        /// What it says.
        found: String,
        /// What the configuration says.
        wanted: String,
    },
    /// A shard's line is no entry, or is in the wrong shard or order.
    #[error("shard {0} of the allowlist, line {1}: not an entry, or not at its place")]
    Line(usize, usize),
    /// All agree, and yet the hash does not compute: something was changed by hand.
    #[error("the allowlist does not have the hash {0} that it claims")]
    Hash(String),
    /// A line of a list in the configuration itself.
    #[error("hot.access.{list}.pubkeys, entry {entry}: {why}")]
    Inline {
        /// Which list.
        list: &'static str,
        /// Which entry, from 1.
        entry: usize,
        /// What is wrong.
        why: LineError,
    },
}

impl Lists {
    /// Terms with entries in any order. A key that is named twice in a list stays as long as the longer of both.
    pub fn new(terms: impl Into<Terms>, mut entries: Vec<Entry>) -> Self {
        // Of one key in one list the entry that ends last comes first, one without an end before all.
        let ends = |entry: &Entry| entry.until.map_or(u64::MAX, Day::begins);
        entries.sort_by_key(|entry| (entry.key, entry.list, std::cmp::Reverse(ends(entry))));
        entries.dedup_by_key(|entry| (entry.key, entry.list));
        Self::sorted(terms.into(), entries)
    }

    fn sorted(terms: Terms, entries: Vec<Entry>) -> Self {
        let generation = hash(&terms, &entries);
        Self {
            terms,
            entries,
            generation,
        }
    }

    /// The lists that stand in the configuration itself.
    pub fn inline(hot: &Hot) -> Result<Self, NotWhole> {
        let access = &hot.access;
        let lists = [
            (List::Banned, "banned", &access.banned.pubkeys),
            (List::Read, "read", &access.read.pubkeys),
            (List::Write, "write", &access.write.pubkeys),
        ];
        let mut entries = Vec::new();
        for (list, name, lines) in lists {
            for (index, text) in lines.iter().enumerate() {
                let entry = index + 1;
                let listed = line(text).map_err(|why| NotWhole::Inline {
                    list: name,
                    entry,
                    why,
                })?;
                entries.extend(listed.map(|(key, until)| Entry { key, list, until }));
            }
        }
        Ok(Self::new(Terms::of(hot), entries))
    }

    /// The lists of a configuration that names a generation: all shards, of that generation and with that hash.
    pub fn whole(hot: &Hot, shards: &[Option<String>; SHARDS]) -> Result<Self, NotWhole> {
        let wanted = hot.access.generation.as_deref().unwrap_or_default();
        if hot.access.knows_nobody() {
            return Err(NotWhole::Nobody);
        }
        let mut entries = Vec::new();
        for (number, text) in shards.iter().enumerate() {
            let text = text.as_deref().ok_or(NotWhole::Missing(number))?;
            read_shard(number, text, wanted, &mut entries)?;
        }
        let lists = Self::sorted(Terms::of(hot), entries);
        if lists.generation != wanted {
            return Err(NotWhole::Hash(wanted.to_owned()));
        }
        Ok(lists)
    }

    /// On which terms somebody gets in.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How the lists are meant.
    pub fn modes(&self) -> Modes {
        self.terms.modes
    }

    /// The entries, sorted by key, then by list.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// SHA-256 in hex over the terms and the sorted entries with their dates: the one name of this state of affairs, in
    /// the configuration, in every shard, in `/status` and in the resource's status.
    pub fn generation(&self) -> String {
        self.generation.clone()
    }

    /// The eight shards: the generation in the first line, then an entry a line.
    pub fn shards(&self) -> [String; SHARDS] {
        let first = format!("{}\n", self.generation);
        let mut shards: [String; SHARDS] = std::array::from_fn(|_| first.clone());
        for entry in &self.entries {
            entry.push_line(&mut shards[entry.key.shard()]);
        }
        shards
    }
}

fn hash(terms: &Terms, entries: &[Entry]) -> String {
    let mut hash = Sha256::new();
    hash.update(terms.text());
    // By the block: a hash of 100,000 lines is not begun and ended with each.
    let mut lines = String::with_capacity(BLOCK + 128);
    for entry in entries {
        entry.push_line(&mut lines);
        if lines.len() >= BLOCK {
            hash.update(&lines);
            lines.clear();
        }
    }
    hash.update(&lines);
    let mut hex = String::with_capacity(64);
    push_hex(&mut hex, &hash.finalize());
    hex
}

fn read_shard(
    number: usize,
    text: &str,
    wanted: &str,
    entries: &mut Vec<Entry>,
) -> Result<(), NotWhole> {
    let mut lines = text.lines();
    let found = lines.next().unwrap_or_default();
    if found != wanted {
        return Err(NotWhole::Mixed {
            shard: number,
            found: found.chars().take(64).collect(),
            wanted: wanted.to_owned(),
        });
    }
    for (index, line) in lines.enumerate() {
        let entry = line.parse::<Entry>().ok();
        let after = |entry: &Entry| {
            entries
                .last()
                .is_none_or(|last| (last.key, last.list) < (entry.key, entry.list))
        };
        let entry = entry.filter(|entry| entry.key.shard() == number && after(entry));
        entries.push(entry.ok_or(NotWhole::Line(number, index + 2))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
