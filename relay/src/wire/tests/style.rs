//! Any event in any of the ways that JSON lets one write it.

use crate::wire::id::push_hex;
use proptest::{collection::vec, prelude::*, sample::select};

/// The fields of an event; nothing is signed.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) id: [u8; 32],
    pub(super) pubkey: [u8; 32],
    pub(super) created_at: u64,
    pub(super) kind: u16,
    pub(super) tags: Vec<Vec<String>>,
    pub(super) content: String,
    pub(super) sig: Vec<u8>,
}

/// How an event is written: the order of its keys, and throws of dice for each free choice.
#[derive(Clone, Debug)]
pub(super) struct Style {
    order: Vec<usize>,
    dice: Vec<u8>,
    spaces: bool,
    escapes: bool,
    unknown_fields: bool,
}

pub(super) fn sample() -> impl Strategy<Value = Sample> {
    let tags = vec(vec(string(), 1..5), 0..6);
    let bytes = (any::<[u8; 32]>(), any::<[u8; 32]>(), vec(any::<u8>(), 64));
    (bytes, 0..=i64::MAX as u64, any::<u16>(), tags, string()).prop_map(
        |((id, pubkey, sig), created_at, kind, tags, content)| Sample {
            id,
            pubkey,
            created_at,
            kind,
            tags,
            content,
            sig,
        },
    )
}

/// Strings rich in what must be escaped.
pub(super) fn string() -> impl Strategy<Value = String> {
    let odd = select(vec![
        '"',
        '\\',
        '/',
        '\u{7f}',
        '\u{2028}',
        '\u{feff}',
        '\u{ffff}',
        '😀',
        '\u{10ffff}',
    ]);
    let character = prop_oneof![4 => any::<char>(), 3 => prop::char::range(' ', '~'), 2 => prop::char::range('\0', '\u{1f}'), 2 => odd];
    vec(character, 0..24).prop_map(|characters| characters.into_iter().collect())
}

pub(super) fn style() -> impl Strategy<Value = Style> {
    let order = Just((0..7).collect::<Vec<_>>()).prop_shuffle();
    (
        order,
        vec(any::<u8>(), 1..64),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(order, dice, spaces, escapes, unknown_fields)| Style {
            order,
            dice,
            spaces,
            escapes,
            unknown_fields,
        })
}

/// The event of `sample` in `style`.
pub(super) fn write(sample: &Sample, style: &Style) -> String {
    let mut pen = Pen {
        style,
        thrown: 0,
        text: String::new(),
    };
    pen.event(sample);
    pen.text
}

struct Pen<'a> {
    style: &'a Style,
    thrown: usize,
    text: String,
}

impl Pen<'_> {
    fn throw(&mut self, sides: u8) -> u8 {
        let dice = &self.style.dice;
        self.thrown += 1;
        dice[self.thrown % dice.len()].wrapping_add((self.thrown / dice.len()) as u8) % sides
    }

    fn space(&mut self) {
        if self.style.spaces {
            for _ in 0..self.throw(3) {
                let space = [' ', '\n', '\t', '\r'][usize::from(self.throw(4))];
                self.text.push(space);
            }
        }
    }

    fn token(&mut self, token: &str) {
        self.space();
        self.text.push_str(token);
        self.space();
    }

    fn event(&mut self, sample: &Sample) {
        self.token("{");
        for (place, &field) in self.style.order.iter().enumerate() {
            if place > 0 {
                self.token(",");
            }
            self.unknown_field(place);
            self.field(sample, field);
        }
        self.token("}");
    }

    fn unknown_field(&mut self, place: usize) {
        if self.style.unknown_fields && self.throw(3) == 0 {
            self.string(&format!("x{place}"));
            self.token(":");
            self.text
                .push_str("[{\"id\":\"\\ud83d\\ude00\"},-1.5e+3,null]");
            self.token(",");
        }
    }

    fn field(&mut self, sample: &Sample, field: usize) {
        self.string(
            [
                "id",
                "pubkey",
                "created_at",
                "kind",
                "tags",
                "content",
                "sig",
            ][field],
        );
        self.token(":");
        match field {
            0 => self.hex(&sample.id),
            1 => self.hex(&sample.pubkey),
            2 => self.text.push_str(&sample.created_at.to_string()),
            3 => self.text.push_str(&sample.kind.to_string()),
            4 => self.list(&sample.tags, |pen, tag| {
                pen.list(tag, |pen, field| pen.string(field));
            }),
            5 => self.string(&sample.content),
            _ => self.hex(&sample.sig),
        }
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.token("[");
        for (place, each) in items.iter().enumerate() {
            if place > 0 {
                self.token(",");
            }
            item(self, each);
        }
        self.token("]");
    }

    fn hex(&mut self, bytes: &[u8]) {
        let mut hex = String::new();
        push_hex(&mut hex, bytes);
        self.string(&hex);
    }

    fn string(&mut self, value: &str) {
        self.text.push('"');
        for character in value.chars() {
            self.character(character);
        }
        self.text.push('"');
    }

    fn character(&mut self, character: char) {
        let short = short_escape(character);
        let choice = if self.style.escapes { self.throw(5) } else { 4 };
        match (choice, short) {
            (0, _) => self.units(character, false),
            (1, _) => self.units(character, true),
            (2, _) if character == '/' => self.text.push_str("\\/"),
            (_, Some(short)) => self.text.push_str(short),
            (_, None) if character < ' ' => self.units(character, false),
            (_, None) => self.text.push(character),
        }
    }

    fn units(&mut self, character: char, upper: bool) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let digits = format!("{unit:04x}");
            self.text.push_str("\\u");
            self.text
                .push_str(&if upper { digits.to_uppercase() } else { digits });
        }
    }
}

fn short_escape(character: char) -> Option<&'static str> {
    Some(match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        _ => return None,
    })
}
