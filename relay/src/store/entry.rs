//! One log entry as bytes: frame, packed header, index keys, effects, text.
//!
//! Everything that `apply` needs stands in the entry, so a replay reads no JSON, no clock and no configuration.
//! The layout (little-endian, frames start at multiples of eight):
//!
//! ```text
//!   0 length u32 (without padding)   4 crc32c u32 (seeded with the segment's id; over length and 8..length)
//!   8 number u64                    16 number of the group's first entry u64
//!  24 form u8   25 flags u8   26 kind u16   28 length of keys u32   32 length of effects u32   36 length of text u32
//!  40 created_at u64   48 expiration u64 (MAX: none)   56 written at u64   64 id [32]   96 pubkey [32]
//! 128 address [16] (zero: none)   144 index keys, effects, text
//! ```

use super::{
    effect::Effects,
    keys::{self, TagKeys},
};
use crate::wire::{EventId, PublicKey, Verified};

/// Bytes before the index keys.
pub(super) const HEAD: usize = 144;
/// Frames start at multiples of this.
pub(super) const ALIGN: usize = 8;
/// Set on the last frame of a group: a group without it is torn.
const LAST_OF_GROUP: u8 = 1;
const NO_EXPIRATION: u64 = u64::MAX;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// An event with its text.
    Event,
    /// Removals by sweep, retention, ban or order; also the overflow of a large vanish.
    Removal,
    /// What compaction leaves of a dead event whose effects still count.
    Husk,
}

/// Where an entry stands and when it was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// Its own number.
    pub number: u64,
    /// The first number of its group.
    pub group: u64,
    /// Unix seconds at the writer.
    pub written: u64,
}

/// A whole entry inside mapped or buffered bytes. Its lengths are checked, its checksum is not.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    head: &'a [u8; HEAD],
    rest: &'a [u8],
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

impl<'a> Entry<'a> {
    /// Reads the frame at the start of `bytes`; `None` if its lengths do not fit together.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let length = u32_at(head, 0) as usize;
        let parts = [28, 32, 36].map(|at| u32_at(head, at) as usize);
        let sum = parts
            .iter()
            .try_fold(HEAD, |sum: usize, part| sum.checked_add(*part))?;
        if sum != length || !matches!(head[24], 1..=3) {
            return None;
        }
        Some(Self {
            head,
            rest: rest.get(..length - HEAD)?,
        })
    }

    /// Reads the frame and its checksum, for a scan, a rebuild, compaction and the scrub.
    pub fn read_checked(bytes: &'a [u8], segment: u32) -> Option<Self> {
        let entry = Self::read(bytes)?;
        let sum = checksum(segment, bytes.get(..entry.len())?);
        (sum == u32_at(entry.head, 4)).then_some(entry)
    }

    /// Bytes without padding.
    pub fn len(&self) -> usize {
        HEAD + self.rest.len()
    }

    /// Bytes with padding.
    pub fn padded(&self) -> usize {
        self.len().next_multiple_of(ALIGN)
    }

    /// Appends the frame as it is, padded. Its checksum is another segment's.
    pub fn copy(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(self.head);
        out.extend_from_slice(self.rest);
        out.resize(start + self.padded(), 0);
    }

    pub fn number(&self) -> u64 {
        u64_at(self.head, 8)
    }

    pub fn group(&self) -> u64 {
        u64_at(self.head, 16)
    }

    pub fn form(&self) -> Form {
        match self.head[24] {
            1 => Form::Event,
            2 => Form::Removal,
            _ => Form::Husk,
        }
    }

    pub fn is_last_of_group(&self) -> bool {
        self.head[25] & LAST_OF_GROUP != 0
    }

    pub fn kind(&self) -> u16 {
        u16::from_le_bytes([self.head[26], self.head[27]])
    }

    pub fn created_at(&self) -> u64 {
        u64_at(self.head, 40)
    }

    pub fn expiration(&self) -> Option<u64> {
        Some(u64_at(self.head, 48)).filter(|at| *at != NO_EXPIRATION)
    }

    pub fn written(&self) -> u64 {
        u64_at(self.head, 56)
    }

    fn bytes32(&self, at: usize) -> &'a [u8; 32] {
        self.head[at..]
            .first_chunk()
            .expect("the header holds 32 bytes here")
    }

    pub fn id(&self) -> &'a [u8; 32] {
        self.bytes32(64)
    }

    pub fn pubkey(&self) -> &'a [u8; 32] {
        self.bytes32(96)
    }

    pub fn event_id(&self) -> EventId {
        EventId::new(*self.id())
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(*self.pubkey())
    }

    /// The hash of its address, if the event is replaceable or addressable.
    pub fn address(&self) -> Option<&'a [u8; 16]> {
        let address = self.head[128..]
            .first_chunk()
            .expect("the header holds 16 bytes here");
        (address != &[0; 16]).then_some(address)
    }

    fn part(&self, skip: usize, at: usize) -> &'a [u8] {
        let length = u32_at(self.head, at) as usize;
        self.rest.get(skip..skip + length).unwrap_or_default()
    }

    fn keys_len(&self) -> usize {
        u32_at(self.head, 28) as usize
    }

    /// The indexed tags.
    pub fn tags(&self) -> TagKeys<'a> {
        TagKeys::new(self.part(0, 28))
    }

    /// Does a tag of this letter name this id or public key? Asked per row: nothing is allocated.
    pub fn is_tagged(&self, letter: u8, key: &[u8; 32]) -> bool {
        let key = keys::hex_tag(letter, key);
        self.tags().any(|tag| tag == key)
    }

    /// The bytes of the effects.
    pub fn effect_bytes(&self) -> &'a [u8] {
        self.part(self.keys_len(), 32)
    }

    /// What the entry does to others.
    pub fn effects(&self) -> Effects<'a> {
        Effects::new(self.effect_bytes())
    }

    /// The event's own bytes.
    pub fn text(&self) -> &'a [u8] {
        self.part(self.keys_len() + u32_at(self.head, 32) as usize, 36)
    }
}

/// Appends an event's frame, without checksum, padded.
pub(super) fn write_event(out: &mut Vec<u8>, stamp: Stamp, event: &Verified, effects: &[u8]) {
    let start = begin(out, Form::Event, stamp);
    out[start + 26..start + 28].copy_from_slice(&event.kind().to_le_bytes());
    out[start + 40..start + 48].copy_from_slice(&event.created_at().to_le_bytes());
    let expiration = event.expiration().unwrap_or(NO_EXPIRATION);
    out[start + 48..start + 56].copy_from_slice(&expiration.to_le_bytes());
    out[start + 64..start + 96].copy_from_slice(event.id().as_bytes());
    out[start + 96..start + 128].copy_from_slice(event.pubkey().as_bytes());
    if let Some(address) = super::keys::address_of(event) {
        out[start + 128..start + 144].copy_from_slice(&address);
    }
    super::keys::write_tags(out, event.index_tags());
    let parts = Parts {
        keys: out.len() - start - HEAD,
        effects,
        text: event.text(),
    };
    finish(out, start, parts);
}

/// Appends a removal's frame.
pub(super) fn write_removal(out: &mut Vec<u8>, stamp: Stamp, effects: &[u8]) {
    let start = begin(out, Form::Removal, stamp);
    finish(out, start, Parts::effects(effects));
}

/// Appends what compaction leaves of a dead entry: number, key and effects, no text, no tags.
pub(super) fn write_husk(out: &mut Vec<u8>, dead: &Entry<'_>, effects: &[u8]) {
    let start = out.len();
    out.extend_from_slice(dead.head);
    out[start + 24] = match dead.form() {
        Form::Removal => Form::Removal as u8 + 1,
        Form::Event | Form::Husk => Form::Husk as u8 + 1,
    };
    finish(out, start, Parts::effects(effects));
}

fn begin(out: &mut Vec<u8>, form: Form, stamp: Stamp) -> usize {
    let start = out.len();
    out.resize(start + HEAD, 0);
    out[start + 8..start + 16].copy_from_slice(&stamp.number.to_le_bytes());
    out[start + 16..start + 24].copy_from_slice(&stamp.group.to_le_bytes());
    out[start + 24] = form as u8 + 1;
    out[start + 48..start + 56].copy_from_slice(&NO_EXPIRATION.to_le_bytes());
    out[start + 56..start + 64].copy_from_slice(&stamp.written.to_le_bytes());
    start
}

/// What follows a head: so many bytes of keys, which stand there already, then effects and text.
#[derive(Clone, Copy)]
struct Parts<'a> {
    keys: usize,
    effects: &'a [u8],
    text: &'a [u8],
}

impl<'a> Parts<'a> {
    fn effects(effects: &'a [u8]) -> Self {
        Self {
            keys: 0,
            effects,
            text: &[],
        }
    }
}

fn finish(out: &mut Vec<u8>, start: usize, parts: Parts<'_>) {
    out.extend_from_slice(parts.effects);
    out.extend_from_slice(parts.text);
    let length = out.len() - start;
    for (at, value) in [
        (0, length),
        (28, parts.keys),
        (32, parts.effects.len()),
        (36, parts.text.len()),
    ] {
        out[start + at..start + at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
    out.resize((start + length).next_multiple_of(ALIGN), 0);
}

/// Marks the frame at `start` as its group's last.
pub(super) fn mark_last(out: &mut [u8], start: usize) {
    out[start + 25] |= LAST_OF_GROUP;
}

/// Writes the checksum of the frame at the start of `frame` for the segment that it goes into.
pub(super) fn seal(frame: &mut [u8], segment: u32) {
    let length = u32_at(frame, 0) as usize;
    let sum = checksum(segment, &frame[..length]);
    frame[4..8].copy_from_slice(&sum.to_le_bytes());
}

fn checksum(segment: u32, frame: &[u8]) -> u32 {
    let seeded = crc32c::crc32c_append(segment, &frame[..4]);
    crc32c::crc32c_append(seeded, &frame[8..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::effect::{Effect, Reason};

    const STAMP: Stamp = Stamp {
        number: 7,
        group: 5,
        written: 99,
    };

    fn removal(effects: &[Effect]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for effect in effects {
            effect.write(&mut bytes);
        }
        let mut frame = Vec::new();
        write_removal(&mut frame, STAMP, &bytes);
        frame
    }

    #[test]
    fn effects_are_read_as_they_were_written() {
        let effects = [
            Effect::Remove(3, Reason::Vanished),
            Effect::Tombstone {
                id: [1; 32],
                by: [2; 32],
            },
            Effect::AddressTombstone {
                address: [3; 16],
                upto: u64::MAX,
            },
            Effect::Vanish {
                pubkey: [4; 32],
                upto: 5,
            },
            Effect::Remove(u64::MAX, Reason::Outdated),
        ];
        let frame = removal(&effects);
        let entry = Entry::read(&frame).expect("whole");
        assert!(entry.effects().eq(effects));
        assert_eq!((entry.number(), entry.group(), entry.written()), (7, 5, 99));
        assert_eq!((entry.form(), entry.expiration()), (Form::Removal, None));
    }

    #[test]
    fn a_frame_counts_only_whole_and_only_in_its_own_segment() {
        let mut frame = removal(&[Effect::Remove(3, Reason::Deleted)]);
        mark_last(&mut frame, 0);
        seal(&mut frame, 42);
        let entry = Entry::read_checked(&frame, 42).expect("whole");
        assert!(entry.is_last_of_group());
        assert!(Entry::read_checked(&frame, 43).is_none());
        let length = entry.len();
        for bit in 0..length * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Entry::read_checked(&flipped, 42).is_none(), "bit {bit}");
        }
        for cut in 0..length {
            assert!(Entry::read(&frame[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn a_husk_keeps_number_and_effects_and_nothing_else() {
        let effect = Effect::Vanish {
            pubkey: [9; 32],
            upto: 1,
        };
        let frame = removal(&[effect, Effect::Remove(1, Reason::Vanished)]);
        let entry = Entry::read(&frame).expect("whole");
        let mut kept = Vec::new();
        effect.write(&mut kept);
        let mut husk = Vec::new();
        write_husk(&mut husk, &entry, &kept);
        let husk = Entry::read(&husk).expect("whole");
        assert!(husk.effects().eq([effect]));
        assert_eq!((husk.number(), husk.text()), (7, &[][..]));
    }
}
