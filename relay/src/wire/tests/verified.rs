use super::{fields, object};
use crate::{
    sign::Signer,
    wire::{Event, Verified},
};

fn text() -> String {
    Signer::from_seed(1).event(1_700_000_000, 1, &[&["t", "x"]], "hello")
}

fn verdict(text: &str) -> String {
    let event = Event::read(text).expect(text);
    let id = event.id();
    let invalid = Verified::check(event).expect_err(text);
    assert_eq!(invalid.id, id, "the answer goes to the id that was claimed");
    invalid.verdict.to_string()
}

#[test]
fn a_signed_event_is_verified_in_every_form_it_may_be_sent_in() {
    let text = text();
    for form in [
        text.clone(),
        text.replace(',', ", "),
        text.replace("hello", r"h\u0065llo"),
        text.replacen('{', "{\"seen\":[],", 1),
    ] {
        let event = Verified::check(Event::read(&form).unwrap()).expect(&form);
        assert_eq!(event.content(), "hello");
        assert_eq!(event.text(), text.as_bytes());
    }
}

#[test]
fn a_change_of_any_signed_field_shows_in_the_id() {
    let text = text();
    for (from, to) in [
        ("hello", "hellp"),
        ("1700000000", "1700000001"),
        ("\"kind\":1", "\"kind\":2"),
        ("\"x\"", "\"y\""),
        ("\"t\"", "\"T\""),
        ("[[", "[[\"a\"],["),
    ] {
        assert_eq!(
            verdict(&text.replacen(from, to, 1)),
            "invalid: id is not the hash of the event",
            "{from}"
        );
    }
    assert_eq!(
        verdict(&object(&fields())),
        "invalid: id is not the hash of the event"
    );
}

#[test]
fn a_signature_by_another_or_over_another_event_is_refused() {
    let sig = |text: &str| text[text.len() - 130..text.len() - 2].to_owned();
    let ours = text();
    let stranger = Signer::from_seed(2).event(1_700_000_000, 1, &[&["t", "x"]], "hello");
    let other = Signer::from_seed(1).event(1_700_000_000, 1, &[&["t", "x"]], "other");
    for wrong in [
        sig(&stranger),
        sig(&other),
        "0".repeat(128),
        "f".repeat(128),
    ] {
        assert_eq!(
            verdict(&ours.replace(&sig(&ours), &wrong)),
            "invalid: sig is not the author's signature of id"
        );
    }
}

#[test]
fn a_public_key_that_is_no_point_of_the_curve_is_refused_at_the_signature() {
    use crate::wire::{
        EventId, PublicKey,
        canonical::{Signed, event_text},
    };
    for key in [[0xff; 32], [0; 32]] {
        let pubkey = PublicKey::new(key);
        let signed = Signed {
            pubkey: &pubkey,
            created_at: 1,
            kind: 1,
            tags: "[]",
            content: "\"\"",
        };
        let id: EventId = signed.hash();
        let (text, _) = event_text(&id, &signed, &[1; 64]);
        assert_eq!(
            verdict(&text),
            "invalid: sig is not the author's signature of id"
        );
    }
}
