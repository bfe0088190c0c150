//! The address of a replaceable or addressable event: `kind:pubkey:d` (NIP-01, the value of `a` tags).

use super::id::PublicKey;
use std::fmt;

/// What all versions of a replaceable or addressable event share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The kind.
    pub kind: u16,
    /// The author.
    pub pubkey: PublicKey,
    /// The `d` value; "" for replaceable events.
    pub d: Box<str>,
}

impl Address {
    /// Reads `kind:pubkey:d`. Everything after the second colon is `d`, further colons included: a reader that cuts there deletes
    /// somebody's other article. Kinds without an address are read too; the caller asks what it may do with them.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let kind = read_kind(parts.next()?)?;
        let pubkey = PublicKey::from_hex(parts.next()?)?;
        let d = parts.next()?.into();
        Some(Self { kind, pubkey, d })
    }
}

fn read_kind(digits: &str) -> Option<u16> {
    let in_form =
        digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    in_form.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.pubkey, self.d)
    }
}
