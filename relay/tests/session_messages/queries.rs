//! REQ, COUNT and CLOSE: the order of what is stored, hints, bad filters, bounds.

use super::support::*;
use relay_config::Bounded;
use serde_json::json;

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
    // Each weighs ten: six values, and four for the filter.
    let values = |first: usize| {
        let kinds: Vec<_> = (first..first + 6).map(|kind| kind.to_string()).collect();
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
