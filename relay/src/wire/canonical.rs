//! The canonical form of an event (NIP-01): what is hashed, and how an event is written when its own text cannot be kept.
//!
//! Strings escape `"`, `\` and the C0 controls only (`\b \t \n \f \r`, others as `\u00xx`); everything else, U+007F and U+2028
//! included, stands verbatim. NIP-01 says so for the short escapes; for the others we follow what all libraries do.

use super::id::{EventId, PublicKey, hex_32, push_hex};
use sha2::{Digest, Sha256};
use std::{fmt::Write, ops::Range};

/// Where the canonical JSON of tags and content stands in an event's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) tags: Range<usize>,
    pub(crate) content: Range<usize>,
}

/// What is signed: the fields of the canonical array; tags and content are canonical JSON (`str` while written, bytes once stored).
pub(crate) struct Signed<'a, Json: ?Sized> {
    pub(crate) pubkey: &'a PublicKey,
    pub(crate) created_at: u64,
    pub(crate) kind: u16,
    pub(crate) tags: &'a Json,
    pub(crate) content: &'a Json,
}

impl<Json: AsRef<[u8]> + ?Sized> Signed<'_, Json> {
    /// SHA-256 of `[0,pubkey,created_at,kind,tags,content]`: the id.
    pub(crate) fn hash(&self) -> EventId {
        let mut numbers = String::with_capacity(40);
        let _ = write!(numbers, "\",{},{},", self.created_at, self.kind);
        let mut hash = Sha256::new();
        hash.update(b"[0,\"");
        hash.update(hex_32(self.pubkey.as_bytes()));
        hash.update(numbers);
        hash.update(self.tags.as_ref());
        hash.update(b",");
        hash.update(self.content.as_ref());
        hash.update(b"]");
        EventId::new(hash.finalize().into())
    }
}

/// The event with its seven fields in NIP-01's order, and where tags and content stand in it.
pub(crate) fn event_text(
    id: &EventId,
    signed: &Signed<'_, str>,
    sig: &[u8; 64],
) -> (String, Spans) {
    let mut text = String::with_capacity(384 + signed.tags.len() + signed.content.len());
    text.push_str("{\"id\":\"");
    push_hex(&mut text, id.as_bytes());
    text.push_str("\",\"pubkey\":\"");
    push_hex(&mut text, signed.pubkey.as_bytes());
    let _ = write!(
        text,
        "\",\"created_at\":{},\"kind\":{},\"tags\":",
        signed.created_at, signed.kind
    );
    let tags = append(&mut text, signed.tags);
    text.push_str(",\"content\":");
    let content = append(&mut text, signed.content);
    text.push_str(",\"sig\":\"");
    push_hex(&mut text, sig);
    text.push_str("\"}");
    (text, Spans { tags, content })
}

fn append(text: &mut String, part: &str) -> Range<usize> {
    let start = text.len();
    text.push_str(part);
    start..text.len()
}

/// Appends tags as a JSON array of arrays of strings.
pub(crate) fn push_tags<'t, Fields>(out: &mut String, tags: impl Iterator<Item = Fields>)
where
    Fields: Iterator<Item = &'t str>,
{
    out.push('[');
    for (index, fields) in tags.enumerate() {
        out.push_str(if index == 0 { "[" } else { ",[" });
        for (index, field) in fields.enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_string(out, field);
        }
        out.push(']');
    }
    out.push(']');
}

/// Appends `value` as a JSON string.
pub(crate) fn push_string(out: &mut String, value: &str) {
    out.push('"');
    let mut rest = value;
    loop {
        let length = verbatim(rest.as_bytes());
        out.push_str(&rest[..length]);
        let Some(&byte) = rest.as_bytes().get(length) else {
            break;
        };
        push_escape(out, byte);
        rest = &rest[length + 1..];
    }
    out.push('"');
}

/// How many bytes at the start of `text` stand for themselves in a JSON string: up to the first quote, backslash or C0 control.
pub(crate) fn verbatim(text: &[u8]) -> usize {
    // Whole chunks without a branch per byte: the compiler makes vector instructions of it.
    let clean = |chunk: &&[u8]| {
        chunk
            .iter()
            .fold(true, |clean, &byte| clean & !must_be_escaped(byte))
    };
    let start = CHUNK * text.chunks_exact(CHUNK).take_while(clean).count();
    let rest = &text[start..];
    start
        + rest
            .iter()
            .position(|&byte| must_be_escaped(byte))
            .unwrap_or(rest.len())
}

const CHUNK: usize = 32;

#[allow(clippy::needless_bitwise_bool)] // the branches of `||` and `matches!` keep vector instructions away; measured slower
const fn must_be_escaped(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

fn push_escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\t' => out.push_str("\\t"),
        b'\r' => out.push_str("\\r"),
        0x08 => out.push_str("\\b"),
        0x0c => out.push_str("\\f"),
        other => {
            out.push_str("\\u00");
            push_hex(out, &[other]);
        }
    }
}
