//! What we share with the `nostr` crate, the canonical hash, and the traps for which we read texts ourselves.

use super::{
    ID, KEY, LIMITS, fields, object,
    style::{sample, style, write},
    with,
};
use crate::{
    sign::Signer,
    wire::{Address, ClientMessage, Event, Filter, frame},
};
use nostr::prelude::{
    Event as TheirEvent, EventId as TheirId, Filter as TheirFilter, Kind, PublicKey as TheirKey,
    Tags as TheirTags, Timestamp,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_canonical_hash_is_the_crates(sample in sample(), style in style()) {
        let theirs = TheirId::compute(
            &TheirKey::from_byte_array(sample.pubkey),
            &Timestamp::from(sample.created_at),
            &Kind::from(sample.kind),
            &TheirTags::parse(sample.tags.clone()).expect("no tag is empty"),
            &sample.content,
        );
        let ours = Event::read(&write(&sample, &style)).expect("in form").hash();
        prop_assert_eq!(ours.as_bytes(), theirs.as_bytes());
    }
}

fn theirs(json: &str) -> Option<TheirEvent> {
    serde_json::from_str(json).ok()
}

#[test]
fn what_we_sign_the_crate_verifies() {
    let text = Signer::from_seed(9).event(
        1_700_000_000,
        30_023,
        &[&["d", "a\u{7f}\u{1}"]],
        "x\n\u{2028}\"\\/",
    );
    assert!(theirs(&text).unwrap().verify().is_ok());
}

#[test]
fn upper_case_hex_which_the_crate_takes_is_refused() {
    for (field, value) in [
        ("id", ID.to_uppercase()),
        ("sig", format!("{ID}{KEY}").to_uppercase()),
    ] {
        let text = with(field, &format!("\"{value}\""));
        assert!(theirs(&text).is_some(), "the trap is still there: {field}");
        assert!(Event::read(&text).is_err());
    }
    let filter = format!("{{\"ids\":[\"{}\"]}}", ID.to_uppercase());
    assert!(serde_json::from_str::<TheirFilter>(&filter).is_ok());
    assert!(Filter::read(&filter).is_err());
}

#[test]
fn unknown_filter_fields_which_the_crate_drops_are_refused() {
    for filter in [r##"{"#alt":["x"]}"##, r#"{"foo":1}"#, r#"{"&t":["x"]}"#] {
        assert!(
            serde_json::from_str::<TheirFilter>(filter).is_ok_and(|read| read.is_empty()),
            "{filter}"
        );
        assert!(Filter::read(filter).is_err(), "{filter}");
    }
    assert!(Filter::read(r##"{"#e":["xyz"]}"##).is_err());
}

#[test]
fn a_count_keeps_all_its_filters() {
    let text = r#"["COUNT","a",{"kinds":[1]},{"kinds":[2]}]"#;
    let Ok(ClientMessage::Count { filters, .. }) = frame::read(text, &LIMITS) else {
        panic!("{text}")
    };
    assert_eq!(filters.len(), 2);
}

#[test]
fn an_address_keeps_its_colons() {
    let address = Address::read(&format!("30023:{KEY}:a:b")).unwrap();
    assert_eq!(&*address.d, "a:b");
}

#[test]
fn a_nul_is_kept() {
    let event = Event::read(&with("content", r#""a\u0000b""#)).unwrap();
    assert_eq!(event.content(), "a\0b");
}

#[test]
fn a_duplicate_key_that_a_value_would_hide_is_refused() {
    let text = object(&fields()).replacen('{', "{\"kind\":5,", 1);
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    assert!(Event::read(&text).is_err());
}
