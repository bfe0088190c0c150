//! Index keys: how tags, addresses and positions in time are spelled in bytes.
//!
//! A value is never truncated: up to 32 bytes stand as they are, 64 hex digits as the 32 bytes they mean, and anything
//! longer as 16 bytes of its SHA-256 and its length. The view's keys hold eight bytes of that and every read compares
//! the whole with the frame, so two values can share a page but never an answer.

use super::entry::Entry;
use crate::wire::{Class, Event, EventId};
use sha2::{Digest, Sha256};

const HEX: u8 = 0xfe;
const HASHED: u8 = 0xff;
const INLINE: usize = 32;

/// One indexed tag: letter, form and value. Equal bytes mean equal tags.
pub(super) type TagKey<'a> = &'a [u8];

/// Reads tag keys one by one.
pub(super) struct TagKeys<'a>(&'a [u8]);

impl<'a> TagKeys<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for TagKeys<'a> {
    type Item = TagKey<'a>;

    fn next(&mut self) -> Option<TagKey<'a>> {
        let length = match *self.0.get(1)? {
            HEX => 32,
            HASHED => 20,
            inline => usize::from(inline),
        };
        let (key, rest) = self.0.split_at_checked(2 + length)?;
        self.0 = rest;
        Some(key)
    }
}

/// The key of a tag whose value is an id or a public key.
pub(super) fn hex_tag(letter: u8, value: &[u8; 32]) -> [u8; 34] {
    let mut key = [HEX; 34];
    key[0] = letter;
    key[2..].copy_from_slice(value);
    key
}

/// Appends the key of one tag.
pub(super) fn write_tag(out: &mut Vec<u8>, letter: u8, value: &str) {
    if let Some(id) = EventId::from_hex(value) {
        out.extend_from_slice(&hex_tag(letter, id.as_bytes()));
    } else if value.len() <= INLINE {
        out.extend_from_slice(&[letter, value.len() as u8]);
        out.extend_from_slice(value.as_bytes());
    } else {
        out.extend_from_slice(&[letter, HASHED]);
        out.extend_from_slice(&Sha256::digest(value)[..16]);
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
}

/// Appends the keys of an event's tags, each once.
pub(super) fn write_tags<'t>(out: &mut Vec<u8>, tags: impl Iterator<Item = (u8, &'t str)>) {
    let start = out.len();
    for (letter, value) in tags {
        write_tag(out, letter, value);
    }
    let keys: Vec<TagKey<'_>> = TagKeys::new(&out[start..]).collect();
    if keys.len() < 2 {
        return;
    }
    let mut once = keys.clone();
    once.sort_unstable();
    once.dedup();
    if once.len() < keys.len() {
        let bytes = once.concat();
        out.truncate(start);
        out.extend_from_slice(&bytes);
    }
}

/// No tag has this letter: the wraps of a recipient stand under it a second time, so that its vanishing finds them alone.
const WRAP: u8 = 0;

/// Nine bytes under which the view files the recipient of a gift wrap.
pub(super) fn wrap_prefix(recipient: TagKey<'_>) -> [u8; 9] {
    let mut prefix = tag_prefix(recipient);
    prefix[0] = WRAP;
    prefix
}

/// Nine bytes under which the view files a tag: its letter and eight bytes of its value.
pub(super) fn tag_prefix(tag: TagKey<'_>) -> [u8; 9] {
    let mut prefix = [0; 9];
    prefix[0] = tag[0];
    let value = &tag[2..];
    match tag[1] {
        HEX | HASHED => prefix[1..].copy_from_slice(&value[..8]),
        short if short < 8 => {
            prefix[1] = short;
            prefix[2..2 + value.len()].copy_from_slice(value);
        }
        _ => prefix[1..].copy_from_slice(&Sha256::digest(value)[..8]),
    }
    prefix
}

/// The view's key of an address: all of kind, author and `d`, hashed. `d` counts only for addressable kinds.
pub(super) fn address(kind: u16, pubkey: &[u8; 32], d: &str) -> [u8; 16] {
    let d = match Class::of(kind) {
        Class::Addressable => d,
        Class::Regular | Class::Replaceable | Class::Ephemeral => "",
    };
    let mut hash = Sha256::new();
    hash.update(kind.to_be_bytes());
    hash.update(pubkey);
    hash.update((d.len() as u64).to_be_bytes());
    hash.update(d);
    let digest: [u8; 32] = hash.finalize().into();
    *digest.first_chunk().expect("16 of 32 bytes")
}

/// The view's key of an event's address, if it is replaceable or addressable.
pub(super) fn address_of(event: &Event) -> Option<[u8; 16]> {
    match event.class() {
        Class::Replaceable | Class::Addressable => {
            Some(address(event.kind(), event.pubkey().as_bytes(), event.d()))
        }
        Class::Regular | Class::Ephemeral => None,
    }
}

/// Length of a rank in a key.
pub(super) const RANK: usize = 18;

/// A place in the order of answers: newest first, then by id. The four id bytes settle nearly all ties; a scan settles
/// the rest by the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// `u64::MAX - created_at`.
    pub age: u64,
    /// The first four bytes of the id.
    pub id: u32,
    /// The entry's number.
    pub number: u64,
}

impl Rank {
    pub fn of(entry: &Entry<'_>) -> Self {
        let id = entry.id();
        Self {
            age: u64::MAX - entry.created_at(),
            id: u32::from_be_bytes([id[0], id[1], id[2], id[3]]),
            number: entry.number(),
        }
    }

    /// Before everything that was created at this time or earlier.
    pub fn from_time(created_at: u64) -> Self {
        Self {
            age: u64::MAX - created_at,
            id: 0,
            number: 0,
        }
    }

    pub fn bytes(&self) -> [u8; RANK] {
        let mut bytes = [0; RANK];
        bytes[..8].copy_from_slice(&self.age.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.id.to_be_bytes());
        bytes[12..].copy_from_slice(&self.number.to_be_bytes()[2..]);
        bytes
    }

    /// Reads the rank at a key's end.
    pub fn read(key: &[u8]) -> Option<Self> {
        let (_, rank) = key.split_last_chunk::<RANK>()?;
        let mut number = [0; 8];
        number[2..].copy_from_slice(&rank[12..]);
        Some(Self {
            age: u64::from_be_bytes(*rank.first_chunk()?),
            id: u32::from_be_bytes([rank[8], rank[9], rank[10], rank[11]]),
            number: u64::from_be_bytes(number),
        })
    }

    /// Is only the number different? Then the ids decide.
    pub fn ties(&self, other: &Self) -> bool {
        self.age == other.age && self.id == other.id
    }
}

/// A key of at most [`SmallKey::MAX`] bytes on the stack.
#[derive(Clone, Copy)]
pub(super) struct SmallKey {
    bytes: [u8; Self::MAX],
    length: u8,
}

impl SmallKey {
    /// Long enough for every time-ordered index.
    pub const MAX: usize = 40;

    /// The parts one after another.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut key = Self {
            bytes: [0; Self::MAX],
            length: 0,
        };
        for part in parts {
            let at = usize::from(key.length);
            key.bytes[at..at + part.len()].copy_from_slice(part);
            key.length += part.len() as u8;
        }
        key
    }

    pub fn get(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// A prefix of known length with a rank's bytes behind it: the writer makes eight of these per event.
    pub fn ranked<const N: usize>(prefix: [u8; N], rank: &[u8; RANK]) -> Self {
        let mut bytes = [0; Self::MAX];
        bytes[..N].copy_from_slice(&prefix);
        bytes[N..N + RANK].copy_from_slice(rank);
        Self {
            bytes,
            length: (N + RANK) as u8,
        }
    }

    /// This prefix with a rank behind it.
    pub fn at(&self, rank: Rank) -> Self {
        Self::of(&[self.get(), &rank.bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(letter: u8, value: &str) -> Vec<u8> {
        let mut key = Vec::new();
        write_tag(&mut key, letter, value);
        key
    }

    #[test]
    fn different_values_have_different_keys_whatever_their_length() {
        let hex = "ab".repeat(32);
        let mut values: Vec<String> = (0..600).map(|n| "v".repeat(n)).collect();
        values.extend([hex.clone(), hex.to_uppercase(), "\0".into(), "\0\0".into()]);
        values.push("v".repeat(299) + "w");
        let keys: std::collections::BTreeSet<_> = values.iter().map(|v| tag(b't', v)).collect();
        assert_eq!(keys.len(), values.len());
        assert_ne!(tag(b't', "v"), tag(b'T', "v"));
    }

    #[test]
    fn tags_are_read_back_one_by_one_and_each_stands_once() {
        let long = "x".repeat(500);
        let hex = "0f".repeat(32);
        let tags = [
            (b't', "a"),
            (b'e', &*hex),
            (b't', "a"),
            (b'd', &*long),
            (b'd', ""),
        ];
        let mut bytes = Vec::new();
        write_tags(&mut bytes, tags.into_iter());
        let mut read: Vec<_> = TagKeys::new(&bytes).map(<[u8]>::to_vec).collect();
        read.sort();
        let mut expected = [
            tag(b't', "a"),
            tag(b'e', &hex),
            tag(b'd', &long),
            tag(b'd', ""),
        ];
        expected.sort();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_cut_tag_ends_the_list_instead_of_the_process() {
        let whole = tag(b't', "value");
        for length in 0..whole.len() {
            assert_eq!(TagKeys::new(&whole[..length]).count(), 0);
        }
    }

    #[test]
    fn an_address_counts_every_byte_of_d_and_only_where_d_counts() {
        let key = [7; 32];
        let long = "d".repeat(4000);
        assert_ne!(
            address(30_000, &key, &long),
            address(30_000, &key, &long[1..])
        );
        assert_ne!(address(30_000, &key, "a"), address(30_001, &key, "a"));
        assert_eq!(address(10_000, &key, "a"), address(10_000, &key, "b"));
    }

    #[test]
    fn ranks_sort_as_bytes_in_the_order_of_answers() {
        let rank = |created_at: u64, id, number| Rank {
            id,
            number,
            ..Rank::from_time(created_at)
        };
        let order = [
            rank(u64::MAX, 0, 9),
            rank(20, 1, 8),
            rank(20, 2, 3),
            rank(20, 2, 4),
            rank(19, 0, 1),
            rank(0, 0, 2),
        ];
        for pair in order.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].bytes() < pair[1].bytes());
        }
        for rank in order {
            let key = SmallKey::of(&[b"prefix"]).at(rank);
            assert_eq!(Rank::read(key.get()), Some(rank));
        }
        assert_eq!(Rank::read(b"short"), None);
    }
}
