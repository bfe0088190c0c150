//! Who gets in: the lists and the terms on which they are asked, compiled for look-ups (`hot.access`, docs/configuration.md).
//!
//! [`Rules`] are built once per swap and never changed: a judgement is a few look-ups in one table. They hold all that says
//! who gets in, also `auth`, kinds and addresses, so that no judgement mixes two configurations. Ban comes before every list,
//! and whoever signs with throw-away keys is judged by what else is known of it. Nothing here reads a file.

use super::private;
use crate::wire::{Event, PublicKey, Verdict, kind::THROW_AWAY};
use relay_config::{
    Lists,
    access::{Mode, Required, WriteBy},
    lists::{Entry, List, Terms},
};
use std::collections::HashMap;

const DAY: u64 = 86_400;

/// Terms and lists in force.
#[derive(Clone, Debug)]
pub struct Rules {
    terms: Terms,
    generation: String,
    entries: u64,
    shut: bool,
    listed: HashMap<[u8; 32], Standing>,
    /// Days at whose beginning an entry ends, sorted.
    ends: Vec<u32>,
}

/// In which lists a key is, and how long.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    banned: Until,
    read: Until,
    write: Until,
}

/// Days since 1970: listed before that day begins. 0: never listed.
#[derive(Clone, Copy, Debug, Default)]
struct Until(u32);

impl Until {
    const FOREVER: Self = Self(u32::MAX);

    fn of(entry: &Entry) -> Self {
        entry.until.map_or(Self::FOREVER, |day| {
            Self((day.begins() / DAY) as u32) // years have four digits: it fits
        })
    }

    fn holds(self, now: u64) -> bool {
        now / DAY < u64::from(self.0)
    }
}

/// Whose keys count when an event is judged.
struct Judged<'a> {
    author: Option<PublicKey>,
    session: Option<&'a [PublicKey]>,
    /// The event whose recipients may stand in for its author.
    wrap: Option<&'a Event>,
}

impl<'a> Judged<'a> {
    fn new(event: &'a Event, keys: &'a [PublicKey], by: WriteBy) -> Self {
        let thrown_away = THROW_AWAY.contains(&event.kind());
        let author = !thrown_away && by != WriteBy::Session;
        let session = thrown_away || by != WriteBy::Author;
        Self {
            author: author.then(|| event.pubkey()),
            session: session.then_some(keys),
            wrap: private::is_private(event.kind()).then_some(event),
        }
    }

    /// Author and proved keys, as far as they count.
    fn keys(&self) -> impl Iterator<Item = PublicKey> {
        let session = self.session.unwrap_or_default().iter().copied();
        self.author.into_iter().chain(session)
    }

    fn recipients(&self) -> impl Iterator<Item = PublicKey> {
        let tags = self.wrap.into_iter().flat_map(|event| event.tags().iter());
        tags.filter(|tag| tag.name() == "p")
            .filter_map(|tag| PublicKey::from_hex(tag.value()?))
    }

    /// A client that proves a key could be judged otherwise.
    fn is_unknown(&self) -> bool {
        self.session.is_some_and(<[_]>::is_empty)
    }
}

impl Rules {
    /// Everybody may read and write.
    pub fn open() -> Self {
        Self::new(&Lists::default())
    }

    /// Nobody may, because no list is known yet.
    pub fn shut() -> Self {
        Self {
            generation: String::new(),
            shut: true,
            ..Self::open()
        }
    }

    /// Compiles terms and lists.
    pub fn new(lists: &Lists) -> Self {
        let of_one_key = |one: &Entry, next: &Entry| one.key == next.key;
        let keys = lists.entries().chunk_by(of_one_key);
        let mut listed = HashMap::with_capacity(keys.clone().count());
        listed.extend(keys.map(|entries| (entries[0].key.0, Standing::of(entries))));
        let days = lists.entries().iter().filter(|entry| entry.until.is_some());
        let mut ends: Vec<u32> = days.map(|entry| Until::of(entry).0).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.shrink_to_fit();
        Self {
            terms: lists.terms().clone(),
            generation: lists.generation(),
            entries: lists.entries().len() as u64,
            shut: false,
            listed,
            ends,
        }
    }

    /// SHA-256 of terms and lists in hex ([`Lists::generation`]); empty while shut.
    pub fn generation(&self) -> &str {
        &self.generation
    }

    /// Entries of all lists together.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// On which terms somebody gets in.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Is no list known yet?
    pub fn is_shut(&self) -> bool {
        self.shut
    }

    /// May a client read that proved `keys` (NIP-42)? `now` in seconds since 1970.
    ///
    /// # Errors
    /// `auth-required:` when a key could open, `restricted:` when none of the proved keys is listed, `blocked:` when one
    /// is banned or denied.
    pub fn may_read(&self, keys: &[PublicKey], now: u64) -> Result<(), Verdict> {
        self.arrived()?;
        if keys.is_empty() && matches!(self.required(), Required::Read | Required::Always) {
            return Err(Verdict::auth_required("prove your key to read here"));
        }
        self.not_banned(keys.iter().copied(), now)?;
        let listed = |key: &PublicKey| self.of(*key).read.holds(now);
        match self.terms.modes.read {
            Mode::Open => Ok(()),
            _ if keys.is_empty() => Err(Verdict::auth_required("prove your key to read here")),
            Mode::Allow if keys.iter().any(listed) => Ok(()),
            Mode::Allow => Err(Verdict::restricted("only listed keys may read here")),
            Mode::Deny if keys.iter().any(listed) => {
                Err(Verdict::blocked("this key may not read here"))
            }
            Mode::Deny => Ok(()),
        }
    }

    /// May a client that proved `keys` write at all, whatever it writes?
    ///
    /// # Errors
    /// `auth-required:` when it must prove a key before.
    pub fn may_speak(&self, keys: &[PublicKey]) -> Result<(), Verdict> {
        if keys.is_empty() && matches!(self.required(), Required::Write | Required::Always) {
            return Err(Verdict::auth_required("prove your key to write here"));
        }
        Ok(())
    }

    /// May a client that proved `keys` publish `event`? `now` in seconds since 1970. A request to vanish from here is
    /// everybody's right (NIP-62): whoever knows our URL does not ask.
    ///
    /// # Errors
    /// As [`Rules::may_read`].
    pub fn may_write(&self, event: &Event, keys: &[PublicKey], now: u64) -> Result<(), Verdict> {
        self.arrived()?;
        let who = std::iter::once(event.pubkey()).chain(keys.iter().copied());
        self.not_banned(who, now)?;
        let judged = Judged::new(event, keys, self.terms.modes.by);
        match self.terms.modes.write {
            Mode::Open => Ok(()),
            Mode::Allow => self.is_allowed(&judged, now),
            Mode::Deny => self.is_not_denied(&judged, now),
        }
    }

    /// The next moment at which an entry's date passes, in seconds since 1970.
    pub fn next_change(&self, now: u64) -> Option<u64> {
        let begins = |day: &u32| u64::from(*day) * DAY;
        let passed = self.ends.partition_point(|day| begins(day) <= now);
        self.ends.get(passed).map(begins)
    }

    /// One key that counts and is listed suffices.
    fn is_allowed(&self, judged: &Judged, now: u64) -> Result<(), Verdict> {
        let listed = |key| self.of(key).write.holds(now);
        let wanted = |key| listed(key) && !self.of(key).banned.holds(now);
        if judged.keys().any(listed) || judged.recipients().any(wanted) {
            return Ok(());
        }
        if judged.is_unknown() {
            return Err(Verdict::auth_required("prove a listed key to write here"));
        }
        Err(Verdict::restricted("only listed keys may write here"))
    }

    /// No key that counts is listed, and one is known: the author, a proved one, or else the recipients', all of them: a
    /// made-up one beside a denied one is easily named.
    fn is_not_denied(&self, judged: &Judged, now: u64) -> Result<(), Verdict> {
        let listed = |key| self.of(key).write.holds(now);
        let wanted = |key| !listed(key) && !self.of(key).banned.holds(now);
        if judged.keys().any(listed) {
            return Err(Verdict::blocked("this key may not write here"));
        }
        let mut recipients = judged.recipients().map(wanted).peekable();
        let welcome = recipients.peek().is_some() && recipients.all(|wanted| wanted);
        if judged.keys().next().is_some() || welcome {
            return Ok(());
        }
        Err(Verdict::auth_required("prove your key to write this here"))
    }

    fn required(&self) -> Required {
        self.terms.auth.required
    }

    fn arrived(&self) -> Result<(), Verdict> {
        if self.shut {
            return Err(Verdict::restricted("the allowlist has not arrived yet"));
        }
        Ok(())
    }

    fn not_banned(
        &self,
        mut keys: impl Iterator<Item = PublicKey>,
        now: u64,
    ) -> Result<(), Verdict> {
        if keys.any(|key| self.of(key).banned.holds(now)) {
            return Err(Verdict::blocked("this key is banned here"));
        }
        Ok(())
    }

    fn of(&self, key: PublicKey) -> Standing {
        let standing = self.listed.get(key.as_bytes());
        standing.copied().unwrap_or_default()
    }
}

impl Standing {
    /// What the entries of one key say.
    fn of(entries: &[Entry]) -> Self {
        let mut standing = Self::default();
        for entry in entries {
            let until = Until::of(entry);
            match entry.list {
                List::Banned => standing.banned = until,
                List::Read => standing.read = until,
                List::Write => standing.write = until,
            }
        }
        standing
    }
}

#[cfg(test)]
mod tests;
