//! Reads an event's text in one pass: decodes it, and notes whether the text itself can be kept.

use super::{
    canonical::{Signed, Spans, event_text, push_string, push_tags},
    event::Event,
    id::{EventId, PublicKey, decode},
    json::Cursor,
    tags::Tags,
    verdict::Verdict,
};
use bytes::Bytes;
use std::{collections::BTreeSet, ops::Range};

/// Largest `created_at`: what fits a signed 64-bit integer, as databases and other languages keep it.
const MAX_CREATED_AT: u64 = i64::MAX as u64;

/// Longest text that is looked at; far above what any relay admits, and positions fit 32 bits.
const MAX_BYTES: usize = 1 << 30;

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reads the event in `json`.
pub(super) fn event(json: &str) -> Result<Event, Verdict> {
    let text = json.trim_matches(SPACE);
    if text.len() > MAX_BYTES {
        return Err(Verdict::invalid("the event is too large"));
    }
    let mut cursor = Cursor::new(text);
    let mut fields = Fields::default();
    if cursor.peek() != Some(b'{') {
        return Err(Verdict::invalid("an event is a JSON object"));
    }
    cursor.object(|cursor, key| fields.member(cursor, &key))?;
    cursor.end()?;
    fields.complete(text, cursor.is_plain())
}

/// The fields met so far.
#[derive(Default)]
struct Fields {
    id: Option<EventId>,
    pubkey: Option<PublicKey>,
    created_at: Option<u64>,
    kind: Option<u16>,
    tags: Option<Tags>,
    content: Option<String>,
    sig: Option<[u8; 64]>,
    spans: Spans,
    unknown: BTreeSet<String>,
}

impl Fields {
    fn member(&mut self, cursor: &mut Cursor<'_>, key: &str) -> Result<(), Verdict> {
        match key {
            "id" => once(&mut self.id, "id is given twice", || id(cursor)),
            "pubkey" => once(&mut self.pubkey, "pubkey is given twice", || pubkey(cursor)),
            "created_at" => once(&mut self.created_at, "created_at is given twice", || {
                created_at(cursor)
            }),
            "kind" => once(&mut self.kind, "kind is given twice", || kind(cursor)),
            "tags" => once(&mut self.tags, "tags are given twice", || {
                spanned(cursor, &mut self.spans.tags, tags)
            }),
            "content" => once(&mut self.content, "content is given twice", || {
                spanned(cursor, &mut self.spans.content, content)
            }),
            "sig" => once(&mut self.sig, "sig is given twice", || sig(cursor)),
            unknown => {
                cursor.not_plain();
                if !self.unknown.insert(unknown.to_owned()) {
                    return Err(Verdict::invalid("a field is given twice"));
                }
                cursor.skip_value()
            }
        }
    }

    fn complete(self, text: &str, plain: bool) -> Result<Event, Verdict> {
        let mut event = Event {
            id: self.id.ok_or_else(|| Verdict::invalid("id is missing"))?,
            pubkey: self
                .pubkey
                .ok_or_else(|| Verdict::invalid("pubkey is missing"))?,
            created_at: self
                .created_at
                .ok_or_else(|| Verdict::invalid("created_at is missing"))?,
            kind: self
                .kind
                .ok_or_else(|| Verdict::invalid("kind is missing"))?,
            tags: self
                .tags
                .ok_or_else(|| Verdict::invalid("tags are missing"))?,
            content: self
                .content
                .ok_or_else(|| Verdict::invalid("content is missing"))?,
            sig: self.sig.ok_or_else(|| Verdict::invalid("sig is missing"))?,
            text: Bytes::new(),
            spans: self.spans,
        };
        if plain {
            event.text = Bytes::copy_from_slice(text.as_bytes());
        } else {
            serialise(&mut event);
        }
        Ok(event)
    }
}

/// Gives the event a text of our own.
fn serialise(event: &mut Event) {
    let (mut tags, mut content) = (String::new(), String::new());
    push_tags(&mut tags, event.tags.iter().map(|tag| tag.fields()));
    push_string(&mut content, &event.content);
    let signed = Signed {
        pubkey: &event.pubkey,
        created_at: event.created_at,
        kind: event.kind,
        tags: tags.as_str(),
        content: content.as_str(),
    };
    let (text, spans) = event_text(&event.id, &signed, &event.sig);
    event.text = text.into();
    event.spans = spans;
}

fn once<T>(
    field: &mut Option<T>,
    twice: &'static str,
    read: impl FnOnce() -> Result<T, Verdict>,
) -> Result<(), Verdict> {
    if field.is_some() {
        return Err(Verdict::invalid(twice));
    }
    *field = Some(read()?);
    Ok(())
}

fn spanned<T>(
    cursor: &mut Cursor<'_>,
    span: &mut Range<usize>,
    read: impl FnOnce(&mut Cursor<'_>) -> Result<T, Verdict>,
) -> Result<T, Verdict> {
    let start = cursor.at();
    let value = read(cursor)?;
    *span = start..cursor.at();
    Ok(value)
}

fn id(cursor: &mut Cursor<'_>) -> Result<EventId, Verdict> {
    let wrong = "id must be 64 lower-case hex characters";
    hex(cursor, wrong).map(EventId::new)
}

fn pubkey(cursor: &mut Cursor<'_>) -> Result<PublicKey, Verdict> {
    let wrong = "pubkey must be 64 lower-case hex characters";
    hex(cursor, wrong).map(PublicKey::new)
}

fn sig(cursor: &mut Cursor<'_>) -> Result<[u8; 64], Verdict> {
    hex(cursor, "sig must be 128 lower-case hex characters")
}

fn hex<const N: usize>(cursor: &mut Cursor<'_>, wrong: &'static str) -> Result<[u8; N], Verdict> {
    if cursor.peek() != Some(b'"') {
        return Err(Verdict::invalid(wrong));
    }
    decode(&cursor.string()?).ok_or_else(|| Verdict::invalid(wrong))
}

fn created_at(cursor: &mut Cursor<'_>) -> Result<u64, Verdict> {
    cursor
        .integer()
        .filter(|&seconds| seconds <= MAX_CREATED_AT)
        .ok_or_else(|| {
            Verdict::invalid("created_at must be an integer of seconds from 0 to 2^63-1")
        })
}

fn kind(cursor: &mut Cursor<'_>) -> Result<u16, Verdict> {
    cursor
        .integer()
        .and_then(|kind| kind.try_into().ok())
        .ok_or_else(|| Verdict::invalid("kind must be an integer from 0 to 65535"))
}

fn content(cursor: &mut Cursor<'_>) -> Result<String, Verdict> {
    if cursor.peek() != Some(b'"') {
        return Err(Verdict::invalid("content must be a string"));
    }
    cursor.string().map(Into::into)
}

fn tags(cursor: &mut Cursor<'_>) -> Result<Tags, Verdict> {
    if cursor.peek() != Some(b'[') {
        return Err(Verdict::invalid(
            "tags must be an array of arrays of strings",
        ));
    }
    let mut tags = Tags::with_room();
    cursor.array(|cursor| tag(cursor, &mut tags))?;
    Ok(tags)
}

fn tag(cursor: &mut Cursor<'_>, tags: &mut Tags) -> Result<(), Verdict> {
    if cursor.peek() != Some(b'[') {
        return Err(Verdict::invalid("a tag must be an array of strings"));
    }
    cursor.array(|cursor| {
        if cursor.peek() != Some(b'"') {
            return Err(Verdict::invalid("a tag must hold nothing but strings"));
        }
        cursor.string_into(tags.text_mut())?;
        tags.end_field();
        Ok(())
    })?;
    if !tags.end_tag() {
        return Err(Verdict::invalid("a tag must hold at least its name"));
    }
    Ok(())
}

/// Finds the id in a text that is no event, so that OK can answer it: the value of the first key `"id"` that is 64 hex characters of
/// either case. Inside strings the key's quotes would be escaped, so it is not mistaken for content.
pub(super) fn find_id(text: &str) -> Option<EventId> {
    text.match_indices("\"id\"").find_map(|(at, key)| {
        let value = text[at + key.len()..].trim_start_matches(SPACE);
        let value = value.strip_prefix(':')?.trim_start_matches(SPACE);
        let hex = value.strip_prefix('"')?.get(..64)?;
        let closed = value.as_bytes().get(65) == Some(&b'"');
        closed.then(|| EventId::from_hex(&hex.to_ascii_lowercase()))?
    })
}
