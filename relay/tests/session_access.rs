//! Who may read and write (`hot.access`): each mode with somebody who is let in and somebody who is not.

#![allow(clippy::unwrap_used)] // a test may end with a panic

mod support;

use support::*;

/// The verdict's first word; "" when it was taken.
async fn word(client: &mut Client, event: &str) -> String {
    let (accepted, verdict) = client.publish(event).await;
    assert_eq!(accepted, verdict.is_empty(), "{verdict}");
    first_word(&verdict)
}

fn first_word(verdict: &str) -> String {
    verdict.split(':').next().unwrap().to_owned()
}

/// The first word of CLOSED to REQ and to COUNT, "" when they are answered.
async fn asks(client: &mut Client) -> String {
    let mut words = Vec::new();
    for verb in ["REQ", "COUNT"] {
        client.say(format!(r#"["{verb}","q",{{"limit":0}}]"#)).await;
        let answer = client.hear().await;
        let closed = answer[0] == "CLOSED";
        words.push(if closed {
            first_word(answer[2].as_str().unwrap())
        } else {
            String::new()
        });
    }
    client.say(r#"["CLOSE","q"]"#).await;
    assert_eq!(words[0], words[1], "a count is gated like a query");
    words.remove(0)
}

#[tokio::test]
async fn only_listed_authors_may_write_whoever_brings_their_events() {
    let relay = TestRelay::configured(&format!(
        "{{access: {{write: {{mode: Allow, pubkeys: ['{}']}}}}}}",
        pubkey(1)
    ));
    let mut client = relay.connect().await;
    assert_eq!(word(&mut client, &note(1, "listed")).await, "");
    assert_eq!(
        word(&mut client, &note(2, "not listed")).await,
        "restricted"
    );
    assert!(client.prove(1).await.0);
    assert_eq!(
        word(&mut client, &note(2, "brought by one who is")).await,
        "restricted"
    );
    assert_eq!(client.stored("s", "{}").await.0.len(), 1, "all may read");
}

#[tokio::test]
async fn only_listed_sessions_may_write_whatever_they_bring() {
    let relay = TestRelay::configured(&format!(
        "{{access: {{write: {{mode: Allow, by: Session, pubkeys: ['{}']}}}}}}",
        pubkey(1)
    ));
    let mut client = relay.connect().await;
    assert_eq!(
        word(&mut client, &note(1, "by whom?")).await,
        "auth-required"
    );
    assert!(client.prove(2).await.0);
    assert_eq!(
        word(&mut client, &note(1, "by another")).await,
        "restricted"
    );
    assert!(client.prove(1).await.0);
    assert_eq!(word(&mut client, &note(3, "a mirror")).await, "");
}

#[tokio::test]
async fn a_wrap_is_judged_by_its_recipient_or_the_session_and_never_by_its_author() {
    let relay = TestRelay::configured(&format!(
        "{{access: {{write: {{mode: Allow, pubkeys: ['{}']}}}}}}",
        pubkey(1)
    ));
    let mut client = relay.connect().await;
    let wrap = |to: u64, text: &str| event(50, 1059, &[&["p", &pubkey(to)]], text);
    assert_eq!(word(&mut client, &wrap(1, "to a listed one")).await, "");
    assert_eq!(
        word(&mut client, &wrap(2, "to another")).await,
        "auth-required"
    );
    assert!(client.prove(3).await.0);
    assert_eq!(
        word(&mut client, &wrap(2, "from another")).await,
        "restricted"
    );
    assert!(client.prove(1).await.0);
    assert_eq!(word(&mut client, &wrap(2, "from a listed one")).await, "");
}

#[tokio::test]
async fn only_listed_sessions_may_read() {
    let relay = TestRelay::configured(&format!(
        "{{access: {{read: {{mode: Allow, pubkeys: ['{}']}}}}}}",
        pubkey(1)
    ));
    let mut client = relay.connect().await;
    assert_eq!(word(&mut client, &note(9, "all may write")).await, "");
    assert_eq!(asks(&mut client).await, "auth-required");
    assert!(client.prove(2).await.0);
    assert_eq!(asks(&mut client).await, "restricted");
    assert!(client.prove(1).await.0);
    assert_eq!(asks(&mut client).await, "");
}

#[tokio::test]
async fn a_denied_key_may_not_read_and_not_write_and_others_may() {
    let denied = pubkey(1);
    let relay = TestRelay::configured(&format!(
        "{{access: {{read: {{mode: Deny, pubkeys: ['{denied}']}}, write: {{mode: Deny, pubkeys: ['{denied}']}}}}}}"
    ));
    let mut client = relay.connect().await;
    assert_eq!(asks(&mut client).await, "auth-required");
    assert_eq!(word(&mut client, &note(1, "x")).await, "blocked");
    assert_eq!(word(&mut client, &note(2, "x")).await, "");
    assert!(client.prove(2).await.0);
    assert_eq!(asks(&mut client).await, "");
    client.stored("open", "{}").await;
    assert!(
        client.prove(1).await.0,
        "saying who one is does no harm in itself"
    );
    let closed = client.hear().await;
    assert_eq!((&closed[0], &closed[1]), (&"CLOSED".into(), &"open".into()));
    assert!(
        closed[2].as_str().unwrap().starts_with("blocked: "),
        "{closed}"
    );
    assert_eq!(asks(&mut client).await, "blocked");
}

#[tokio::test]
async fn a_banned_key_may_do_nothing_but_vanish() {
    let banned = pubkey(1);
    let relay = TestRelay::configured(&format!(
        "{{url: 'wss://relay.example', access: {{write: {{mode: Allow, pubkeys: ['{banned}', '{}']}}, banned: {{pubkeys: ['{banned}']}}}}}}",
        pubkey(2)
    ));
    let mut client = relay.connect().await;
    assert_eq!(word(&mut client, &note(1, "x")).await, "blocked");
    assert_eq!(word(&mut client, &note(2, "x")).await, "");
    let vanish = event(1, 62, &[&["relay", "wss://relay.example"]], "");
    assert_eq!(word(&mut client, &vanish).await, "");
    let stranger = event(7, 62, &[&["relay", "ALL_RELAYS"]], "");
    assert_eq!(
        word(&mut client, &stranger).await,
        "",
        "it is everybody's right"
    );
}

#[tokio::test]
async fn a_request_to_vanish_elsewhere_carries_nothing_past_the_lists() {
    let relay = TestRelay::configured(&format!(
        "{{url: 'wss://relay.example', access: {{write: {{mode: Allow, pubkeys: ['{}']}}}}}}",
        pubkey(2)
    ));
    let mut client = relay.connect().await;
    let elsewhere = |who| event(who, 62, &[&["relay", "wss://other.example"]], "read this");
    assert_eq!(word(&mut client, &elsewhere(1)).await, "restricted");
    assert_eq!(word(&mut client, &elsewhere(2)).await, "");
    relay.swap("{url: 'wss://relay.example', access: {kinds: {deny: ['62']}}}");
    assert_eq!(word(&mut client, &elsewhere(3)).await, "blocked");
}

#[tokio::test]
async fn a_kind_that_is_not_taken_is_named() {
    let relay = TestRelay::configured("{access: {kinds: {allow: ['0-9', '62'], deny: ['4']}}}");
    let mut client = relay.connect().await;
    for (kind, taken) in [(0, true), (4, false), (9, true), (10, false)] {
        let (accepted, verdict) = client.publish(&event(1, kind, &[], "x")).await;
        assert_eq!(accepted, taken, "{kind}");
        if !taken {
            assert_eq!(verdict, format!("blocked: kind {kind} is not taken here"));
        }
    }
}

/// A signature costs fifty times what a look-up does: who may not write does not get that far, and a known id stops first.
#[tokio::test]
async fn who_may_not_write_is_told_so_before_the_signature_is_looked_at() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let known = note(1, "known");
    assert!(client.publish(&known).await.0);
    relay.swap(&format!(
        "{{access: {{write: {{mode: Allow, pubkeys: ['{}']}}}}}}",
        pubkey(9)
    ));
    let (accepted, verdict) = client.publish(&known).await;
    assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
    let forged = note(1, "mine").replace("mine", "not mine");
    assert_eq!(word(&mut client, &forged).await, "restricted");
    let forged = note(9, "mine").replace("mine", "not mine");
    assert_eq!(word(&mut client, &forged).await, "invalid");
}

#[tokio::test]
async fn before_any_list_is_known_nobody_is_served() {
    let relay = TestRelay::start();
    relay.rules.store(std::sync::Arc::new(
        nostr_fleet_relay::policy::lists::Rules::shut(),
    ));
    relay.shared.rejudge();
    let mut client = relay.connect().await;
    assert_eq!(asks(&mut client).await, "restricted");
    assert_eq!(word(&mut client, &note(1, "x")).await, "restricted");
    let vanish = event(1, 62, &[&["relay", "ALL_RELAYS"]], "");
    assert_eq!(word(&mut client, &vanish).await, "");
    assert!(client.prove(1).await.0);
    assert_eq!(asks(&mut client).await, "restricted");
}
