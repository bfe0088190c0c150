//! What becomes of an event: the rules of replacement, deletion and vanishing (NIP-01, 09, 40, 59, 62), in their
//! order. Reads; writes nothing. What it decides becomes effects in the entry.

use super::{
    apply::Frames,
    effect::{Effect, Reason},
    entry::Entry,
    keys::{self, Rank, SmallKey},
    taking::{Taken, Taking},
    ticket::Outcome,
    view::{self, Index, View},
};
use crate::wire::{
    Address, Class, EventId, Verified,
    kind::{DELETION, GIFT_WRAPS, VANISH},
};
use heed::RoTxn;
use std::{collections::BTreeSet, ops::Bound};

/// Removals in one entry; a larger vanish is spread over entries before it.
pub(super) const REMOVALS: usize = 4096;

/// What was decided.
pub(super) enum Decision {
    /// Not stored.
    Refused(Outcome),
    /// It removes more than the group has room for: these removals come first, then it is decided anew.
    Part(Taken),
    /// Stored, with these effects; `before` are the effects of removal entries that come first in the group.
    Accepted {
        before: Vec<Vec<u8>>,
        effects: Vec<u8>,
        /// Does it take something out of the view?
        removes: bool,
        /// Bytes of text that it takes out.
        bytes: usize,
    },
}

/// What the rules look at.
pub(super) struct Look<'a> {
    /// The view.
    pub view: &'a View,
    /// The transaction of the group: it sees the tickets before this one.
    pub txn: &'a RoTxn<'a>,
    /// Stored entries by number.
    pub frames: &'a Frames<'a>,
}

/// Decides about one event. `room`: bytes of text that it may remove at once.
pub(super) fn decide(
    look: &Look<'_>,
    event: &Verified,
    vanish: bool,
    room: usize,
) -> heed::Result<Decision> {
    if look.stored(event.id().as_bytes())?.is_some() {
        return Ok(Decision::Refused(Outcome::Duplicate));
    }
    if let Some(refused) = look.forbidden(event)? {
        return Ok(Decision::Refused(refused));
    }
    let mut taking = Taking::new(room);
    if let Some(address) = keys::address_of(event) {
        match look.replace(event, &address)? {
            Replacement::Refused(outcome) => return Ok(Decision::Refused(outcome)),
            Replacement::Of(old) => {
                taking.remove(&old, Reason::Replaced);
            }
            Replacement::None => {}
        }
    }
    if event.kind() == DELETION {
        look.delete(event, &mut taking)?;
    } else if event.kind() == VANISH && vanish {
        look.vanish(event, &mut taking)?;
    }
    Ok(taking.decision())
}

enum Replacement<'a> {
    None,
    Of(Entry<'a>),
    Refused(Outcome),
}

fn recipients(event: &Verified) -> impl Iterator<Item = [u8; 32]> {
    let is_wrap = GIFT_WRAPS.contains(&event.kind());
    event
        .index_tags()
        .filter(move |(letter, _)| is_wrap && *letter == b'p')
        .filter_map(|(_, value)| EventId::from_hex(value))
        .map(|key| *key.as_bytes())
}

impl<'a> Look<'a> {
    /// The stored event with this id.
    pub fn stored(&self, id: &[u8; 32]) -> heed::Result<Option<Entry<'a>>> {
        let number = self.view.number(self.txn, Index::Ids, view::short(id))?;
        let entry = number.and_then(|number| self.frames.get(number));
        Ok(entry.filter(|entry| entry.id() == id))
    }

    fn forbidden(&self, event: &Verified) -> heed::Result<Option<Outcome>> {
        let (id, pubkey) = (event.id(), event.pubkey());
        let lasting = event.kind() == DELETION || event.kind() == VANISH;
        for tomb in self.tombs(id.as_bytes())? {
            let by_author = !lasting && tomb == *view::short(pubkey.as_bytes());
            let by_order = tomb == *view::short(&view::ORDERED);
            let by_recipient = || recipients(event).any(|key| tomb == *view::short(&key));
            if by_author || by_order || by_recipient() {
                return Ok(Some(Outcome::Deleted));
            }
        }
        for key in recipients(event).chain([*pubkey.as_bytes()]) {
            let upto = self.view.number(self.txn, Index::Vanished, &key)?;
            if upto.is_some_and(|upto| upto >= event.created_at()) {
                return Ok(Some(Outcome::Vanished));
            }
        }
        Ok(None)
    }

    /// By which keys this id may not come back: nearly always by none, and one look tells.
    fn tombs(&self, id: &[u8; 32]) -> heed::Result<Vec<[u8; 16]>> {
        let mut tombs = Vec::new();
        let range = (Bound::Included(&view::short(id)[..]), Bound::Unbounded);
        for item in self.view.db(Index::Tombs).range(self.txn, &range)? {
            let (key, _) = item?;
            match key.strip_prefix(view::short(id)).map(<[u8; 16]>::try_from) {
                Some(Ok(by)) => tombs.push(by),
                _ => break,
            }
        }
        Ok(tombs)
    }

    fn replace(&self, event: &Verified, address: &[u8; 16]) -> heed::Result<Replacement<'a>> {
        let upto = self.view.number(self.txn, Index::AddressTombs, address)?;
        if upto.is_some_and(|upto| upto >= event.created_at()) {
            return Ok(Replacement::Refused(Outcome::Deleted));
        }
        let Some(stored) = self.at_address(address)? else {
            return Ok(Replacement::None);
        };
        let (new, old) = (event.created_at(), stored.created_at());
        let loses = new < old || (new == old && event.id().as_bytes() > stored.id());
        Ok(if loses {
            Replacement::Refused(Outcome::Superseded)
        } else {
            Replacement::Of(stored)
        })
    }

    fn at_address(&self, address: &[u8; 16]) -> heed::Result<Option<Entry<'a>>> {
        let number = self.view.number(self.txn, Index::Address, address)?;
        Ok(number.and_then(|number| self.frames.get(number)))
    }

    fn delete(&self, event: &Verified, taking: &mut Taking) -> heed::Result<()> {
        let signer = event.pubkey();
        let signer = signer.as_bytes();
        let mut seen = BTreeSet::new();
        for (letter, value) in event.index_tags() {
            if taking.is_cut {
                break;
            }
            if !seen.insert((letter, value)) {
                continue;
            }
            match letter {
                b'e' => {
                    if let Some(id) = EventId::from_hex(value) {
                        self.delete_id(id.as_bytes(), signer, taking)?;
                    }
                }
                b'a' => self.delete_address(value, event, taking)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn delete_id(&self, id: &[u8; 32], signer: &[u8; 32], taking: &mut Taking) -> heed::Result<()> {
        let tombstone = Effect::Tombstone {
            id: *id,
            by: *signer,
        };
        let Some(stored) = self.stored(id)? else {
            taking.add(tombstone);
            return Ok(());
        };
        let lasting = stored.kind() == DELETION || stored.kind() == VANISH;
        let is_wrap = GIFT_WRAPS.contains(&stored.kind());
        let is_authors = stored.pubkey() == signer && !lasting;
        if is_authors || (is_wrap && stored.is_tagged(b'p', signer)) {
            taking.add(tombstone);
            taking.remove(&stored, Reason::Deleted);
        }
        Ok(())
    }

    fn delete_address(
        &self,
        value: &str,
        event: &Verified,
        taking: &mut Taking,
    ) -> heed::Result<()> {
        let Some(named) = Address::read(value).filter(|named| named.pubkey == event.pubkey())
        else {
            return Ok(());
        };
        if !matches!(
            Class::of(named.kind),
            Class::Replaceable | Class::Addressable
        ) {
            return Ok(());
        }
        let address = keys::address(named.kind, named.pubkey.as_bytes(), &named.d);
        taking.add(Effect::AddressTombstone {
            address,
            upto: event.created_at(),
        });
        let stored = self.at_address(&address)?;
        if let Some(old) = stored.filter(|old| old.created_at() <= event.created_at()) {
            taking.remove(&old, Reason::Deleted);
        }
        Ok(())
    }

    fn vanish(&self, event: &Verified, taking: &mut Taking) -> heed::Result<()> {
        let (pubkey, upto) = (event.pubkey(), event.created_at());
        let pubkey = pubkey.as_bytes();
        let mut gone = BTreeSet::new();
        let mut go = |entry: &Entry<'_>| {
            !gone.insert(entry.number()) || taking.remove(entry, Reason::Vanished)
        };
        let author = SmallKey::of(&[&view::author_prefix(pubkey)]);
        self.each(Index::Author, &author, upto, |entry| {
            entry.pubkey() != pubkey || go(entry)
        })?;
        let tag = keys::hex_tag(b'p', pubkey);
        let tag = SmallKey::of(&[&keys::wrap_prefix(&tag)]);
        self.each(Index::Tag, &tag, u64::MAX, |entry| {
            !entry.is_tagged(b'p', pubkey) || go(entry)
        })?;
        taking.add(Effect::Vanish {
            pubkey: *pubkey,
            upto,
        });
        Ok(())
    }

    /// Each entry under a prefix, until `f` has enough.
    fn each(
        &self,
        index: Index,
        prefix: &SmallKey,
        upto: u64,
        mut f: impl FnMut(&Entry<'_>) -> bool,
    ) -> heed::Result<()> {
        let start = prefix.at(Rank::from_time(upto));
        let range = (Bound::Included(start.get()), Bound::Unbounded);
        for item in self.view.db(index).range(self.txn, &range)? {
            let (key, _) = item?;
            if !key.starts_with(prefix.get()) {
                break;
            }
            let number = Rank::read(key).map(|rank| rank.number);
            let entry = number.and_then(|number| self.frames.get(number));
            if entry.is_some_and(|entry| !f(&entry)) {
                break;
            }
        }
        Ok(())
    }
}
