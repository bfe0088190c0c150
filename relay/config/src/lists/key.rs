//! A public key, as it stands in a list. Lists of 100,000 of them are read, written and hashed whenever one changes: by
//! tables, and without a look at the curve.

use crate::hash::{self, DIGITS};
use nostr::key::PublicKey;
use std::fmt;

/// The value of each lower-case hex digit; of every other byte, none that a digit has.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        values[DIGITS[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

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

    /// 64 lower-case hex characters.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let hex: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut key = [0; 32];
        let mut seen = 0;
        for (byte, pair) in key.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
            seen |= high | low;
            *byte = high << 4 | low & 15;
        }
        (seen < 16).then_some(Self(key))
    }

    /// Appends 64 lower-case hex characters.
    pub(super) fn push_hex(&self, text: &mut String) {
        hash::push_hex(text, &self.0);
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
