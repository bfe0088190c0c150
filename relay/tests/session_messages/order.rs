//! What comes before what: answers in their turn, goodbyes, what a client that is gone leaves behind.

use super::support::*;
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn a_req_begins_when_the_events_before_it_are_answered() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let events: Vec<_> = (0..40).map(|n| note(1, &n.to_string())).collect();
    let mut messages: Vec<_> = events
        .iter()
        .map(|event| format!(r#"["EVENT",{event}]"#))
        .collect();
    messages.push(r#"["REQ","s",{}]"#.into());
    messages.push(r#"["COUNT","c",{}]"#.into());
    client.say_all(messages).await;
    for event in &events {
        assert_eq!(client.hear().await, json!(["OK", id(event), true, ""]));
    }
    let mut heard = Vec::new();
    for _ in 0..42 {
        heard.push(client.hear().await);
    }
    assert!(heard.contains(&json!(["COUNT", "c", {"count": 40}])));
    assert!(heard.contains(&json!(["EOSE", "s", ["finish"]])));
}

#[tokio::test]
async fn answers_keep_the_order_of_events_whatever_becomes_of_them() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let known = note(9, "known");
    assert!(client.publish(&known).await.0);
    let mut events = Vec::new();
    for n in 0..15 {
        events.push(note(1, &n.to_string()));
        events.push(known.clone());
        events.push(note(2, &format!("good {n}")).replace("good", "evil"));
        events.push(event(1, 20_001, &[], &n.to_string()));
    }
    let messages = events.iter().map(|event| format!(r#"["EVENT",{event}]"#));
    client.say_all(messages.collect::<Vec<_>>()).await;
    for (number, event) in events.iter().enumerate() {
        let ok = client.hear().await;
        assert_eq!(ok[1], json!(id(event)), "{number}");
        assert_eq!(ok[2], json!(number % 4 != 2), "{ok}");
    }
}

#[tokio::test]
async fn at_shutdown_every_subscription_is_closed_and_the_connection_with_1012() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    client.stored("a", "{}").await;
    client.stored("b", "{}").await;
    let mut idle = relay.connect().await;
    idle.say("ping").await;
    idle.hear_text().await;
    relay.drain.begin();
    let (texts, close) = client.hear_close().await;
    assert_eq!(
        texts,
        [
            r#"["CLOSED","a","error: shutting down"]"#,
            r#"["CLOSED","b","error: shutting down"]"#
        ]
    );
    assert_eq!(close.unwrap().code, CloseCode::Restart);
    assert_eq!(idle.hear_close().await.1.unwrap().code, CloseCode::Restart);
    drop((client, idle));
    assert_eq!(relay.drain.finished().await, 0);
    assert_eq!(relay.metrics.active_subscriptions.get(), 0);
}

#[tokio::test]
async fn events_taken_before_the_shutdown_are_answered_before_the_close() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let events: Vec<_> = (0..30).map(|n| note(1, &n.to_string())).collect();
    let messages = events.iter().map(|event| format!(r#"["EVENT",{event}]"#));
    client.say_all(messages.collect::<Vec<_>>()).await;
    assert_eq!(client.hear().await[0], "OK");
    relay.drain.begin();
    let (answers, close) = client.hear_close().await;
    assert!(
        answers.iter().all(|answer| answer.contains(",true,")),
        "{answers:?}"
    );
    assert_eq!(close.unwrap().code, CloseCode::Restart);
    // No OK without its event, and nothing that was stored is unanswered unless it was never read.
    assert!(relay.store.status().events > answers.len() as u64);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let relay = TestRelay::start();
    for polite in [true, false] {
        let mut client = relay.connect().await;
        client.stored("a", "{}").await;
        client.stored("b", r#"{"kinds":[1]}"#).await;
        assert_eq!(relay.metrics.active_subscriptions.get(), 2);
        if polite {
            client.socket.close(None).await.unwrap();
        }
        drop(client);
        let begin = std::time::Instant::now();
        while relay.metrics.active_subscriptions.get() > 0 {
            assert!(begin.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", "{}").await;
    let note = note(1, "x");
    alice.publish(&note).await;
    bob.hear_until("EVENT").await;
    alice.publish(&note).await;
    alice.publish(&event(1, 1, &[&["-"]], "")).await;
    alice
        .publish(&super::support::note(1, "before").replace("before", "after"))
        .await;
    let text = relay.metrics.render(&relay.store.status());
    for line in [
        "nostr_relay_events_received_total{kind=\"1\"} 4",
        "nostr_relay_events_stored_total{kind=\"1\"} 1",
        "nostr_relay_events_rejected_total{reason=\"auth-required\"} 1",
        "nostr_relay_events_rejected_total{reason=\"invalid\"} 1",
        "nostr_relay_duplicates_total 1",
        "nostr_relay_deliveries_total 1",
        "nostr_relay_active_subscriptions 1",
        "nostr_relay_event_count 1",
        "nostr_relay_query_duration_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
