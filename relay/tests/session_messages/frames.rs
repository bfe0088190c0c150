//! Frames, sizes and pings: what is no message, and what ends a connection.

use super::support::*;
use futures::SinkExt;
use nostr_fleet_relay::session::Pace;
use relay_config::Bounded;
use serde_json::json;
use std::time::Duration;
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
