//! Event kinds that this relay has rules for, and how it keeps every other. Rules find the numbers here and nowhere else.

/// A deletion request (NIP-09).
pub const DELETION: u16 = 5;

/// Kinds whose content is another event: repost and generic repost (NIP-18).
pub const REPOSTS: [u16; 2] = [6, 16];

/// A request to vanish (NIP-62).
pub const VANISH: u16 = 62;

/// A message of an MLS group (MIP-03): signed by a fresh key each.
pub const MLS_GROUP: u16 = 445;

/// Gift wraps, stored and ephemeral (NIP-59): signed by throw-away keys, meant for those whom `p` names.
pub const GIFT_WRAPS: [u16; 2] = [1059, 21_059];

/// Kinds that are signed by a fresh key each. Their author says nothing: the session is judged. Of gift wraps the recipients
/// that `p` names may stand in for it, because only they ever see them; a group message is shown to everybody who may read, so
/// nobody else's name in it lets a stranger write.
pub const THROW_AWAY: [u16; 3] = [MLS_GROUP, GIFT_WRAPS[0], GIFT_WRAPS[1]];

/// AUTH events: they belong into AUTH messages, are never stored and never passed on (NIP-42).
pub const AUTH: u16 = 22_242;

/// How a relay keeps an event, by its kind (NIP-01, "Kinds").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// All are kept.
    Regular,
    /// The newest of (pubkey, kind) is kept.
    Replaceable,
    /// None is kept.
    Ephemeral,
    /// The newest of (pubkey, kind, d) is kept.
    Addressable,
}

impl Class {
    /// The class of `kind`. Undefined ranges are regular.
    pub const fn of(kind: u16) -> Self {
        match kind {
            0 | 3 | 10_000..=19_999 => Self::Replaceable,
            20_000..=29_999 => Self::Ephemeral,
            30_000..=39_999 => Self::Addressable,
            _ => Self::Regular,
        }
    }
}
