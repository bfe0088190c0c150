use super::{
    LIMITS,
    style::{Sample, sample, string, style, write},
};
use crate::{
    sign::Signer,
    wire::{Address, ClientMessage, Event, Filter, Verified, frame},
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::Index,
};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

fn strings(event: &Event) -> Vec<Vec<String>> {
    let tags = event.tags().iter();
    tags.map(|tag| tag.fields().map(str::to_owned).collect())
        .collect()
}

fn assert_says(event: &Event, sample: &Sample) {
    assert_eq!(event.id().as_bytes(), &sample.id);
    assert_eq!(event.pubkey().as_bytes(), &sample.pubkey);
    assert_eq!(event.created_at(), sample.created_at);
    assert_eq!(event.kind(), sample.kind);
    assert_eq!(strings(event), sample.tags);
    assert_eq!(event.content(), sample.content);
    assert_eq!(event.sig().as_slice(), sample.sig);
}

/// A cut, a repetition or an overwritten piece somewhere in a text.
#[derive(Clone, Debug)]
struct Edit {
    at: Index,
    length: usize,
    piece: String,
}

fn edit() -> impl Strategy<Value = Edit> {
    let token = prop::sample::select(vec![
        "",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "null",
        "-",
        "1e9",
        "0",
        " ",
        "\n",
        "é",
        "😀",
        "\0",
        "[[[[",
        "{\"a\":",
        "\"id\":",
        "\"kind\":65537",
    ]);
    let piece = prop_oneof![token.prop_map(str::to_owned), string()];
    (any::<Index>(), 0..6_usize, piece).prop_map(|(at, length, piece)| Edit { at, length, piece })
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for edit in edits {
        let at = edit.at.index(characters.len() + 1);
        let end = (at + edit.length).min(characters.len());
        characters.splice(at..end, edit.piece.chars());
    }
    characters.into_iter().collect()
}

/// Reads `text` as everything it might be. What we accept must be JSON to a reader that is not ours.
fn read_as_everything(text: &str) {
    let is_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    if let Ok(event) = Event::read(text) {
        assert!(is_json(text), "{text}");
        assert_kept(&event);
        let _ = Verified::check(event);
    }
    if let Ok(filter) = Filter::read(text) {
        assert!(is_json(text), "{text}");
        let _ = (filter.matches_nothing(), filter.value_count());
    }
    let _ = Address::read(text);
    match frame::read(text, &LIMITS) {
        Ok(ClientMessage::Event(body) | ClientMessage::Auth(body)) => {
            let read = Event::read(body);
            assert!(read.is_err() || is_json(text), "{text}");
        }
        Ok(ClientMessage::Ping | ClientMessage::Nothing) | Err(_) => {}
        Ok(_) => assert!(is_json(text), "{text}"),
    }
}

/// The text kept for an event reads back as the same event and stays as it is.
fn assert_kept(event: &Event) {
    let text = std::str::from_utf8(event.text()).expect("UTF-8");
    let again = Event::read(text).expect(text);
    assert_eq!(again.text(), event.text());
    assert_eq!(strings(&again), strings(event));
    assert_eq!(again.content(), event.content());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_reads_back_in_whatever_style_it_is_written(sample in sample(), style in style()) {
        let text = write(&sample, &style);
        let event = Event::read(&text).expect(&text);
        assert_says(&event, &sample);
        assert_kept(&event);
    }

    #[test]
    fn the_form_of_a_text_does_not_change_the_hash(sample in sample(), one in style(), other in style()) {
        let hash = |style| Event::read(&write(&sample, style)).expect("in form").hash();
        prop_assert_eq!(hash(&one), hash(&other));
    }

    #[test]
    fn whatever_is_signed_verifies_until_one_character_changes(tags in vec(vec(string(), 1..4), 0..4), content in string(), at in any::<Index>()) {
        let tags: Vec<Vec<&str>> = tags.iter().map(|tag| tag.iter().map(String::as_str).collect()).collect();
        let tags: Vec<&[&str]> = tags.iter().map(Vec::as_slice).collect();
        let text = Signer::from_seed(3).event(1_700_000_000, 1, &tags, &content);
        prop_assert!(Verified::check(Event::read(&text).expect("ours")).is_ok());
        let mut changed: Vec<char> = text.chars().collect();
        let at = at.index(changed.len());
        changed[at] = if changed[at] == '0' { '1' } else { '0' };
        let changed: String = changed.into_iter().collect();
        prop_assert!(Event::read(&changed).map_or(true, |event| Verified::check(event).is_err()), "{}", changed);
    }

    #[test]
    fn no_text_at_all_ends_the_program(text in prop_oneof![string(), "[\\[\\]{},:\"0-9eE.+ tfn\\\\u-]{0,60}"]) {
        read_as_everything(&text);
        read_as_everything(&format!("[\"EVENT\",{text}]"));
        read_as_everything(&format!("[\"REQ\",\"a\",{text}]"));
    }

    #[test]
    fn no_edit_of_an_event_ends_the_program(sample in sample(), style in style(), edits in vec(edit(), 1..4)) {
        let text = apply(&write(&sample, &style), &edits);
        read_as_everything(&text);
        read_as_everything(&format!("[\"EVENT\",{text}]"));
    }

    #[test]
    fn no_edit_of_a_frame_ends_the_program(sample in sample(), style in style(), which in 0..6_usize, edits in vec(edit(), 1..5)) {
        let hex = "ab".repeat(32);
        let frame = match which {
            0 => format!("[\"EVENT\",{}]", write(&sample, &style)),
            1 => format!("[\"REQ\",\"sub\",{{\"ids\":[\"{hex}\"],\"kinds\":[1,65537],\"#t\":[\"a\",\"b\"],\"since\":1,\"limit\":10}},{{}}]"),
            2 => format!("[\"COUNT\",\"sub\",{{\"authors\":[\"{hex}\"],\"#e\":[\"{hex}\"],\"until\":5}}]"),
            3 => "[\"CLOSE\",\"sub\"]".into(),
            4 => format!("[\"AUTH\",{}]", write(&sample, &style)),
            _ => "[\"NEG-OPEN\",\"sub\",{\"kinds\":[1]},\"6100\"]".into(),
        };
        read_as_everything(&apply(&frame, &edits));
    }

    #[test]
    fn a_filter_finds_what_a_reader_of_the_rules_would(
        sample in sample(),
        asked in asked(),
        tags in vec(("[abc]{1,2}", vec("[xyz]", 0..3)), 0..5),
        (kind, created_at) in (0..4_u16, 0..5_u64),
    ) {
        let tags = tags.into_iter().map(|(name, rest)| [vec![name], rest].concat()).collect();
        let sample = Sample { created_at, kind, tags, ..sample };
        let event = Event::read(&plain(&sample)).expect("in form");
        let filter = Filter::read(&asked.json()).expect("in form");
        prop_assert_eq!(filter.matches(&event), asked.finds(&sample));
        prop_assert!(!filter.matches_nothing() || !asked.finds(&sample));
    }
}

/// A filter in the plainest form.
#[derive(Clone, Debug)]
struct Asked {
    kinds: Option<Vec<u16>>,
    tags: BTreeMap<char, Vec<String>>,
    since: Option<u64>,
    until: Option<u64>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let kinds = option::of(vec(0..4_u16, 0..3));
    let tags = btree_map(prop::char::range('a', 'd'), vec("[xy]", 0..3), 0..3);
    (kinds, tags, option::of(0..5_u64), option::of(0..5_u64)).prop_map(
        |(kinds, tags, since, until)| Asked {
            kinds,
            tags,
            since,
            until,
        },
    )
}

impl Asked {
    fn json(&self) -> String {
        let mut members = Vec::new();
        members.extend(
            self.kinds
                .iter()
                .map(|kinds| format!("\"kinds\":{kinds:?}")),
        );
        members.extend(
            self.tags
                .iter()
                .map(|(letter, values)| format!("\"#{letter}\":{values:?}")),
        );
        members.extend(self.since.iter().map(|since| format!("\"since\":{since}")));
        members.extend(self.until.iter().map(|until| format!("\"until\":{until}")));
        format!("{{{}}}", members.join(","))
    }

    /// The rules word for word, without an index.
    fn finds(&self, event: &Sample) -> bool {
        let has = |letter: &char, values: &[String]| {
            event.tags.iter().any(|tag| {
                tag[0] == letter.to_string()
                    && tag.get(1).is_some_and(|value| values.contains(value))
            })
        };
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&event.kind))
            && self.tags.iter().all(|(letter, values)| has(letter, values))
            && self.since.is_none_or(|since| event.created_at >= since)
            && self.until.is_none_or(|until| event.created_at <= until)
    }
}

/// The sample as serde_json writes it.
fn plain(sample: &Sample) -> String {
    let hex = |bytes: &[u8]| {
        let mut hex = String::new();
        crate::wire::id::push_hex(&mut hex, bytes);
        hex
    };
    serde_json::json!({
        "id": hex(&sample.id), "pubkey": hex(&sample.pubkey), "created_at": sample.created_at, "kind": sample.kind, "tags": sample.tags,
        "content": sample.content, "sig": hex(&sample.sig),
    })
    .to_string()
}
