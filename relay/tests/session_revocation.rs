//! Rights that end while a connection is open (docs/relay.md, "When rights change"): who lost the right to read gets nothing more,
//! whatever waited for it; everybody else notices nothing.

#![allow(clippy::unwrap_used)] // a test may end with a panic

mod support;

use nostr_fleet_relay::{clock::ManualClock, session::Pace, sign::Signer};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use support::*;

/// A `hot` section in which only these authors may read.
fn readers(authors: &[u64]) -> String {
    let keys: Vec<_> = authors
        .iter()
        .map(|it| format!("'{}'", pubkey(*it)))
        .collect();
    format!(
        "{{access: {{read: {{mode: Allow, pubkeys: [{}]}}}}}}",
        keys.join(", ")
    )
}

fn writers(authors: &[u64]) -> String {
    readers(authors).replace("read:", "write:")
}

fn is_closed(message: &Value, subscription: &str, word: &str) -> bool {
    let text = message[2].as_str().unwrap_or_default();
    message[0] == "CLOSED" && message[1] == subscription && text.starts_with(&format!("{word}: "))
}

#[tokio::test]
async fn who_loses_the_right_to_read_gets_closed_and_keeps_the_connection_and_others_notice_nothing()
 {
    let relay = TestRelay::configured(&readers(&[1, 2]));
    let mut publisher = relay.connect().await;
    let (mut stays, mut goes) = (relay.connect_as(&[1]).await, relay.connect_as(&[2]).await);
    for client in [&mut stays, &mut goes] {
        client.stored("a", "{}").await;
        client.stored("b", r#"{"kinds":[1]}"#).await;
    }
    relay.swap(&readers(&[1]));
    for subscription in ["a", "b"] {
        let closed = goes.hear().await;
        assert!(is_closed(&closed, subscription, "restricted"), "{closed}");
    }
    stays.hears_nothing().await;
    let event = note(9, "after");
    assert!(publisher.publish(&event).await.0);
    assert_eq!(stays.hear_until("EVENT").await.len(), 1);
    assert_eq!(stays.hear_until("EVENT").await.len(), 1);
    goes.hears_nothing().await;
    for verb in ["REQ", "COUNT"] {
        goes.say(format!(r#"["{verb}","c",{{}}]"#)).await;
        let closed = goes.hear().await;
        assert!(is_closed(&closed, "c", "restricted"), "{closed}");
    }
    assert!(goes.publish(&note(2, "who may still write")).await.0);
    assert_eq!(relay.metrics.active_subscriptions.get(), 2);
}

#[tokio::test]
async fn who_gets_the_right_back_may_ask_again_and_what_was_closed_stays_closed() {
    let relay = TestRelay::configured(&readers(&[2]));
    let (mut publisher, mut client) = (relay.connect().await, relay.connect_as(&[2]).await);
    client.stored("old", "{}").await;
    relay.swap(&readers(&[1]));
    assert!(is_closed(&client.hear().await, "old", "restricted"));
    relay.swap(&readers(&[1, 2]));
    assert!(publisher.publish(&note(9, "a")).await.0);
    client.hears_nothing().await;
    assert_eq!(client.stored("new", "{}").await.0.len(), 1);
    let live = note(9, "b");
    assert!(publisher.publish(&live).await.0);
    assert_eq!(
        client.hear_text().await,
        format!(r#"["EVENT","new",{live}]"#)
    );
}

#[tokio::test]
async fn who_never_said_who_they_are_is_asked_when_a_list_begins_to_decide() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    client.stored("s", "{}").await;
    relay.swap(&readers(&[1]));
    assert!(is_closed(&client.hear().await, "s", "auth-required"));
    assert!(client.prove(1).await.0);
    client.stored("s", "{}").await;
    relay.swap(&format!(
        "{{access: {{banned: {{pubkeys: ['{}']}}}}}}",
        pubkey(1)
    ));
    assert!(is_closed(&client.hear().await, "s", "blocked"));
}

#[tokio::test]
async fn auth_that_is_required_from_now_on_is_required_of_open_subscriptions_too() {
    let relay = TestRelay::start();
    let (mut anonymous, mut known) = (relay.connect().await, relay.connect_as(&[1]).await);
    for client in [&mut anonymous, &mut known] {
        client.stored("s", "{}").await;
    }
    relay.swap("{auth: {required: Write}}");
    anonymous.hears_nothing().await;
    relay.swap("{auth: {required: Read}}");
    assert!(is_closed(&anonymous.hear().await, "s", "auth-required"));
    known.hears_nothing().await;
}

fn large(author: u64, number: usize) -> String {
    note(author, &format!("{number} {}", "x".repeat(20_000)))
}

/// What a client that did not read finds when it reads at last: the events, and what came behind them.
async fn read_to_the_end(client: &mut Client) -> (usize, Vec<Value>) {
    let (mut events, mut rest) = (0, Vec::new());
    while let Ok(message) = tokio::time::timeout(QUIET * 4, client.hear()).await {
        if message[0] == "EVENT" {
            assert!(rest.is_empty(), "an event behind {rest:?}");
            events += 1;
        } else {
            rest.push(message);
        }
    }
    (events, rest)
}

/// Events of 20 KB that fit into the sockets of both sides, the write buffer, and the frame that did not fit any more.
const ON_ITS_WAY: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_with_a_full_outbox_gets_nothing_that_waited_for_it() {
    const EVENTS: usize = 100;
    let relay = TestRelay::configured(&readers(&[1, 2]));
    let mut publisher = relay.connect().await;
    let (mut stays, mut goes) = (relay.connect_as(&[1]).await, relay.connect_as(&[2]).await);
    for client in [&mut stays, &mut goes] {
        client.stored("s", "{}").await;
    }
    // Neither reads.
    let events: Vec<_> = (0..EVENTS).map(|number| large(9, number)).collect();
    publisher.publish_all(&events).await;
    tokio::time::sleep(QUIET).await;
    relay.swap(&readers(&[1]));
    assert!(publisher.publish(&note(9, "after")).await.0);
    let (heard, rest) = read_to_the_end(&mut goes).await;
    assert!(heard <= ON_ITS_WAY, "{heard} events were sent");
    assert!(
        rest.len() == 1 && is_closed(&rest[0], "s", "restricted"),
        "{rest:?}"
    );
    let (heard, rest) = read_to_the_end(&mut stays).await;
    assert_eq!((heard, rest.len()), (EVENTS + 1, 0));
    goes.say("ping").await;
    assert_eq!(goes.hear_text().await, "pong");
    assert_eq!(relay.metrics.slow_readers_dropped.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_under_way_ends_with_the_right_to_read_and_has_no_eose() {
    let relay = TestRelay::configured(&readers(&[2]));
    let (mut publisher, mut client) = (relay.connect().await, relay.connect_as(&[2]).await);
    let events: Vec<_> = (0..100).map(|number| large(9, number)).collect();
    publisher.publish_all(&events).await;
    client.say(r#"["REQ","s",{}]"#).await;
    tokio::time::sleep(QUIET).await;
    relay.swap(&readers(&[1]));
    let (heard, rest) = read_to_the_end(&mut client).await;
    assert!(heard <= ON_ITS_WAY, "{heard} events were sent");
    assert!(
        rest.len() == 1 && is_closed(&rest[0], "s", "restricted"),
        "{rest:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eose_and_a_count_that_wait_for_a_client_are_not_sent_to_one_that_may_not_read() {
    let relay = TestRelay::configured(&readers(&[2]));
    let (mut publisher, mut client) = (relay.connect().await, relay.connect_as(&[2]).await);
    let events: Vec<_> = (0..10).map(|number| large(9, number)).collect();
    publisher.publish_all(&events).await;
    client
        .say_all([r#"["REQ","s",{}]"#.into(), r#"["COUNT","n",{}]"#.into()])
        .await;
    let bulk = format!(r#"["REQ","bulk",{{"ids":["{}"]}}]"#, id(&events[0]));
    client.say_all((0..40).map(|_| bulk.clone())).await;
    tokio::time::sleep(QUIET).await;
    relay.swap(&readers(&[1]));
    tokio::time::sleep(QUIET).await;
    let mut eose_after_closed = false;
    let mut closed = false;
    while let Ok(message) = tokio::time::timeout(QUIET * 4, client.hear()).await {
        closed |= message[0] == "CLOSED";
        eose_after_closed |= closed && message[0] != "CLOSED";
    }
    assert!(closed && !eose_after_closed);
}

#[tokio::test]
async fn who_loses_the_right_to_write_is_refused_from_the_next_event_on() {
    let relay = TestRelay::configured(&writers(&[1, 2]));
    let mut client = relay.connect().await;
    assert!(client.publish(&note(2, "a")).await.0);
    relay.swap(&writers(&[1]));
    let (accepted, verdict) = client.publish(&note(2, "b")).await;
    assert!(
        !accepted && verdict.starts_with("restricted: "),
        "{verdict}"
    );
    assert!(client.publish(&note(1, "c")).await.0);
    assert_eq!(client.stored("s", "{}").await.0.len(), 2);
}

/// Thousands of events are under way when the list is swapped: what was sent after the swap is refused to the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_is_cut_at_the_swap() {
    let relay = TestRelay::configured(&writers(&[1, 2]));
    let (mut reader, mut client) = (relay.connect().await, relay.connect().await);
    let before: Vec<_> = (0..50).map(|n| note(2, &format!("before {n}"))).collect();
    let after: Vec<_> = (0..50).map(|n| note(2, &format!("after {n}"))).collect();
    client
        .say_all(before.iter().map(|it| format!(r#"["EVENT",{it}]"#)))
        .await;
    relay.swap(&writers(&[1]));
    client
        .say_all(after.iter().map(|it| format!(r#"["EVENT",{it}]"#)))
        .await;
    let mut taken = 0;
    for event in &before {
        let (accepted, verdict) = client.hear_ok(event).await;
        assert!(accepted || verdict.starts_with("restricted: "), "{verdict}");
        taken += usize::from(accepted);
    }
    for event in &after {
        assert!(client.hear_ok(event).await.1.starts_with("restricted: "));
    }
    assert_eq!(reader.stored("s", "{}").await.0.len(), taken);
}

/// 2027-01-15, 08:00:00 UTC.
const FRIDAY: u64 = 1_800_000_000;
/// 2027-01-16, 00:00:00 UTC.
const MIDNIGHT: u64 = 1_800_057_600;

async fn prove_at(client: &mut Client, author: u64, now: u64) {
    let tags: &[&[&str]] = &[&["relay", &client.url], &["challenge", &client.challenge]];
    let auth = Signer::from_seed(author).event(now, 22_242, tags, "");
    assert_eq!(client.authenticate(&auth).await, (true, String::new()));
}

fn guests() -> String {
    let until = format!("['{} until 2027-01-16', '{}']", pubkey(2), pubkey(1));
    format!(
        "{{access: {{read: {{mode: Allow, pubkeys: {until}}}, write: {{mode: Allow, pubkeys: {until}}}}}}}"
    )
}

#[tokio::test]
async fn an_entry_ends_by_itself_at_its_date() {
    let clock = Arc::new(ManualClock::at(FRIDAY));
    let change = |it: &mut relay_config::Hot| *it = hot(&guests());
    let relay = TestRelay::start_at(change, Pace::default(), Arc::clone(&clock) as Arc<_>);
    let (mut resident, mut guest) = (relay.connect().await, relay.connect().await);
    prove_at(&mut resident, 1, FRIDAY).await;
    prove_at(&mut guest, 2, FRIDAY).await;
    for client in [&mut resident, &mut guest] {
        client.stored("s", "{}").await;
    }
    clock.set(MIDNIGHT - 1);
    let last = relay.shared.look_at_dates(FRIDAY);
    guest.hears_nothing().await;
    assert!(
        guest
            .publish(&event_at(2, 1, MIDNIGHT - 1, "still here"))
            .await
            .0
    );
    guest.hear_until("EVENT").await;
    resident.hear_until("EVENT").await;
    clock.set(MIDNIGHT);
    relay.shared.look_at_dates(last);
    assert!(is_closed(&guest.hear().await, "s", "restricted"));
    let refused = guest.publish(&event_at(2, 1, MIDNIGHT, "too late")).await;
    assert!(refused.1.starts_with("restricted: "), "{}", refused.1);
    resident.hears_nothing().await;
}

#[tokio::test]
async fn somebody_looks_at_the_dates_all_the_time() {
    let clock = Arc::new(ManualClock::at(FRIDAY));
    let change = |it: &mut relay_config::Hot| *it = hot(&guests());
    let relay = TestRelay::start_at(change, Pace::default(), Arc::clone(&clock) as Arc<_>);
    tokio::spawn(Arc::clone(&relay.shared).watch_dates());
    let mut guest = relay.connect().await;
    prove_at(&mut guest, 2, FRIDAY).await;
    guest.stored("s", "{}").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    clock.set(MIDNIGHT + 5);
    assert!(is_closed(&guest.hear().await, "s", "restricted"));
}

#[tokio::test]
async fn a_goodbye_tells_those_who_lost_their_rights_nothing_else() {
    let relay = TestRelay::configured(&readers(&[2]));
    let mut client = relay.connect_as(&[2]).await;
    client.stored("s", "{}").await;
    relay.swap(&readers(&[1]));
    relay.drain.begin();
    let (texts, close) = client.hear_close().await;
    assert_eq!(close.unwrap().reason.as_str(), "shutting down");
    let closed: Value = serde_json::from_str(&texts[0]).unwrap();
    assert_eq!((texts.len(), &closed[1]), (1, &json!("s")));
}

/// Half of the clients may read, then the other half, thirty times: nobody is dropped, and each side gets its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_live_through_thirty_rotations() {
    let relay = TestRelay::configured(&readers(&[0]));
    let mut publisher = relay.connect().await;
    let mut sides = [Vec::new(), Vec::new()];
    for number in 0..200 {
        let side = number % 2;
        sides[side].push(relay.connect_as(&[side as u64]).await);
    }
    for client in &mut sides[0] {
        client.stored("s", r#"{"limit":0}"#).await;
    }
    let mut took = Vec::new();
    for rotation in 0..30 {
        let (goes, comes) = (rotation % 2, (rotation + 1) % 2);
        let begin = Instant::now();
        relay.swap(&readers(&[comes as u64]));
        for client in &mut sides[goes] {
            let closed = client.hear().await;
            assert!(is_closed(&closed, "s", "restricted"), "{closed}");
        }
        took.push(begin.elapsed());
        for client in &mut sides[comes] {
            client.stored("s", r#"{"limit":0}"#).await;
        }
        let event = note(9, &rotation.to_string());
        assert!(publisher.publish(&event).await.0);
        for client in &mut sides[comes] {
            assert_eq!(
                client.hear_text().await,
                format!(r#"["EVENT","s",{event}]"#)
            );
        }
    }
    took.sort();
    println!(
        "from swap to the last of 100 CLOSED: p50 {:?}, worst {:?}",
        took[15], took[29]
    );
    for client in sides.iter_mut().flatten() {
        client.say("ping").await;
        assert_eq!(client.hear_text().await, "pong");
    }
}
