//! Signals: goodbyes in turn, and how soon it is over.

use super::common::{
    body,
    process::{Relay, block_on, eventually},
};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

#[test]
fn sigterm_says_goodbye_to_each_client_in_its_turn() {
    let mut relay = Relay::start("version: 1\n", &["--grace", "2s"]);
    block_on(async {
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = relay.connect().await;
            client.send(r#"["REQ","mine",{"kinds":[1]}]"#).await;
            assert_eq!(client.answer().await[0], "EOSE");
            clients.push(client);
        }
        relay.signal(Signal::TERM);
        let begin = Instant::now();
        let goodbyes = futures::future::join_all(clients.iter_mut().map(|client| async {
            assert_eq!(
                client.answer().await,
                json!(["CLOSED", "mine", "error: shutting down"])
            );
            match client.next().await {
                Some(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Restart),
                other => panic!("{other:?} instead of close 1012"),
            }
            begin.elapsed()
        }));
        let mut after = goodbyes.await;
        after.sort_unstable();
        assert!(
            after[7] > after[0] + Duration::from_millis(500),
            "spread: {after:?}"
        );
        assert!(
            after[7] < Duration::from_secs(2),
            "within the grace period: {after:?}"
        );
    });
    assert_eq!(relay.ended().code(), Some(0));
}

#[test]
fn a_draining_relay_is_not_ready_and_accepts_nobody() {
    let mut relay = Relay::start("version: 1\n", &["--grace", "3s"]);
    block_on(async {
        let _one = relay.connect().await;
        let _two = relay.connect().await;
        let _three = relay.connect().await;
        relay.signal(Signal::TERM);
        eventually("not ready", || {
            relay.ops("/readyz").starts_with("HTTP/1.1 503")
        });
        assert_eq!(body(&relay.ops("/readyz")), "draining\n");
        assert!(relay.ops("/livez").starts_with("HTTP/1.1 200"));
        assert!(relay.status().draining && !relay.status().ready);
        eventually("connections are refused", || {
            std::net::TcpStream::connect(relay.public).is_err()
        });
    });
    assert_eq!(relay.ended().code(), Some(0));
}

#[test]
fn without_clients_a_stop_is_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut relay = Relay::start("version: 1\n", &["--grace", "60s"]);
        let begin = Instant::now();
        relay.signal(signal);
        assert_eq!(relay.ended().code(), Some(0));
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    }
}

#[test]
fn a_second_signal_ends_the_goodbye() {
    let mut relay = Relay::start("version: 1\n", &["--grace", "60s"]);
    block_on(async {
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(relay.connect().await);
        }
        relay.signal(Signal::INT);
        eventually("draining", || relay.status().draining);
        relay.signal(Signal::INT);
        let begin = Instant::now();
        assert_eq!(relay.ended().code(), Some(0));
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
    });
}
