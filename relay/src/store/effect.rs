//! What an entry does besides being there: removals, tombstones, vanishings. Decided once by the writer, spelled in the
//! entry, applied the same way ever after.

use super::ticket::Removal;

/// Why something left the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A newer version came.
    Replaced,
    /// Deleted by author or recipient.
    Deleted,
    /// Its author or recipient vanished.
    Vanished,
    /// By the operator, for good.
    Ordered,
    /// Expired or past its retention.
    Outdated,
}

impl Reason {
    /// Must the text be gone within `eraseWithin`?
    pub fn erases(self) -> bool {
        self != Self::Replaced
    }

    fn read(byte: u8) -> Option<Self> {
        [
            Self::Replaced,
            Self::Deleted,
            Self::Vanished,
            Self::Ordered,
            Self::Outdated,
        ]
        .get(usize::from(byte))
        .copied()
    }
}

impl From<Removal> for Reason {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Ordered => Self::Ordered,
            Removal::Outdated => Self::Outdated,
        }
    }
}

/// What an entry does besides being there. Decided once by the writer, applied the same way ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The entry of this number leaves the view.
    Remove(u64, Reason),
    /// This id may not come back from this key: its author, or the recipient of a wrap (NIP-09, NIP-59).
    Tombstone { id: [u8; 32], by: [u8; 32] },
    /// Versions of this address up to this time may not come back (NIP-09).
    AddressTombstone { address: [u8; 16], upto: u64 },
    /// Events of this key, and wraps to it, up to this time may not come back (NIP-62).
    Vanish { pubkey: [u8; 32], upto: u64 },
}

impl Effect {
    /// Appends the effect's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Remove(number, reason) => {
                out.extend_from_slice(&[1, *reason as u8]);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Tombstone { id, by } => {
                out.push(2);
                out.extend_from_slice(id);
                out.extend_from_slice(by);
            }
            Self::AddressTombstone { address, upto } => {
                out.push(3);
                out.extend_from_slice(address);
                out.extend_from_slice(&upto.to_le_bytes());
            }
            Self::Vanish { pubkey, upto } => {
                out.push(4);
                out.extend_from_slice(pubkey);
                out.extend_from_slice(&upto.to_le_bytes());
            }
        }
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (form, rest) = bytes.split_first()?;
        match form {
            1 => {
                let (reason, rest) = rest.split_first()?;
                let (number, rest) = rest.split_first_chunk()?;
                let effect = Self::Remove(u64::from_le_bytes(*number), Reason::read(*reason)?);
                Some((effect, rest))
            }
            2 => {
                let (id, rest) = rest.split_first_chunk()?;
                let (by, rest) = rest.split_first_chunk()?;
                Some((Self::Tombstone { id: *id, by: *by }, rest))
            }
            3 => {
                let (address, rest) = rest.split_first_chunk()?;
                let (upto, rest) = rest.split_first_chunk()?;
                let (address, upto) = (*address, u64::from_le_bytes(*upto));
                Some((Self::AddressTombstone { address, upto }, rest))
            }
            4 => {
                let (pubkey, rest) = rest.split_first_chunk()?;
                let (upto, rest) = rest.split_first_chunk()?;
                let (pubkey, upto) = (*pubkey, u64::from_le_bytes(*upto));
                Some((Self::Vanish { pubkey, upto }, rest))
            }
            _ => None,
        }
    }
}

/// Reads effects one by one.
pub(super) struct Effects<'a>(&'a [u8]);

impl<'a> Effects<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

/// The bytes of some effects.
pub(super) fn write(effects: &[Effect]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for effect in effects {
        effect.write(&mut bytes);
    }
    bytes
}

impl Iterator for Effects<'_> {
    type Item = Effect;

    fn next(&mut self) -> Option<Effect> {
        let (effect, rest) = Effect::read(self.0)?;
        self.0 = rest;
        Some(effect)
    }
}
