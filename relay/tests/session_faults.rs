//! Faults seen in relays that people run, as far as sessions can have them.

mod support;

use serde_json::json;
use support::*;

#[tokio::test]
async fn limit_zero_is_answered_and_hears_live_events_only() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    assert!(client.publish(&note(1, "before")).await.0);
    let (stored, hint) = client.stored("s", r#"{"limit":0}"#).await;
    assert_eq!((stored.len(), hint.as_str()), (0, "more"));
    let after = note(1, "after");
    client.say(format!(r#"["EVENT",{after}]"#)).await;
    let heard = client.hear_until("EVENT").await;
    assert_eq!(heard.last().unwrap()[2]["id"], json!(id(&after)));
}

#[tokio::test]
async fn a_repeated_req_runs_the_whole_cycle_again_even_with_the_same_filters() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    assert!(alice.publish(&note(1, "a")).await.0);
    for _ in 0..3 {
        assert_eq!(bob.stored("s", r#"{"kinds":[1]}"#).await.0.len(), 1);
    }
    assert!(bob.stored("s", r#"{"kinds":[2]}"#).await.0.is_empty());
    assert!(alice.publish(&note(1, "b")).await.0);
    bob.hears_nothing().await;
    assert!(alice.publish(&event(1, 2, &[], "c")).await.0);
    bob.hear_until("EVENT").await;
    bob.hears_nothing().await;
}

#[tokio::test]
async fn a_subscription_id_with_quotes_comes_back_as_it_was() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let name = "a\"b\\c\n\u{7f}ü";
    assert!(client.publish(&note(1, "x")).await.0);
    client.say(json!(["REQ", name, {}]).to_string()).await;
    let event = client.hear().await;
    assert_eq!((&event[0], &event[1]), (&json!("EVENT"), &json!(name)));
    assert_eq!(client.hear().await, json!(["EOSE", name, ["finish"]]));
    client.say(json!(["COUNT", name, {}]).to_string()).await;
    assert_eq!(client.hear().await, json!(["COUNT", name, {"count": 1}]));
    client
        .say(json!(["REQ", name, {"#zz": []}]).to_string())
        .await;
    assert_eq!(client.hear().await[1], json!(name));
}

#[tokio::test]
async fn a_req_for_ids_is_never_closed_and_finish_says_that_it_is_complete() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let note = note(1, "x");
    assert!(client.publish(&note).await.0);
    let ids = format!(r#"{{"ids":["{}"]}}"#, id(&note));
    let (stored, hint) = client.stored("s", &ids).await;
    assert_eq!((stored.len(), hint.as_str()), (1, "finish"));
    client.hears_nothing().await;
}

#[tokio::test]
async fn ids_that_are_no_list_are_not_taken_for_no_ids() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    assert!(client.publish(&note(1, "x")).await.0);
    client.say(r#"["REQ","s",{"ids":"x"}]"#).await;
    assert_eq!(client.hear().await[0], "CLOSED");
    assert!(client.stored("s", r#"{"ids":[]}"#).await.0.is_empty());
    client.hears_nothing().await;
}

#[tokio::test]
async fn upper_case_hex_and_unknown_tags_are_refused_instead_of_matching() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for filter in [
        format!(r#"{{"authors":["{}"]}}"#, "AB".repeat(32)),
        format!(r#"{{"ids":["{}"]}}"#, "AB".repeat(32)),
        format!(r#"{{"authors":["{}"]}}"#, "ab".repeat(8)),
        r##"{"#emoji":["x"]}"##.to_owned(),
    ] {
        client.say(format!(r#"["REQ","s",{filter}]"#)).await;
        assert_eq!(client.hear().await[0], "CLOSED", "{filter}");
    }
}

#[tokio::test]
async fn kind_65537_is_not_kind_1() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    assert!(client.publish(&note(1, "x")).await.0);
    let (stored, hint) = client.stored("s", r#"{"kinds":[65537]}"#).await;
    assert_eq!((stored.len(), hint.as_str()), (0, "finish"));
}

#[tokio::test]
async fn every_value_of_a_tag_filter_counts() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for tag in ["x", "y", "z"] {
        assert!(client.publish(&event(1, 1, &[&["t", tag]], "")).await.0);
    }
    assert_eq!(client.stored("s", r##"{"#t":["x","y"]}"##).await.0.len(), 2);
}

#[tokio::test]
async fn an_event_is_served_with_the_very_bytes_that_were_sent() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let odd = note(
        1,
        "DEL \u{7f}, \u{2028}, tab \t, quote \", NUL \u{0}, emoji 🦀",
    );
    assert!(client.publish(&odd).await.0);
    client.say(r#"["REQ","s",{}]"#).await;
    assert_eq!(client.hear_text().await, format!(r#"["EVENT","s",{odd}]"#));
}

#[tokio::test]
async fn long_d_values_do_not_replace_each_other() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let d = |end: &str| format!("{}{end}", "d".repeat(300));
    for end in ["a", "b"] {
        assert!(
            client
                .publish(&event(1, 30_023, &[&["d", &d(end)]], ""))
                .await
                .0
        );
    }
    assert_eq!(client.stored("s", r#"{"kinds":[30023]}"#).await.0.len(), 2);
}

#[tokio::test]
async fn deep_nesting_is_refused_and_ends_nothing() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for text in [
        "[".repeat(100_000),
        format!(r#"["REQ","s",{}"#, "[".repeat(100_000)),
        format!(r#"["EVENT",{}"#, r#"{"a":"#.repeat(40_000)),
        format!(r#"["FOO",{}]"#, "[".repeat(100_000)),
    ] {
        client.say(text).await;
        let heard = client.hear().await;
        assert!(heard[0] == "NOTICE" || heard[0] == "CLOSED", "{heard}");
    }
    assert_eq!(client.stored("s", "{}").await.1, "finish");
}
