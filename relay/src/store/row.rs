//! A stored event as a reader meets it: bytes of the log, looked at where they lie.

use super::{entry::Entry, keys, ticket::Committed};
use crate::wire::{EventId, PublicKey};

/// One stored event. Lives only inside the callback that gets it.
#[derive(Clone, Copy)]
pub struct Row<'a>(pub(super) Entry<'a>);

impl<'a> Row<'a> {
    /// Its commit number.
    pub fn seq(&self) -> Committed {
        Committed(self.0.number())
    }

    /// Its id.
    pub fn id(&self) -> EventId {
        self.0.event_id()
    }

    /// Its author.
    pub fn pubkey(&self) -> PublicKey {
        self.0.public_key()
    }

    /// Its kind.
    pub fn kind(&self) -> u16 {
        self.0.kind()
    }

    /// When it was made, by its author.
    pub fn created_at(&self) -> u64 {
        self.0.created_at()
    }

    /// When it expires (NIP-40).
    pub fn expiration(&self) -> Option<u64> {
        self.0.expiration()
    }

    /// The JSON to serve, byte for byte.
    pub fn text(&self) -> &'a [u8] {
        self.0.text()
    }

    /// Does a `p` tag name this key? Asked for each row of a private kind.
    pub fn is_for(&self, key: &PublicKey) -> bool {
        self.0.is_tagged(b'p', key.as_bytes())
    }

    /// Does it carry this indexed tag? One ASCII letter, the first value only (NIP-01).
    pub fn tagged(&self, letter: u8, value: &str) -> bool {
        let mut key = Vec::with_capacity(2 + 32);
        keys::write_tag(&mut key, letter, value);
        self.0.tags().any(|tag| tag == key)
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("seq", &self.seq())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// The one visibility predicate under every read path. Asked on a read thread, before limits are counted.
pub trait Sight: Send + Sync {
    /// May the reader see this event?
    fn sees(&self, row: &Row<'_>) -> bool;
}

/// Sees everything: `export`, a stopped store, tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeesAll;

impl Sight for SeesAll {
    fn sees(&self, _row: &Row<'_>) -> bool {
        true
    }
}

/// What a slice ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more: ask for another slice.
    More,
    /// That was all.
    Done {
        /// Did a filter's limit hold back something that matches and may be seen? (NIP-67: `more`.) What [`Sight`] hides is as if it
        /// were not stored.
        cut: bool,
    },
}
