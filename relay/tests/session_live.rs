//! Stored and live events meet without a gap, slow readers hurt nobody else, and full queues hold back who fills them.

#![allow(clippy::unwrap_used)] // a test may end with a panic

mod support;

use nostr_fleet_relay::session::Pace;
use relay_config::Bounded;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use support::*;
use tokio::time::timeout;

/// How often each event was heard on one subscription.
type Heard = HashMap<String, usize>;

/// Listens to several subscriptions until each has heard `total` events, and a little longer for those heard twice.
async fn listen(client: &mut Client, names: &[String], total: usize) -> HashMap<String, Heard> {
    let mut heard: HashMap<String, Heard> = HashMap::new();
    loop {
        let complete = names
            .iter()
            .all(|name| heard.get(name).is_some_and(|heard| heard.len() >= total));
        let patience = if complete { QUIET } else { PATIENCE };
        let Ok(message) = timeout(patience, client.hear()).await else {
            return heard;
        };
        if message[0] == "EVENT" {
            let name = message[1].as_str().unwrap().to_owned();
            let id = message[2]["id"].as_str().unwrap().to_owned();
            *heard.entry(name).or_default().entry(id).or_default() += 1;
        }
    }
}

/// Readers subscribe at many moments of a stream of events: each hears all of them, stored or live, and each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_comes_twice_while_events_arrive() {
    const EVENTS: usize = 400;
    let relay = TestRelay::start();
    let mut publisher = relay.connect().await;
    let events: Vec<_> = (0..EVENTS)
        .map(|n| note(n as u64 % 7, &n.to_string()))
        .collect();
    let expected: Heard = events.iter().map(|event| (id(event), 1)).collect();

    let mut readers = Vec::new();
    for reader in 0..6_u64 {
        let address = relay.address;
        readers.push(tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            let names: Vec<_> = (0..8).map(|n| format!("{reader}-{n}")).collect();
            for (number, name) in names.iter().enumerate() {
                tokio::time::sleep(Duration::from_millis(reader * 3 + number as u64 * 11)).await;
                let filters = match number % 3 {
                    0 => "{}",
                    1 => r#"{"kinds":[1]},{"kinds":[1,2]}"#,
                    _ => r#"{"since":1},{"kinds":[1],"limit":450}"#,
                };
                client.say(format!(r#"["REQ","{name}",{filters}]"#)).await;
            }
            listen(&mut client, &names, EVENTS).await
        }));
    }
    for portion in events.chunks(16) {
        publisher.publish_all(portion).await;
    }
    for reader in readers {
        let heard = reader.await.unwrap();
        assert_eq!(heard.len(), 8);
        for (name, heard) in heard {
            assert_eq!(heard.len(), EVENTS, "{name} lost some");
            assert_eq!(heard, expected, "{name} heard some twice");
        }
    }
}

#[tokio::test]
async fn a_subscription_hears_an_event_once_though_several_filters_match() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    let author = format!(r#"{{"authors":["{}"]}}"#, pubkey(1));
    let filters = format!(r#"{{}},{{"kinds":[1]}},{author}"#);
    let stored = note(1, "stored");
    assert!(alice.publish(&stored).await.0);
    assert_eq!(bob.stored("s", &filters).await.0.len(), 1);
    bob.stored("t", &filters).await;
    let live = note(1, "live");
    assert!(alice.publish(&live).await.0);
    let mut heard = vec![bob.hear().await[1].clone(), bob.hear().await[1].clone()];
    heard.sort_by_key(Value::to_string);
    assert_eq!(heard, [json!("s"), json!("t")]);
    bob.hears_nothing().await;
}

#[tokio::test]
async fn live_filters_look_at_every_field_and_ignore_the_limit() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    let wanted = event(1, 1, &[&["t", "cats"], &["t", "dogs"]], "");
    let filter = format!(
        r##"{{"authors":["{}"],"kinds":[1],"#t":["dogs"],"since":{},"limit":1}}"##,
        pubkey(1),
        now() - 100,
    );
    bob.stored("s", &filter).await;
    for unwanted in [
        event(2, 1, &[&["t", "dogs"]], ""),
        event(1, 2, &[&["t", "dogs"]], ""),
        event(1, 1, &[&["t", "cats"]], ""),
        event(1, 1, &[&["T", "dogs"]], ""),
        event_at(1, 1, now() - 200, ""),
    ] {
        assert!(alice.publish(&unwanted).await.0);
    }
    bob.hears_nothing().await;
    let second = event(1, 1, &[&["t", "dogs"]], "second");
    for event in [&wanted, &second] {
        assert!(alice.publish(event).await.0);
        assert_eq!(bob.hear_text().await, format!(r#"["EVENT","s",{event}]"#));
    }
}

fn large(author: u64, number: usize) -> String {
    note(author, &format!("{number} {}", "x".repeat(20_000)))
}

/// The client does not read while its stored events are sent, and more arrives than a buffer holds: it is read from the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buffer_that_overflows_is_refilled_from_the_log() {
    let relay = TestRelay::start();
    let (mut publisher, mut reader) = (relay.connect().await, relay.connect().await);
    let stored: Vec<_> = (0..80).map(|n| large(1, n)).collect();
    publisher.publish_all(&stored).await;
    reader.say(r#"["REQ","s",{}]"#).await;
    tokio::time::sleep(QUIET).await;
    let live: Vec<_> = (100..150).map(|n| large(2, n)).collect();
    publisher.publish_all(&live).await;
    tokio::time::sleep(QUIET).await;

    let before = reader.hear_until("EOSE").await;
    assert_eq!(before.len(), stored.len() + 1);
    let mut heard = Vec::new();
    for _ in 0..live.len() {
        heard.push(reader.hear().await[2]["id"].clone());
    }
    let expected: Vec<_> = live.iter().map(|event| json!(id(event))).collect();
    assert_eq!(heard, expected);
    reader.hears_nothing().await;
    let after = note(3, "after");
    publisher.publish(&after).await;
    assert_eq!(
        reader.hear_text().await,
        format!(r#"["EVENT","s",{after}]"#)
    );
    assert_eq!(relay.metrics.slow_readers_dropped.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_dropped_and_nobody_else_notices() {
    let relay = TestRelay::start();
    let (mut publisher, mut slow) = (relay.connect().await, relay.connect().await);
    slow.stored("s", "{}").await;
    let address = relay.address;
    let quick = tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        client.say(r#"["REQ","q",{}]"#).await;
        listen(&mut client, &["q".to_owned()], 280).await
    });
    let events: Vec<_> = (0..280).map(|n| large(1, n)).collect();
    publisher.publish_all(&events).await;
    let heard = quick.await.unwrap();
    assert_eq!(heard["q"].len(), events.len());
    assert_eq!(relay.metrics.slow_readers_dropped.get(), 1);
    assert_eq!(
        publisher.publish(&note(1, "still here")).await,
        (true, String::new())
    );
    let mut read = 0;
    while let Ok(message) = timeout(PATIENCE, futures::StreamExt::next(&mut slow.socket)).await {
        match message {
            Some(Ok(_)) => read += 1,
            Some(Err(_)) | None => break,
        }
    }
    assert!(read < events.len(), "the slow reader got everything");
}

/// Who sends without reading is held back by its own socket, and finds every answer when it reads at last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_its_answers_is_not_read_either() {
    use futures::{SinkExt, StreamExt};
    let relay = TestRelay::start();
    let (mut writer, mut reader) = relay.connect().await.socket.split();
    let refused = tokio_tungstenite::tungstenite::Message::text(r#"["REQ","s",{"ids":"x"}]"#);
    let mut sent = 0;
    while timeout(Duration::from_millis(500), writer.send(refused.clone()))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 1_000_000, "the relay reads on and on");
    }
    // The one that was held up is sent too.
    let held_up = tokio::spawn(async move { writer.flush().await.map(|()| writer) });
    for number in 0..=sent {
        let answer = timeout(PATIENCE, reader.next())
            .await
            .expect("an answer is missing");
        assert!(answer.unwrap().unwrap().is_text(), "{number}");
    }
    drop(held_up.await.unwrap().unwrap());
}

#[tokio::test]
async fn the_first_live_event_goes_at_once_and_those_that_follow_keep_each_other_company() {
    let pace = Pace {
        rest: Duration::from_millis(300),
        ..Pace::default()
    };
    let relay = TestRelay::start_with(|_| {}, pace);
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", "{}").await;
    let begin = std::time::Instant::now();
    alice.publish(&note(1, "first")).await;
    bob.hear_until("EVENT").await;
    let first = begin.elapsed();
    alice.publish(&note(1, "second")).await;
    alice.publish(&note(1, "third")).await;
    bob.hear_until("EVENT").await;
    let second = begin.elapsed();
    bob.hear_until("EVENT").await;
    assert!(first < Duration::from_millis(200), "{first:?}");
    assert!(second >= Duration::from_millis(290), "{second:?}");
    assert!(begin.elapsed() < second + Duration::from_millis(100));
}

#[tokio::test]
async fn what_takes_too_long_is_cut_with_a_hint_and_goes_live() {
    let relay = TestRelay::limited(|hot| {
        hot.limits.query_time = "0s".parse().unwrap();
        hot.limits.limit = Bounded::new(5000);
    });
    let mut client = relay.connect().await;
    let events: Vec<_> = (0..30).map(|n| large(1, n)).collect();
    client.publish_all(&events).await;
    let (stored, hint) = client.stored("s", "{}").await;
    assert!(stored.len() < events.len());
    assert_eq!(hint, "more");
    let live = note(2, "live");
    client.say(format!(r#"["EVENT",{live}]"#)).await;
    let mut heard = [
        client.hear().await[0].clone(),
        client.hear().await[0].clone(),
    ];
    heard.sort_by_key(Value::to_string);
    assert_eq!(heard, [json!("EVENT"), json!("OK")]);
}
