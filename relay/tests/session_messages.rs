//! Every kind of message and what is answered (NIP-01, NIP-45, NIP-67): what is taken, and what is refused.

mod support;

use futures::SinkExt;
use nostr_fleet_relay::{session::Pace, sign::Signer};
use relay_config::Bounded;
use serde_json::json;
use std::time::Duration;
use support::*;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{CloseCode, Data, OpCode},
    },
};

#[tokio::test]
async fn what_is_no_message_gets_a_notice_and_the_connection_stays() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for text in [
        "hello",
        "{}",
        "[]",
        "[1]",
        r#"["EVENT""#,
        r#"["REQ"]"#,
        "ping ",
    ] {
        client.say(text).await;
        let notice = client.hear().await;
        assert_eq!(notice[0], "NOTICE", "{text}");
        assert!(
            notice[1].as_str().unwrap().starts_with("invalid: "),
            "{notice}"
        );
    }
    assert_eq!(client.stored("s", "{}").await.1, "finish");
}

#[tokio::test]
async fn twenty_in_a_row_that_are_no_messages_end_the_connection() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for _ in 0..2 {
        for _ in 0..19 {
            client.say("nonsense").await;
            client.hear_until("NOTICE").await;
        }
        client.say(r#"["CLOSE","x"]"#).await;
    }
    for _ in 0..20 {
        client.say("nonsense").await;
    }
    let (notices, close) = client.hear_close().await;
    assert_eq!(notices.len(), 20);
    assert_eq!(close.unwrap().code, CloseCode::Policy);
}

#[tokio::test]
async fn the_text_ping_is_answered_and_an_empty_one_is_not() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    client.say("").await;
    client.say("\n").await;
    client.say("ping").await;
    assert_eq!(client.hear_text().await, "pong");
    client.hears_nothing().await;
}

#[tokio::test]
async fn an_unknown_verb_is_named_in_a_notice() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for verb in ["EVENTS", "NEG-OPEN", "event"] {
        client.say(format!(r#"["{verb}","x",{{}}]"#)).await;
        assert_eq!(
            client.hear().await,
            json!(["NOTICE", format!("unsupported: {verb}")])
        );
    }
}

#[tokio::test]
async fn a_binary_frame_closes_the_connection_and_is_not_processed() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let event = format!(r#"["EVENT",{}]"#, note(1, "binary"));
    client
        .socket
        .send(Message::binary(event.into_bytes()))
        .await
        .unwrap();
    let (texts, close) = client.hear_close().await;
    assert!(texts.is_empty(), "{texts:?}");
    assert_eq!(close.unwrap().code, CloseCode::Unsupported);
    assert!(relay.connect().await.stored("s", "{}").await.0.is_empty());
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_closes_the_connection() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let frame = Frame::message(&b"[\"CLOSE\",\"\xff\"]"[..], OpCode::Data(Data::Text), true);
    client.socket.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(
        client.hear_close().await.1.unwrap().code,
        CloseCode::Invalid
    );
}

#[tokio::test]
async fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let close = r#"["CLOSE","x"]"#;
    let padded = |bytes: usize| format!("{close}{}", " ".repeat(bytes - close.len()));
    client.say(padded(262_144)).await;
    client.say("ping").await;
    assert_eq!(client.hear_text().await, "pong");
    client.say(padded(262_145)).await;
    let (texts, close) = client.hear_close().await;
    assert_eq!(texts, [r#"["NOTICE","invalid: message too large"]"#]);
    assert_eq!(close.unwrap().code, CloseCode::Size);
}

#[tokio::test]
async fn a_lowered_message_limit_holds_on_open_connections() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    client.say(format!("{:2000}", r#"["CLOSE","x"]"#)).await;
    client.say("ping").await;
    assert_eq!(client.hear_text().await, "pong");
    let mut hot = (*relay.hot.load_full()).clone();
    hot.limits.message_bytes = Bounded::new(1024);
    relay.hot.store(hot.into());
    client.say("ping").await;
    assert_eq!(client.hear_text().await, "pong");
    client.say(format!("{:2000}", r#"["CLOSE","x"]"#)).await;
    assert_eq!(client.hear_close().await.1.unwrap().code, CloseCode::Size);
}

#[tokio::test]
async fn a_websocket_ping_is_answered_with_its_payload() {
    use futures::StreamExt;
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    client
        .socket
        .send(Message::Ping("abc".into()))
        .await
        .unwrap();
    let pong = client.socket.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("abc".into()));
}

fn pinging() -> Pace {
    Pace {
        ping: Duration::from_millis(60),
        ..Pace::default()
    }
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let relay = TestRelay::start_with(|_| {}, pinging());
    let mut client = relay.connect().await;
    for _ in 0..4 {
        // Reading answers pings.
        client.hears_nothing().await;
    }
    client.say("ping").await;
    assert_eq!(client.hear_text().await, "pong");
}

#[tokio::test]
async fn a_client_that_leaves_two_pings_unanswered_is_dropped() {
    use futures::StreamExt;
    let relay = TestRelay::start_with(|_| {}, pinging());
    let mut client = relay.connect().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut pings = 0;
    while let Some(Ok(message)) = client.socket.next().await {
        assert!(message.is_ping(), "{message:?}");
        pings += 1;
    }
    assert_eq!(pings, 2);
}

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
    let again = alice.publish(&note(1, "mine")).await;
    assert!(again.0 || again.1.starts_with("blocked: "), "{again:?}");
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

#[tokio::test]
async fn stored_events_come_newest_first_and_ties_by_lowest_id() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let start = now() - 1000;
    let mut events: Vec<_> = (0..40)
        .map(|n| event_at(1, 1, start + n / 4, &n.to_string()))
        .collect();
    client.publish_all(&events).await;
    let (stored, _) = client.stored("s", r#"{"kinds":[1]}"#).await;
    events.sort_by_key(|event| {
        let read: serde_json::Value = serde_json::from_str(event).unwrap();
        (std::cmp::Reverse(read["created_at"].as_u64()), id(event))
    });
    let expected: Vec<_> = events.iter().map(|event| json!(id(event))).collect();
    let stored: Vec<_> = stored.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn the_hint_says_whether_a_limit_cut_the_answer() {
    let relay = TestRelay::limited(|hot| hot.limits.limit = Bounded::new(3));
    let mut client = relay.connect().await;
    let events: Vec<_> = (0..5).map(|n| note(1, &n.to_string())).collect();
    client.publish_all(&events).await;
    let asked = async |client: &mut Client, filters: &str| {
        let (events, hint) = client.stored("s", filters).await;
        (events.len(), hint)
    };
    assert_eq!(asked(&mut client, "{}").await, (3, "more".into()));
    assert_eq!(
        asked(&mut client, r#"{"limit":5000}"#).await,
        (3, "more".into())
    );
    assert_eq!(
        asked(&mut client, r#"{"limit":2}"#).await,
        (2, "more".into())
    );
    let one = format!(r#"{{"ids":["{}"]}}"#, id(&events[0]));
    assert_eq!(asked(&mut client, &one).await, (1, "finish".into()));
    assert_eq!(
        asked(&mut client, r#"{"kinds":[2]}"#).await,
        (0, "finish".into())
    );
}

#[tokio::test]
async fn a_req_with_a_bad_filter_is_closed_and_one_without_a_usable_id_gets_a_notice() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for (filter, prefix) in [
        ("", "invalid: "),
        (",1", "invalid: "),
        (r#",{"ids":"x"}"#, "invalid: "),
        (r#",{"kinds":[-1]}"#, "invalid: "),
        (r##",{"#e":["xyz"]}"##, "invalid: "),
        (r##",{"#alt":["x"]}"##, "unsupported: "),
        (r#",{"search":"x"}"#, "unsupported: "),
    ] {
        client.say(format!(r#"["REQ","s"{filter}]"#)).await;
        let closed = client.hear().await;
        assert_eq!(
            (&closed[0], &closed[1]),
            (&json!("CLOSED"), &json!("s")),
            "{filter}"
        );
        assert!(closed[2].as_str().unwrap().starts_with(prefix), "{closed}");
    }
    for id in [r#""""#, &format!("{:?}", "x".repeat(65)), "7"] {
        client.say(format!(r#"["REQ",{id},{{}}]"#)).await;
        assert_eq!(client.hear().await[0], "NOTICE", "{id}");
    }
    assert_eq!(client.stored(&"x".repeat(64), "{}").await.1, "finish");
}

#[tokio::test]
async fn one_subscription_too_many_is_closed_and_a_replaced_one_is_not_one_more() {
    let relay = TestRelay::limited(|hot| hot.limits.subscriptions = Bounded::new(2));
    let mut client = relay.connect().await;
    for id in ["a", "b", "b", "a"] {
        client.stored(id, "{}").await;
    }
    client.say(r#"["REQ","c",{}]"#).await;
    let closed = client.hear().await;
    assert_eq!(closed[0], "CLOSED");
    assert!(
        closed[2].as_str().unwrap().starts_with("rate-limited: "),
        "{closed}"
    );
    client.say(r#"["CLOSE","a"]"#).await;
    client.stored("c", "{}").await;
    assert_eq!(relay.metrics.active_subscriptions.get(), 2);
}

#[tokio::test]
async fn the_filters_of_all_open_subscriptions_are_bounded_together() {
    let relay = TestRelay::limited(|hot| hot.limits.filter_values = Bounded::new(10));
    let mut client = relay.connect().await;
    let values = |first: usize| {
        let kinds: Vec<_> = (first..first + 9).map(|kind| kind.to_string()).collect();
        format!(r#"{{"kinds":[{}]}}"#, kinds.join(","))
    };
    for number in 0..20 {
        client.stored(&number.to_string(), &values(number)).await;
    }
    client.say(r#"["REQ","more",{}]"#).await;
    let closed = client.hear().await;
    assert!(
        closed[2].as_str().unwrap().starts_with("rate-limited: "),
        "{closed}"
    );
    client.stored("9", "{}").await;
    client.stored("more", "{}").await;
}

#[tokio::test]
async fn a_client_may_follow_five_hundred_authors_in_each_of_a_hundred_subscriptions() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let authors: Vec<_> = (0..500).map(|n| format!("\"{n:064x}\"")).collect();
    let filter = format!(r#"{{"authors":[{}],"limit":0}}"#, authors.join(","));
    for number in 0..100 {
        client.stored(&number.to_string(), &filter).await;
    }
    assert_eq!(relay.metrics.active_subscriptions.get(), 100);
}

#[tokio::test]
async fn close_is_never_answered() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    client.stored("known", "{}").await;
    for id in ["known", "known", "unknown"] {
        client.say(format!(r#"["CLOSE","{id}"]"#)).await;
    }
    client.hears_nothing().await;
    assert_eq!(relay.metrics.active_subscriptions.get(), 0);
}

#[tokio::test]
async fn count_counts_the_union_of_all_filters() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let mut events: Vec<_> = (0..5).map(|n| note(1, &n.to_string())).collect();
    events.push(event(1, 7, &[], "+"));
    client.publish_all(&events).await;
    let author = format!(r#"{{"authors":["{}"]}}"#, pubkey(1));
    for (filters, count) in [
        (r#"{"kinds":[1]}"#.to_owned(), 5),
        (format!(r#"{{"kinds":[1]}},{author}"#), 6),
        (r#"{"kinds":[7]},{"kinds":[2]}"#.to_owned(), 1),
        (r#"{"ids":[]}"#.to_owned(), 0),
    ] {
        client.say(format!(r#"["COUNT","c",{filters}]"#)).await;
        assert_eq!(
            client.hear().await,
            json!(["COUNT", "c", {"count": count}]),
            "{filters}"
        );
    }
    client.say(r##"["COUNT","c",{"#alt":["x"]}]"##).await;
    assert_eq!(client.hear().await[0], "CLOSED");
}

#[tokio::test]
async fn a_count_that_is_closed_ends_the_subscription_of_its_id_and_no_other() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for id in ["bad", "many", "other"] {
        client.stored(id, "{}").await;
    }
    client.say(r##"["COUNT","bad",{"#alt":["x"]}]"##).await;
    assert_eq!(client.hear().await[0], "CLOSED");
    assert_eq!(relay.metrics.active_subscriptions.get(), 2);
    // Read at once: they begin in one round, before the first is answered.
    let counts = vec![r#"["COUNT","many",{}]"#.to_owned(); 40];
    client.say_all(counts).await;
    let (mut closed, mut counted) = (0, 0);
    while closed + counted < 40 {
        let answer = client.hear().await;
        match answer[0].as_str().unwrap() {
            "COUNT" => counted += 1,
            _ => closed += u32::from(answer[2].as_str().unwrap().starts_with("rate-limited: ")),
        }
    }
    assert!(closed > 0 && counted >= 16, "{closed} {counted}");
    assert_eq!(relay.metrics.active_subscriptions.get(), 1);
}

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
        .publish(&support::note(1, "before").replace("before", "after"))
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
