//! The shortest way through: EVENT, REQ, EOSE, CLOSE, OK over a real WebSocket.

mod support;

use serde_json::json;
use support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_stored_answered_found_again_and_heard_live() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    let (events, hint) = bob.stored("all", "{}").await;
    assert_eq!((events.len(), hint.as_str()), (0, "finish"));

    let note = note(1, "hello");
    assert_eq!(alice.publish(&note).await, (true, String::new()));
    assert_eq!(bob.hear_text().await, format!(r#"["EVENT","all",{note}]"#));

    bob.say(r#"["CLOSE","all"]"#).await;
    let (events, hint) = bob.stored("again", r#"{"kinds":[1]}"#).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["id"], json!(id(&note)));
    assert_eq!(hint, "finish");
    bob.say(r#"["CLOSE","again"]"#).await;
    alice.publish(&support::note(1, "not heard")).await;
    bob.hears_nothing().await;
}
