//! Event ids and public keys: 32 bytes, written as 64 lower-case hex characters (NIP-01).

use relay_config::hash::DIGITS;
pub(crate) use relay_config::hash::{hex_32, push_hex};
use std::fmt;

/// An event's id: the SHA-256 of its canonical form (NIP-01).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 32]);

/// An author: the x coordinate of a secp256k1 point (BIP-340). Whether it lies on the curve is seen when a signature is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl EventId {
    /// The id with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads exactly 64 lower-case hex characters; anything else is `None`.
    pub fn from_hex(hex: &str) -> Option<Self> {
        decode(hex).map(Self)
    }
}

impl PublicKey {
    /// The key with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads exactly 64 lower-case hex characters; anything else is `None`.
    pub fn from_hex(hex: &str) -> Option<Self> {
        decode(hex).map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

const NO_DIGIT: u8 = 0xff;

/// The value of each lower-case hex digit; every other byte is [`NO_DIGIT`].
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[DIGITS[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// Reads `2 * N` lower-case hex characters into `N` bytes.
pub(crate) fn decode<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let hex = hex.as_bytes();
    if hex.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        seen |= high | low;
        *byte = (high << 4) | (low & 0x0f);
    }
    (seen < 16).then_some(bytes)
}

/// Whether `value` is 64 lower-case hex characters, the form of an id or key in a tag.
pub(crate) fn is_hex_32(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|b| VALUES[usize::from(b)] != NO_DIGIT)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8; 32]) -> fmt::Result {
    let mut text = String::with_capacity(64);
    push_hex(&mut text, bytes);
    f.pad(&text)
}
