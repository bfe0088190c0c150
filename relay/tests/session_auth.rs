//! Who is speaking: AUTH (NIP-42), what only the addressed may see (NIP-17, NIP-59), what only its author may publish
//! (NIP-70): docs/relay.md, "Who is speaking", and the faults of other relays.

mod support;

use nostr_fleet_relay::sign::Signer;
use serde_json::json;
use support::*;

const OPEN: &str = "{}";

fn auth_failures(relay: &TestRelay, reason: &str) -> bool {
    let text = relay
        .metrics
        .render(&relay_config::status::StoreStatus::default());
    text.contains(&format!("auth_failures_total{{reason=\"{reason}\"}}"))
}

#[tokio::test]
async fn every_connection_is_asked_once_and_something_else() {
    let relay = TestRelay::start();
    let (alice, bob) = (relay.connect().await, relay.connect().await);
    assert_ne!(alice.challenge, bob.challenge);
    let hex = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(
        hex(&alice.challenge),
        "128 random bits: {}",
        alice.challenge
    );
}

#[tokio::test]
async fn a_signed_challenge_proves_a_key_and_proving_it_again_is_fine() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for author in [1, 2, 1] {
        assert_eq!(client.prove(author).await, (true, String::new()));
    }
}

#[tokio::test]
async fn an_auth_that_proves_nothing_is_told_why_and_the_connection_stays() {
    let relay = TestRelay::configured("{url: 'wss://relay.example', auth: {required: Write}}");
    let mut client = relay.connect().await;
    let challenge = client.challenge.clone();
    let sign = |created_at: u64, kind, relay: &str, challenge: &str| {
        let tags: &[&[&str]] = &[&["relay", relay], &["challenge", challenge]];
        Signer::from_seed(1).event(created_at, kind, tags, "")
    };
    let (ours, now) = ("wss://relay.example", now());
    let good = sign(now, 22_242, ours, &challenge);
    let stolen = good.replace(&pubkey(1), &pubkey(2));
    for (auth, reason) in [
        (sign(now, 1, ours, &challenge), "kind"),
        (sign(now - 700, 22_242, ours, &challenge), "time"),
        (sign(now + 700, 22_242, ours, &challenge), "time"),
        (sign(now, 22_242, ours, "something else"), "challenge"),
        (
            sign(now, 22_242, "wss://relay.example.evil", &challenge),
            "relay",
        ),
        (
            sign(now, 22_242, "wss://evil/wss://relay.example", &challenge),
            "relay",
        ),
        (
            sign(now, 22_242, "wss://me@relay.example", &challenge),
            "relay",
        ),
        (sign(now, 22_242, &client.url, &challenge), "relay"),
        (event(1, 22_242, &[], ""), "challenge"),
        (stolen, "signature"),
    ] {
        let (accepted, verdict) = client.authenticate(&auth).await;
        assert!(!accepted && verdict.starts_with("invalid: "), "{verdict}");
        assert!(auth_failures(&relay, reason), "{reason}");
    }
    let refused = client.publish(&note(1, "still nobody")).await;
    assert!(refused.1.starts_with("auth-required: "), "{}", refused.1);
    for spelled in [ours, "WSS://Relay.Example:443/"] {
        let auth = sign(now, 22_242, spelled, &challenge);
        assert_eq!(client.authenticate(&auth).await, (true, String::new()));
    }
    assert!(client.publish(&note(1, "somebody")).await.0);
}

#[tokio::test]
async fn an_auth_without_an_event_is_answered_with_what_can_be_read() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    let id = "0f".repeat(32);
    client
        .say(format!(r#"["AUTH",{{"id":"{id}","kind":22242}}]"#))
        .await;
    let ok = client.hear().await;
    assert_eq!(
        (&ok[0], &ok[1], &ok[2]),
        (&json!("OK"), &json!(id), &json!(false))
    );
    for text in [r#"["AUTH",{}]"#, r#"["AUTH","challenge"]"#] {
        client.say(text).await;
        assert_eq!(client.hear().await[0], "NOTICE", "{text}");
    }
    assert!(auth_failures(&relay, "malformed"));
    assert!(client.prove(1).await.0);
}

#[tokio::test]
async fn the_challenge_of_another_connection_proves_nothing() {
    let relay = TestRelay::start();
    let (alice, mut eve) = (relay.connect().await, relay.connect().await);
    let stolen = alice.auth_event(1);
    assert!(eve.authenticate(&stolen).await.1.starts_with("invalid: "));
}

#[tokio::test]
async fn ten_keys_may_be_proved_and_no_more() {
    let relay = TestRelay::start();
    let mut client = relay.connect_as(&(0..10).collect::<Vec<_>>()).await;
    let (accepted, verdict) = client.prove(10).await;
    assert!(
        !accepted && verdict.starts_with("rate-limited: "),
        "{verdict}"
    );
    assert!(client.prove(9).await.0, "a proved one is no further one");
}

#[tokio::test]
async fn auth_events_are_neither_stored_nor_passed_on_whichever_way_they_come() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    bob.stored("s", r#"{"kinds":[22242]}"#).await;
    let auth = alice.auth_event(1);
    assert!(alice.authenticate(&auth).await.0);
    let refused = alice.publish(&auth).await;
    assert_eq!(refused, (false, "invalid: AUTH events go in AUTH".into()));
    bob.hears_nothing().await;
    let (stored, hint) = bob.stored("t", r#"{"kinds":[22242]}"#).await;
    assert_eq!((stored.len(), hint.as_str()), (0, "finish"));
}

#[tokio::test]
async fn answers_keep_the_order_of_events_and_auths_and_an_auth_counts_for_what_follows() {
    let relay = TestRelay::configured("{auth: {required: Always}}");
    let mut client = relay.connect().await;
    let (before, auth, after) = (note(1, "before"), client.auth_event(1), note(1, "after"));
    let wrong = event(1, 22_242, &[], "");
    client
        .say_all([
            format!(r#"["EVENT",{before}]"#),
            format!(r#"["AUTH",{wrong}]"#),
            format!(r#"["AUTH",{auth}]"#),
            format!(r#"["EVENT",{after}]"#),
            r#"["REQ","late",{}]"#.into(),
        ])
        .await;
    assert!(
        client
            .hear_ok(&before)
            .await
            .1
            .starts_with("auth-required: ")
    );
    assert!(!client.hear_ok(&wrong).await.0);
    assert_eq!(client.hear_ok(&auth).await, (true, String::new()));
    assert_eq!(client.hear_ok(&after).await, (true, String::new()));
    let heard = client.hear_until("EOSE").await;
    assert_eq!(heard[0][2]["id"], json!(id(&after)));
    assert_eq!(heard.len(), 2);
}

/// `auth.required`, and what somebody unknown may do then: write, read.
const GATES: [(&str, bool, bool); 4] = [
    ("Never", true, true),
    ("Write", false, true),
    ("Read", true, false),
    ("Always", false, false),
];

#[tokio::test]
async fn what_is_required_is_asked_of_those_who_do_it() {
    for (required, writes, reads) in GATES {
        let relay = TestRelay::configured(&format!("{{auth: {{required: {required}}}}}"));
        let mut client = relay.connect().await;
        let (accepted, verdict) = client.publish(&note(1, "x")).await;
        assert_eq!(accepted, writes, "{required}");
        assert_eq!(verdict.starts_with("auth-required: "), !writes, "{verdict}");
        for (question, answer) in [("REQ", "EOSE"), ("COUNT", "COUNT")] {
            client
                .say(format!(r#"["{question}","q",{{"kinds":[2]}}]"#))
                .await;
            let heard = client.hear().await;
            assert_eq!(
                heard[0],
                if reads { answer } else { "CLOSED" },
                "{required}"
            );
            if !reads {
                assert!(heard[2].as_str().unwrap().starts_with("auth-required: "));
            }
        }
        client.say(r#"["CLOSE","q"]"#).await;
        client.hears_nothing().await;
        assert!(client.prove(1).await.0);
        assert!(client.publish(&note(1, "y")).await.0, "{required}");
        client.stored("s", "{}").await;
    }
}

/// Everything that a stranger can hear when it asks for the wraps of somebody else.
async fn asks_for_wraps_to(author: u64, stranger: &mut Client) -> Vec<String> {
    let mut heard = Vec::new();
    for kinds in ["[1059,65000]", "[1,1059]"] {
        for rest in ["", r#","limit":1"#, r#","since":1"#] {
            let filter = format!(r##"{{"kinds":{kinds},"#p":["{}"]{rest}}}"##, pubkey(author));
            for verb in ["REQ", "COUNT"] {
                stranger.say(format!(r#"["{verb}","q",{filter}]"#)).await;
                let last = if verb == "REQ" { "EOSE" } else { "COUNT" };
                let answer = stranger.hear_until(last).await;
                heard.extend(answer.iter().map(ToString::to_string));
            }
        }
    }
    heard
}

#[tokio::test]
async fn a_stranger_hears_the_same_whether_somebody_has_wraps_or_not() {
    let relay = TestRelay::configured(OPEN);
    let mut alice = relay.connect().await;
    for to in [2, 4] {
        let seen = event(6, 1, &[&["p", &pubkey(to)]], "open to all");
        assert!(alice.publish(&seen).await.0);
    }
    for number in 0..100 {
        let wrap = event(1, 1059, &[&["p", &pubkey(2)]], &number.to_string());
        assert!(alice.publish(&wrap).await.0);
    }
    let (mut anonymous, mut eve) = (relay.connect().await, relay.connect_as(&[3]).await);
    for stranger in [&mut anonymous, &mut eve] {
        let with = asks_for_wraps_to(2, stranger).await;
        let without = asks_for_wraps_to(4, stranger).await;
        let ends = |heard: &[String]| -> Vec<String> {
            let is_event = |text: &&String| text.starts_with(r#"["EVENT""#);
            heard
                .iter()
                .filter(|text| !is_event(text))
                .cloned()
                .collect()
        };
        assert_eq!(ends(&with), ends(&without));
        assert_eq!(with.len(), without.len());
        assert!(with.iter().all(|text| !text.contains("more")), "{with:?}");
    }
    let mut bob = relay.connect_as(&[2]).await;
    let filter = format!(r##"{{"#p":["{}"],"limit":1}}"##, pubkey(2));
    assert_eq!(
        bob.stored("s", &filter).await.1,
        "more",
        "whose they are may know"
    );
}

/// An event that claims the id of another one.
fn forged(author: u64, stolen: &str) -> String {
    let mine = note(author, "mine");
    mine.replace(&id(&mine), &id(stolen))
}

#[tokio::test]
async fn an_id_tells_nobody_that_a_wrap_is_stored() {
    let relay = TestRelay::configured(OPEN);
    let mut alice = relay.connect().await;
    let wrap = event(1, 1059, &[&["p", &pubkey(2)]], "sealed");
    let open = note(1, "open to all");
    assert!(alice.publish(&wrap).await.0 && alice.publish(&open).await.0);
    let (mut anonymous, mut eve) = (relay.connect().await, relay.connect_as(&[3]).await);
    for stranger in [&mut anonymous, &mut eve] {
        let (accepted, verdict) = stranger.publish(&forged(3, &wrap)).await;
        assert!(!accepted && verdict.starts_with("invalid: "), "{verdict}");
        let (accepted, verdict) = stranger.publish(&wrap).await;
        assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
        let (accepted, verdict) = stranger.publish(&forged(3, &open)).await;
        assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
    }
    let mut bob = relay.connect_as(&[2]).await;
    let (accepted, verdict) = bob.publish(&forged(3, &wrap)).await;
    assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
}

#[tokio::test]
async fn an_id_tells_those_who_may_not_read_nothing_at_all() {
    let relay = TestRelay::configured(&format!(
        "{{access: {{read: {{mode: Allow, pubkeys: ['{}']}}}}}}",
        pubkey(9)
    ));
    let mut client = relay.connect().await;
    let known = note(1, "known");
    assert!(client.publish(&known).await.0);
    let (accepted, verdict) = client.publish(&forged(3, &known)).await;
    assert!(!accepted && verdict.starts_with("invalid: "), "{verdict}");
    let (accepted, verdict) = client.publish(&known).await;
    assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
    assert!(client.prove(9).await.0);
    let (accepted, verdict) = client.publish(&forged(3, &known)).await;
    assert!(accepted && verdict.starts_with("duplicate: "), "{verdict}");
}

#[tokio::test]
async fn a_wrap_reaches_those_whom_it_names_and_nobody_else_on_any_path() {
    let relay = TestRelay::configured(OPEN);
    let mut alice = relay.connect().await;
    let mut bob = relay.connect_as(&[7, 2]).await;
    let mut eve = relay.connect_as(&[3, 1]).await;
    let mut anonymous = relay.connect().await;
    for client in [&mut bob, &mut eve, &mut anonymous] {
        client.stored("all", "{}").await;
    }
    let wrap = event(1, 1059, &[&["p", &pubkey(4)], &["p", &pubkey(2)]], "sealed");
    let passing = event(1, 21_059, &[&["p", &pubkey(2)]], "passing");
    assert!(alice.publish(&wrap).await.0 && alice.publish(&passing).await.0);
    // What is stored goes its own way to the hub: it may come after what is not.
    let heard = [bob.hear_text().await, bob.hear_text().await];
    for event in [&wrap, &passing] {
        let told = format!(r#"["EVENT","all",{event}]"#);
        assert!(heard.contains(&told), "{told} is not in {heard:?}");
    }
    for client in [&mut eve, &mut anonymous] {
        client.hears_nothing().await;
    }
    let filters = [
        r#"{"kinds":[1059]}"#.to_owned(),
        "{}".into(),
        r#"{"kinds":[1,1059]}"#.into(),
        format!(r#"{{"ids":["{}"]}}"#, id(&wrap)),
        format!(r##"{{"#p":["{}"]}}"##, pubkey(2)),
    ];
    for (number, filter) in filters.iter().enumerate() {
        let (events, hint) = bob.stored("s", filter).await;
        assert_eq!((events.len(), hint.as_str()), (1, "finish"), "{filter}");
        let (events, hint) = eve.stored("s", filter).await;
        assert_eq!((events.len(), hint.as_str()), (0, "finish"), "{filter}");
        if number > 0 {
            let (events, hint) = anonymous.stored("s", filter).await;
            assert_eq!((events.len(), hint.as_str()), (0, "finish"), "{filter}");
        }
    }
    for (client, count) in [(&mut bob, 1), (&mut eve, 0), (&mut anonymous, 0)] {
        client.say(r#"["COUNT","n",{},{"kinds":[1059]}]"#).await;
        assert_eq!(client.hear().await, json!(["COUNT", "n", {"count": count}]));
    }
}

#[tokio::test]
async fn who_asks_only_for_wraps_must_say_who_they_are_first() {
    let relay = TestRelay::start();
    let mut client = relay.connect().await;
    for filters in [
        r#"{"kinds":[1059]}"#,
        r#"{"kinds":[21059]}"#,
        r#"{"kinds":[1059]},{"kinds":[21059,1059],"limit":1}"#,
    ] {
        for verb in ["REQ", "COUNT"] {
            client.say(format!(r#"["{verb}","p",{filters}]"#)).await;
            let closed = client.hear().await;
            assert_eq!((&closed[0], &closed[1]), (&json!("CLOSED"), &json!("p")));
            assert!(
                closed[2].as_str().unwrap().starts_with("auth-required: "),
                "{closed}"
            );
        }
    }
    assert!(client.prove(2).await.0);
    assert_eq!(client.stored("p", r#"{"kinds":[1059]}"#).await.1, "finish");
}

#[tokio::test]
async fn a_subscription_hears_wraps_from_the_moment_its_client_says_who_it_is() {
    let relay = TestRelay::start();
    let (mut alice, mut bob) = (relay.connect().await, relay.connect().await);
    let wrap = |text: &str| event(1, 1059, &[&["p", &pubkey(2)]], text);
    bob.stored("s", "{}").await;
    assert!(alice.publish(&wrap("before")).await.0);
    bob.hears_nothing().await;
    assert!(bob.prove(2).await.0);
    let after = wrap("after");
    assert!(alice.publish(&after).await.0);
    assert_eq!(bob.hear_text().await, format!(r#"["EVENT","s",{after}]"#));
}

#[tokio::test]
async fn a_wrap_may_be_deleted_by_those_whom_it_names() {
    let relay = TestRelay::start();
    let mut bob = relay.connect_as(&[2]).await;
    let wrap = event(1, 1059, &[&["p", &pubkey(2)]], "sealed");
    assert!(bob.publish(&wrap).await.0);
    let foreign = event(3, 5, &[&["e", &id(&wrap)]], "");
    assert!(bob.publish(&foreign).await.0);
    assert_eq!(bob.stored("s", r#"{"kinds":[1059]}"#).await.0.len(), 1);
    let own = event(2, 5, &[&["e", &id(&wrap)]], "");
    assert!(bob.publish(&own).await.0);
    bob.say(r#"["CLOSE","s"]"#).await;
    assert!(bob.stored("t", r#"{"kinds":[1059]}"#).await.0.is_empty());
}

#[tokio::test]
async fn a_protected_event_is_taken_from_its_author_alone() {
    let relay = TestRelay::start();
    let protected = |text: &str| event(1, 1, &[&["t", "x"], &["-"]], text);
    let mut client = relay.connect().await;
    let (accepted, verdict) = client.publish(&protected("who?")).await;
    assert!(
        !accepted && verdict.starts_with("auth-required: "),
        "{verdict}"
    );
    assert!(client.prove(2).await.0);
    let (accepted, verdict) = client.publish(&protected("not you")).await;
    assert!(
        !accepted && verdict.starts_with("restricted: "),
        "{verdict}"
    );
    assert!(client.prove(1).await.0, "a second key");
    let own = protected("mine");
    assert_eq!(client.publish(&own).await, (true, String::new()));
    let (stored, _) = relay.connect().await.stored("s", "{}").await;
    assert_eq!(stored.len(), 1, "all may read it");
    let passing = event(1, 20_001, &[&["-"]], "");
    assert!(
        relay
            .connect()
            .await
            .publish(&passing)
            .await
            .1
            .starts_with("auth-required: ")
    );
    assert!(client.publish(&passing).await.0);
}

#[tokio::test]
async fn a_repost_of_a_protected_event_is_blocked_whoever_asks() {
    let relay = TestRelay::start();
    let mut client = relay.connect_as(&[1, 2]).await;
    let protected = event(1, 1, &[&["-"]], "mine alone");
    for kind in [6, 16] {
        let repost = event(2, kind, &[], &protected);
        assert!(client.publish(&repost).await.1.starts_with("blocked: "));
        let repost = event(2, kind, &[], &note(1, "for all"));
        assert!(client.publish(&repost).await.0);
    }
}
