//! EVENT and its OK: duplicates, versions, deletions, vanishing, ephemeral events, limits.

use super::support::*;
use nostr_fleet_relay::sign::Signer;
use relay_config::Bounded;
use serde_json::json;

#[tokio::test]
async fn the_same_event_again_is_a_duplicate_and_is_not_broadcast_again() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", "{}").await;
    let note = note(1, "once");
    assert_eq!(alice.publish(&note).await, (true, String::new()));
    let (accepted, verdict) = alice.publish(&note).await;
    assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
    bob.hear_until("EVENT").await;
    bob.hears_nothing().await;
}

#[tokio::test]
async fn an_older_version_is_refused_as_duplicate_and_so_is_a_tie_with_a_higher_id() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let start = now();
    let version = |seconds: u64, content: &str| event_at(1, 0, start - seconds, content);
    let mut tied = [version(50, "a"), version(50, "b")];
    tied.sort_by_key(|event| id(event));
    let refused = (false, "duplicate: newer version stored".to_owned());
    assert!(client.publish(&tied[1]).await.0);
    assert!(client.publish(&tied[0]).await.0);
    assert_eq!(client.publish(&version(51, "older")).await, refused);
    assert!(client.publish(&version(40, "newer")).await.0);
    assert_eq!(client.stored("s", r#"{"kinds":[0]}"#).await.0.len(), 1);
    client.say(r#"["CLOSE","s"]"#).await;
    let tie = event_at(2, 0, start - 50, "x");
    let other = event_at(2, 0, start - 50, "y");
    let (low, high) = if id(&tie) < id(&other) {
        (tie, other)
    } else {
        (other, tie)
    };
    assert!(client.publish(&low).await.0);
    assert_eq!(client.publish(&high).await, refused);
}

#[tokio::test]
async fn an_unreadable_event_is_answered_by_its_id_and_by_a_notice_without_one() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let hex = "ab".repeat(32);
    client
        .say(format!(r#"["EVENT",{{"id":"{hex}","kind":1}}]"#))
        .await;
    let ok = client.hear().await;
    assert_eq!(
        (&ok[0], &ok[1], &ok[2]),
        (&json!("OK"), &json!(hex), &json!(false))
    );
    assert!(ok[3].as_str().unwrap().starts_with("invalid: "), "{ok}");
    client.say(r#"["EVENT",{"kind":1}]"#).await;
    let notice = client.hear().await;
    assert_eq!(notice[0], "NOTICE");
}

#[tokio::test]
async fn a_wrong_id_and_a_wrong_signature_are_refused() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let good = note(1, "good");
    for forged in [
        good.replace("good", "evil"),
        good.replace(&pubkey(1), &pubkey(2)),
    ] {
        let (accepted, verdict) = client.publish(&forged).await;
        assert!(!accepted && verdict.starts_with("invalid: "), "{verdict}");
    }
    let other = note(1, "other");
    let signature = |event: &str| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["sig"].as_str().unwrap().to_owned()
    };
    let (accepted, verdict) = client
        .publish(&good.replace(&signature(&good), &signature(&other)))
        .await;
    assert!(
        !accepted && verdict.starts_with("invalid: sig"),
        "{verdict}"
    );
    assert!(client.publish(&good).await.0);
}

#[tokio::test]
async fn an_auth_event_sent_as_event_is_neither_stored_nor_broadcast() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", "{}").await;
    let auth = event(1, 22_242, &[], "");
    assert_eq!(
        alice.publish(&auth).await,
        (false, "invalid: AUTH events go in AUTH".to_owned())
    );
    bob.hears_nothing().await;
}

#[tokio::test]
async fn a_deletion_is_applied_stored_broadcast_and_served() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", r#"{"kinds":[5]}"#).await;
    let (mine, yours) = (note(1, "mine"), note(2, "yours"));
    assert!(alice.publish(&mine).await.0 && alice.publish(&yours).await.0);
    let deleted = mine.clone();
    let (mine, yours) = (id(&mine), id(&yours));
    let deletion = event(1, 5, &[&["e", &mine], &["e", &yours]], "");
    assert_eq!(alice.publish(&deletion).await, (true, String::new()));
    assert_eq!(bob.hear().await[2]["id"], json!(id(&deletion)));
    let (left, _) = alice.stored("left", "{}").await;
    let left: Vec<_> = left
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert!(left.contains(&yours.as_str()) && !left.contains(&mine.as_str()));
    assert_eq!(left.len(), 2);
    let (accepted, verdict) = alice.publish(&deleted).await;
    assert!(!accepted && verdict.starts_with("blocked: "), "{verdict}");
}

#[tokio::test]
async fn a_deleted_event_does_not_come_back() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let note = note(1, "gone");
    assert!(client.publish(&note).await.0);
    assert!(
        client
            .publish(&event(1, 5, &[&["e", &id(&note)]], ""))
            .await
            .0
    );
    let (accepted, verdict) = client.publish(&note).await;
    assert!(!accepted && verdict.starts_with("blocked: "), "{verdict}");
}

#[tokio::test]
async fn a_request_to_vanish_deletes_here_if_it_names_this_relay_only() {
    let relay = TestRelay::limited(|hot| hot.url = Some("wss://relay.example/".into()));
    let mut client = relay.connect().await;
    let old = event_at(1, 1, now() - 100, "old");
    assert!(client.publish(&old).await.0);
    let elsewhere = event(1, 62, &[&["relay", "wss://other.example"]], "");
    assert!(client.publish(&elsewhere).await.0);
    assert_eq!(client.stored("s", r#"{"kinds":[1]}"#).await.0.len(), 1);
    let nowhere = event(1, 62, &[], "");
    assert!(client.publish(&nowhere).await.1.starts_with("invalid: "));
    let here = event(1, 62, &[&["relay", "wss://RELAY.example"]], "");
    assert!(client.publish(&here).await.0);
    assert!(client.stored("s", r#"{"kinds":[1]}"#).await.0.is_empty());
    assert!(client.publish(&old).await.1.starts_with("blocked: "));
    client.say(r#"["CLOSE","s"]"#).await; // else it is heard, before its OK or after
    let newer = event_at(1, 1, now() + 5, "back again");
    assert!(client.publish(&newer).await.0);
}

#[tokio::test]
async fn an_ephemeral_event_is_heard_and_not_stored_and_an_old_one_is_refused() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", r#"{"kinds":[20001]}"#).await;
    let fresh = event(1, 20_001, &[], "now");
    assert_eq!(alice.publish(&fresh).await, (true, String::new()));
    assert_eq!(bob.hear_text().await, format!(r#"["EVENT","s",{fresh}]"#));
    assert!(alice.stored("s", r#"{"kinds":[20001]}"#).await.0.is_empty());
    let old = event_at(1, 20_001, now() - 70, "then");
    assert!(alice.publish(&old).await.1.starts_with("invalid: "));
    bob.hears_nothing().await;
}

#[tokio::test]
async fn limits_on_events_hold_and_change_while_connections_are_open() {
    let relay = TestRelay::limited(|hot| {
        hot.limits.event_tags = Bounded::new(1);
        hot.limits.content_characters = Bounded::new(5);
        hot.limits.tag_value_bytes = Bounded::new(64);
    });
    let mut client = relay.connect().await;
    let long = "x".repeat(65);
    for (refused, taken) in [
        (
            event(1, 1, &[&["a"], &["b"]], ""),
            event(1, 1, &[&["a"]], ""),
        ),
        (note(1, "123456"), note(1, "12345")),
        (
            event(1, 1, &[&["t", &long]], ""),
            event(1, 1, &[&["t", &long[1..]]], ""),
        ),
        (
            event_at(1, 1, now() + 1000, ""),
            event_at(1, 1, now() + 800, ""),
        ),
    ] {
        let (accepted, verdict) = client.publish(&refused).await;
        assert!(!accepted && verdict.starts_with("invalid: "), "{verdict}");
        assert_eq!(client.publish(&taken).await, (true, String::new()));
    }
    relay.hot.store(std::sync::Arc::default());
    assert!(client.publish(&note(1, "123456")).await.0);
}

#[tokio::test]
async fn proof_of_work_and_expiration_are_asked_for() {
    let relay = TestRelay::limited(|hot| hot.limits.min_pow = Bounded::new(4));
    let mut client = relay.connect().await;
    let signer = Signer::from_seed(1);
    let mine = |lucky: bool| {
        (0..10_000)
            .map(|nonce: u64| signer.event(now(), 1, &[&["nonce", &nonce.to_string(), "4"]], ""))
            .find(|event| id(event).starts_with('0') == lucky)
            .unwrap()
    };
    assert!(client.publish(&mine(true)).await.0);
    assert!(client.publish(&mine(false)).await.1.starts_with("pow: "));
    relay.hot.store(std::sync::Arc::default());
    let expiring = |at: u64| event(1, 1, &[&["expiration", &at.to_string()]], "");
    assert!(
        client
            .publish(&expiring(now() - 1))
            .await
            .1
            .starts_with("invalid: ")
    );
    assert!(client.publish(&expiring(now() + 100)).await.0);
}
