//! On which terms somebody gets in: modes, logins, kinds and addresses. With the lists they are one thing, the *door*: one
//! hash covers all of it, so that it changes together or not at all.

use crate::{
    Hot,
    access::{self, Access, Addresses, Auth, Kinds, Mode, WriteBy},
};
use std::fmt::{Display, Write as _};

/// How the lists are meant.
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

    /// The section of a configuration that says the same, its lists in the eight files of this generation.
    pub fn access(self, generation: Option<String>) -> Access {
        Access {
            read: access::Read {
                mode: self.read,
                ..access::Read::default()
            },
            write: access::Write {
                mode: self.write,
                by: self.by,
                ..access::Write::default()
            },
            generation,
            ..Access::default()
        }
    }
}

/// Who gets in, apart from the lists themselves: what the hash covers beside the entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How the lists are meant.
    pub modes: Modes,
    /// When clients must say who they are.
    pub auth: Auth,
    /// Which kinds are taken.
    pub kinds: Kinds,
    /// From where clients may come.
    pub addresses: Addresses,
}

impl Terms {
    /// Those of a configuration.
    pub fn of(hot: &Hot) -> Self {
        Self {
            modes: Modes::of(&hot.access),
            auth: hot.auth.clone(),
            kinds: hot.access.kinds.clone(),
            addresses: hot.addresses.clone(),
        }
    }

    /// Writes them into a configuration whose lists stand in the eight files of this generation. What it says of its
    /// resource stays.
    pub fn put(self, hot: &mut Hot, generation: Option<String>) {
        hot.access = Access {
            kinds: self.kinds,
            resource_uid: hot.access.resource_uid.take(),
            ..self.modes.access(generation)
        };
        hot.auth = self.auth;
        hot.addresses = self.addresses;
    }

    /// As they are hashed: a line each, and no two terms alike.
    pub(super) fn text(&self) -> String {
        let Self {
            modes: Modes { read, write, by },
            auth: Auth { required },
            kinds,
            addresses,
        } = self;
        let mut text =
            format!("door 1\nread {read:?}\nwrite {write:?} by {by:?}\nauth {required:?}\n");
        push(&mut text, "kinds", (&kinds.allow, &kinds.deny));
        push(&mut text, "addresses", (&addresses.allow, &addresses.deny));
        text
    }
}

impl From<Modes> for Terms {
    fn from(modes: Modes) -> Self {
        Self {
            modes,
            ..Self::default()
        }
    }
}

fn push<T: Display>(text: &mut String, name: &str, (allow, deny): (&[T], &[T])) {
    for (word, ranges) in [("allow", allow), ("deny", deny)] {
        let _ = write!(text, "{name} {word}"); // a String takes every text
        for range in ranges {
            let _ = write!(text, " {range}");
        }
        text.push('\n');
    }
}
