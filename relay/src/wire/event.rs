//! An event that was read strictly (NIP-01). Its id and signature are not checked here: see [`Verified`](super::Verified).

use super::{
    address::Address,
    canonical::{Signed, Spans},
    id::{EventId, PublicKey, is_hex_32},
    kind::Class,
    read,
    tags::{Tag, Tags},
    verdict::Verdict,
};
use bytes::Bytes;

/// A strictly read event.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) id: EventId,
    pub(super) pubkey: PublicKey,
    pub(super) created_at: u64,
    pub(super) kind: u16,
    pub(super) tags: Tags,
    pub(super) content: String,
    pub(super) sig: [u8; 64],
    pub(super) text: Bytes,
    pub(super) spans: Spans,
}

/// Why a text is not an event, and the id to answer with if one could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The text's `id` where it is 64 hex characters: OK goes to it. Else a NOTICE must do.
    pub id: Option<EventId>,
    /// What is wrong.
    pub verdict: Verdict,
}

impl Event {
    /// Reads one event: a JSON object with each of the seven fields exactly once, in the form that NIP-01 gives them.
    /// Unknown fields are dropped; white space around the object is ignored.
    ///
    /// # Errors
    /// [`Unreadable`] with an `invalid:` verdict that names the field.
    pub fn read(json: &str) -> Result<Self, Unreadable> {
        read::event(json).map_err(|verdict| Unreadable {
            id: read::find_id(json),
            verdict,
        })
    }

    /// The id that the event claims.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The author that the event claims.
    pub fn pubkey(&self) -> PublicKey {
        self.pubkey
    }

    /// Seconds since 1970, at most 2^63 - 1.
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    /// The kind.
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// The content, decoded.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The tags, decoded.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// The signature.
    pub fn sig(&self) -> &[u8; 64] {
        &self.sig
    }

    /// What is stored and served: the client's own bytes if they hold exactly the seven fields, no white space between tokens and
    /// only canonical escapes; otherwise one serialisation.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// How a relay keeps this event.
    pub fn class(&self) -> Class {
        Class::of(self.kind)
    }

    /// The first `d` tag's value; "" if there is none (NIP-01).
    pub fn d(&self) -> &str {
        self.tags.first("d").and_then(|d| d.value()).unwrap_or("")
    }

    /// What a newer version would share: only replaceable (d = "") and addressable events have one.
    pub fn address(&self) -> Option<Address> {
        let d = match self.class() {
            Class::Replaceable => "",
            Class::Addressable => self.d(),
            Class::Regular | Class::Ephemeral => return None,
        };
        Some(Address {
            kind: self.kind,
            pubkey: self.pubkey,
            d: d.into(),
        })
    }

    /// When the event expires (NIP-40): the first `expiration` tag, in decimal; an unreadable one does not count.
    pub fn expiration(&self) -> Option<u64> {
        let value = self.tags.first("expiration")?.value()?;
        let in_form = value.bytes().all(|b| b.is_ascii_digit());
        in_form.then(|| value.parse().ok()).flatten()
    }

    /// Whether only its author may publish it (NIP-70, `["-"]`).
    pub fn is_protected(&self) -> bool {
        self.tags.first("-").is_some()
    }

    /// What `#x` filters find (NIP-01): tags named by one ASCII letter and their first value. Values of `e` and `p` that are not
    /// 64 lower-case hex characters are left out; the event is still welcome.
    pub fn index_tags(&self) -> impl Iterator<Item = (u8, &str)> {
        self.tags.iter().filter_map(|tag| indexed(&tag))
    }

    /// The hash of the canonical form, which the id must equal.
    pub(super) fn hash(&self) -> EventId {
        Signed {
            pubkey: &self.pubkey,
            created_at: self.created_at,
            kind: self.kind,
            tags: &self.text[self.spans.tags.clone()],
            content: &self.text[self.spans.content.clone()],
        }
        .hash()
    }
}

fn indexed<'a>(tag: &Tag<'a>) -> Option<(u8, &'a str)> {
    let &[letter] = tag.name().as_bytes() else {
        return None;
    };
    let value = tag.value()?;
    let findable = match letter {
        b'e' | b'p' => is_hex_32(value),
        _ => letter.is_ascii_alphabetic(),
    };
    findable.then_some((letter, value))
}
