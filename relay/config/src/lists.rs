//! Lists of public keys: the line that people write, the entry that it becomes, eight shards of entries, and the one
//! hash that ties modes and lists together.
//!
//! A list reaches a pod as eight files, because one ConfigMap is too small for a large list, and nine objects do not
//! change at once. So the configuration and every shard carry the hash of the whole, and [`Lists::whole`] takes
//! either all of it or nothing.

use crate::access::{Access, Mode, WriteBy};
use nostr::key::PublicKey;
use sha2::{Digest, Sha256};
use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

/// Shards of a list: by the first three bits of the key.
pub const SHARDS: usize = 8;

/// Bytes that one shard may hold, below what one ConfigMap can.
pub const SHARD_BYTES: usize = 1_040_000;

/// The 32 bytes of a public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The shard that it belongs to.
    pub fn shard(&self) -> usize {
        usize::from(self.0[0] >> 5)
    }

    /// `npub1…` (NIP-19) or 64 lower-case hex.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("npub1") {
            return Some(Self(PublicKey::parse(text).ok()?.to_bytes()));
        }
        Self::from_hex(text)
    }

    fn from_hex(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let hex: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(key))
    }

    /// Appends 64 lower-case hex characters. Lists of 100,000 keys are written and hashed whenever they change.
    fn push_hex(&self, text: &mut String) {
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = String::with_capacity(64);
        self.push_hex(&mut hex);
        f.write_str(&hex)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A day (UTC), written `2027-01-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    of_month: u8,
}

impl Day {
    /// Its first second, since 1970.
    pub fn begins(self) -> u64 {
        // Howard Hinnant's days_from_civil, for years from 1970 on: the year begins in March.
        let (month, day) = (u64::from(self.month), u64::from(self.of_month));
        let year = u64::from(self.year) - u64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
        days * 86_400
    }
}

impl FromStr for Day {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = |range: std::ops::Range<usize>| {
            let part = text
                .get(range)
                .filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|part| part.parse::<u16>().ok()).ok_or(())
        };
        if text.len() != 10 || text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
            return Err(());
        }
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let most = match month {
            2 => 28 + u16::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(()),
        };
        if year < 1970 || day == 0 || day > most {
            return Err(());
        }
        Ok(Self {
            year,
            month: month as u8,
            of_month: day as u8,
        })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.of_month)
    }
}

/// A key, and the day at whose beginning it is no longer listed.
pub type Listed = (Key, Option<Day>);

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not a key.
    #[error("not a public key: write npub1… or 64 lower-case hex characters")]
    Key,
    /// Something behind the key that is no date.
    #[error("not a date: write until 2027-01-01 behind the key, or nothing")]
    Date,
}

/// One line as people write it: a key, `until` and a day where the entry ends by itself, and `#` before a comment.
/// `None`: nothing but a comment or blanks.
pub fn line(text: &str) -> Result<Option<Listed>, LineError> {
    let text = text.split('#').next().unwrap_or_default();
    let mut words = text.split_whitespace();
    let Some(key) = words.next() else {
        return Ok(None);
    };
    let key = Key::parse(key).ok_or(LineError::Key)?;
    let until = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("until"), Some(day), None) => Some(day.parse().map_err(|()| LineError::Date)?),
        _ => return Err(LineError::Date),
    };
    Ok(Some((key, until)))
}

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

/// How the lists are meant: what the hash covers beside the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// How `access.read` is meant.
    pub read: Mode,
    /// How `access.write` is meant.
    pub write: Mode,
    /// Whose key is judged when an event is published.
    pub by: WriteBy,
}

impl Modes {
    /// Those of a configuration.
    pub fn of(access: &Access) -> Self {
        Self {
            read: access.read.mode,
            write: access.write.mode,
            by: access.write.by,
        }
    }
}

/// Modes and lists: what swaps whole. Entries are sorted, and hold each key once per list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    modes: Modes,
    entries: Vec<Entry>,
    generation: String,
}

impl Default for Lists {
    fn default() -> Self {
        Self::new(Modes::default(), Vec::new())
    }
}

/// Why modes and lists cannot be taken. Nothing of them is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
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
    /// Modes with entries in any order. A key that is named twice in a list stays as long as the longer of both.
    pub fn new(modes: Modes, mut entries: Vec<Entry>) -> Self {
        // Of one key in one list the entry that ends last comes first, one without an end before all.
        let ends = |entry: &Entry| entry.until.map_or(u64::MAX, Day::begins);
        entries.sort_by_key(|entry| (entry.key, entry.list, std::cmp::Reverse(ends(entry))));
        entries.dedup_by_key(|entry| (entry.key, entry.list));
        Self::sorted(modes, entries)
    }

    fn sorted(modes: Modes, entries: Vec<Entry>) -> Self {
        let generation = hash(modes, &entries);
        Self {
            modes,
            entries,
            generation,
        }
    }

    /// The lists that stand in the configuration itself.
    pub fn inline(access: &Access) -> Result<Self, NotWhole> {
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
        Ok(Self::new(Modes::of(access), entries))
    }

    /// The lists of a configuration that names a generation: all shards, of that generation and with that hash.
    pub fn whole(access: &Access, shards: &[Option<String>; SHARDS]) -> Result<Self, NotWhole> {
        let wanted = access.generation.as_deref().unwrap_or_default();
        let mut entries = Vec::new();
        for (number, text) in shards.iter().enumerate() {
            let text = text.as_deref().ok_or(NotWhole::Missing(number))?;
            read_shard(number, text, wanted, &mut entries)?;
        }
        let lists = Self::sorted(Modes::of(access), entries);
        if lists.generation != wanted {
            return Err(NotWhole::Hash(wanted.to_owned()));
        }
        Ok(lists)
    }

    /// How the lists are meant.
    pub fn modes(&self) -> Modes {
        self.modes
    }

    /// The entries, sorted by key, then by list.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// SHA-256 in hex over the modes and the sorted entries with their dates: the one name of this state of affairs, in
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

fn hash(modes: Modes, entries: &[Entry]) -> String {
    let Modes { read, write, by } = modes;
    let mut hash = Sha256::new();
    hash.update(format!(
        "allowlist 1\nread {read:?}\nwrite {write:?} by {by:?}\n"
    ));
    let mut line = String::new();
    for entry in entries {
        line.clear();
        entry.push_line(&mut line);
        hash.update(&line);
    }
    let mut hex = String::with_capacity(64);
    Key(hash.finalize().into()).push_hex(&mut hex);
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
mod tests {
    use super::*;

    fn key(first: u8) -> Key {
        let mut bytes = [7; 32];
        bytes[0] = first;
        Key(bytes)
    }

    fn entry(first: u8, list: List, until: Option<&str>) -> Entry {
        Entry {
            key: key(first),
            list,
            until: until.map(|day| day.parse().unwrap()),
        }
    }

    fn allow() -> Access {
        let mut access = Access::default();
        access.write.mode = Mode::Allow;
        access
    }

    fn lists() -> Lists {
        let entries = vec![
            entry(0xff, List::Write, None),
            entry(0x00, List::Write, Some("2027-01-01")),
            entry(0x00, List::Banned, None),
            entry(0x40, List::Read, None),
        ];
        Lists::new(Modes::of(&allow()), entries)
    }

    fn shards(lists: &Lists) -> [Option<String>; SHARDS] {
        lists.shards().map(Some)
    }

    #[test]
    fn a_line_is_a_key_with_or_without_a_date_and_a_comment() {
        let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
        let npub = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";
        let expected = (Key::parse(hex).unwrap(), None);
        assert_eq!(line(hex), Ok(Some(expected)));
        assert_eq!(line(&format!("  {npub}  # fiatjaf")), Ok(Some(expected)));
        let until = line(&format!("{hex} until 2027-01-01")).unwrap().unwrap();
        assert_eq!(until.1.unwrap().to_string(), "2027-01-01");
        assert_eq!(line("# nobody"), Ok(None));
        assert_eq!(line("   "), Ok(None));
    }

    #[test]
    fn a_line_that_is_none_says_what_is_wrong() {
        let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
        for text in [
            "npub1xyz",
            "me",
            &hex.to_uppercase(),
            &hex[1..],
            &format!("nostr:{hex}"),
        ] {
            assert_eq!(line(text), Err(LineError::Key), "{text}");
        }
        for date in [
            "2027-01-01",
            "until",
            "until 2027-02-29",
            "until 2027-1-1",
            "until 1969-12-31",
            "until 2027-01-01 x",
        ] {
            assert_eq!(
                line(&format!("{hex} {date}")),
                Err(LineError::Date),
                "{date}"
            );
        }
        assert!(line(&format!("{hex} until 2028-02-29")).is_ok());
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let begins = |text: &str| text.parse::<Day>().unwrap().begins();
        assert_eq!(begins("1970-01-01"), 0);
        assert_eq!(begins("2000-02-29"), 951_782_400);
        assert_eq!(begins("2000-03-01"), 951_868_800);
        assert_eq!(begins("2026-11-21"), 1_795_219_200);
        assert_eq!(begins("9999-12-31"), 253_402_214_400);
    }

    #[test]
    fn what_is_sharded_is_read_back_whole() {
        let lists = lists();
        let access = Access {
            generation: Some(lists.generation()),
            ..allow()
        };
        assert_eq!(Lists::whole(&access, &shards(&lists)), Ok(lists));
    }

    #[test]
    fn a_shard_of_another_generation_or_a_changed_one_is_refused() {
        let lists = lists();
        let access = Access {
            generation: Some(lists.generation()),
            ..allow()
        };
        let other = Lists::new(lists.modes(), vec![entry(0x00, List::Write, None)]);
        let mut mixed = shards(&lists);
        mixed[0] = Some(other.shards()[0].clone());
        assert!(matches!(
            Lists::whole(&access, &mixed),
            Err(NotWhole::Mixed { shard: 0, .. })
        ));
        let mut missing = shards(&lists);
        missing[7] = None;
        assert_eq!(Lists::whole(&access, &missing), Err(NotWhole::Missing(7)));
        let mut shortened = shards(&lists);
        shortened[7] = Some(format!("{}\n", lists.generation()));
        assert!(matches!(
            Lists::whole(&access, &shortened),
            Err(NotWhole::Hash(_))
        ));
        let mut moved = shards(&lists);
        moved.swap(0, 7);
        assert!(matches!(
            Lists::whole(&access, &moved),
            Err(NotWhole::Line(0, 2))
        ));
        // The modes belong to it: an Allow can not become an Open on its own.
        let opened = Access {
            generation: access.generation.clone(),
            ..Access::default()
        };
        assert!(matches!(
            Lists::whole(&opened, &shards(&lists)),
            Err(NotWhole::Hash(_))
        ));
    }

    #[test]
    fn a_key_that_is_named_twice_stays_as_long_as_the_longer_of_both() {
        let modes = Modes::default();
        let (short, long) = (Some("2027-01-01"), Some("2028-01-01"));
        for (one, two, kept) in [
            (short, long, long),
            (long, short, long),
            (short, None, None),
        ] {
            let entries = vec![entry(1, List::Write, one), entry(1, List::Write, two)];
            let lists = Lists::new(modes, entries);
            assert_eq!(lists.entries(), [entry(1, List::Write, kept)]);
        }
    }
}
