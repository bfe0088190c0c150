use super::{ID, fields, object};
use crate::wire::{
    EventId, Prefix, SubscriptionId, Verdict,
    reply::{self, Completeness},
};

fn id() -> EventId {
    EventId::from_hex(ID).unwrap()
}

#[test]
fn ok_always_has_four_elements() {
    assert_eq!(
        reply::ok(&id(), true, &Verdict::NONE),
        format!("[\"OK\",\"{ID}\",true,\"\"]")
    );
    let refused = reply::ok(&id(), false, &Verdict::invalid("say \"why\""));
    assert_eq!(
        refused,
        format!("[\"OK\",\"{ID}\",false,\"invalid: say \\\"why\\\"\"]")
    );
}

#[test]
fn every_prefix_is_a_lower_case_word_before_a_colon() {
    for prefix in Prefix::ALL {
        let verdict = Verdict::new(prefix, "why").to_string();
        let (word, text) = verdict.split_once(": ").unwrap();
        assert_eq!((word, text), (prefix.as_str(), "why"));
        assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    }
    assert_eq!(Verdict::NONE.to_string(), "");
}

#[test]
fn each_constructor_has_its_prefix() {
    for (verdict, words) in [
        (Verdict::duplicate("x"), "duplicate: x"),
        (Verdict::invalid("x"), "invalid: x"),
        (Verdict::pow("x"), "pow: x"),
        (Verdict::blocked("x"), "blocked: x"),
        (Verdict::restricted("x"), "restricted: x"),
        (Verdict::auth_required("x"), "auth-required: x"),
        (Verdict::rate_limited("x"), "rate-limited: x"),
        (Verdict::unsupported("x"), "unsupported: x"),
        (Verdict::error("x"), "error: x"),
    ] {
        assert_eq!(verdict.to_string(), words);
    }
}

#[test]
fn the_answers_of_a_subscription_name_it_escaped_once() {
    let sub = SubscriptionId::new("a\"\\");
    assert_eq!(
        reply::eose(&sub, Completeness::Finish),
        r#"["EOSE","a\"\\",["finish"]]"#
    );
    assert_eq!(
        reply::eose(&sub, Completeness::More),
        r#"["EOSE","a\"\\",["more"]]"#
    );
    assert_eq!(
        reply::closed(&sub, &Verdict::error("shutting down")),
        r#"["CLOSED","a\"\\","error: shutting down"]"#
    );
    assert_eq!(
        reply::count(&sub, 7, false),
        r#"["COUNT","a\"\\",{"count":7}]"#
    );
    assert_eq!(
        reply::count(&sub, 7, true),
        r#"["COUNT","a\"\\",{"count":7,"approximate":true}]"#
    );
}

#[test]
fn an_event_is_served_in_its_own_bytes() {
    let event = object(&fields());
    assert_eq!(
        reply::event(&SubscriptionId::new("a"), event.as_bytes()),
        format!("[\"EVENT\",\"a\",{event}]").into_bytes()
    );
}

#[test]
fn what_is_no_utf_8_is_replaced_and_the_frame_stays_text() {
    let text = reply::event(&SubscriptionId::new("a"), b"{\"content\":\"\xff\"}");
    let replaced = "[\"EVENT\",\"a\",{\"content\":\"\u{fffd}\"}]";
    assert_eq!(String::from_utf8(text).unwrap(), replaced);
}

#[test]
fn notice_and_auth_are_escaped() {
    assert_eq!(
        reply::notice(&Verdict::invalid("a\nb")),
        r#"["NOTICE","invalid: a\nb"]"#
    );
    assert_eq!(reply::auth("ch\"al"), r#"["AUTH","ch\"al"]"#);
}
