use super::{ID, LIMITS, fields, object};
use crate::wire::{
    ClientMessage, Event, Filter, FrameLimits, Prefix, Refusal, SubscriptionId, frame,
};

fn read(text: &str) -> ClientMessage<'_> {
    frame::read(text, &LIMITS).expect(text)
}

/// The verdict of a NOTICE and whether it counts as malformed.
fn notice(text: &str) -> (String, bool) {
    match frame::read(text, &LIMITS) {
        Err(Refusal::Notice {
            verdict,
            counts_as_malformed,
        }) => (verdict.to_string(), counts_as_malformed),
        other => panic!("{text} was {other:?}"),
    }
}

/// The subscription and verdict of a CLOSED.
fn closed(text: &str) -> (String, String) {
    match frame::read(text, &LIMITS) {
        Err(Refusal::Closed { id, verdict }) => (id.quoted().into(), verdict.to_string()),
        other => panic!("{text} was {other:?}"),
    }
}

#[test]
fn ping_and_nothing_are_known_before_any_parsing() {
    assert_eq!(read("ping"), ClientMessage::Ping);
    assert_eq!(read(""), ClientMessage::Nothing);
    assert_eq!(read("\n"), ClientMessage::Nothing);
    for other in ["PING", "ping ", "pong", " ", "\n\n"] {
        assert!(notice(other).1, "{other:?}");
    }
}

#[test]
fn an_event_is_handed_on_as_it_stands() {
    let event = object(&fields());
    for text in [
        format!("[\"EVENT\",{event}]"),
        format!(" [ \"EVENT\" , {event} ] \n"),
        format!("[\"\\u0045VENT\",{event}]"),
    ] {
        let ClientMessage::Event(body) = read(&text) else {
            panic!("{text}")
        };
        assert_eq!(Event::read(body).unwrap().text(), event.as_bytes());
    }
    let text = format!("[\"AUTH\",{event}]");
    assert_eq!(read(&text), ClientMessage::Auth(&event));
}

#[test]
fn what_follows_the_event_is_found_by_its_reader_and_answered_by_its_id() {
    let event = object(&fields());
    for tail in [",{}", ",", "]", " x", ",\"x\""] {
        let text = format!("[\"EVENT\",{event}{tail}]");
        let ClientMessage::Event(body) = read(&text) else {
            panic!("{text}")
        };
        let unreadable = Event::read(body).expect_err(&text);
        assert_eq!(unreadable.id.unwrap().to_string(), ID);
    }
}

#[test]
fn what_is_no_array_with_a_verb_is_malformed() {
    for text in [
        "x",
        "{}",
        "null",
        "1",
        "\"EVENT\"",
        "[",
        "[]",
        "[ ]",
        "[1]",
        "[null]",
        "[[\"EVENT\"]]",
        "[\"EVENT\"",
        "[\"EVENT\"]",
        "[\"EVENT\",",
        "[\"REQ\"]",
        "[\"REQ\",1]",
        "[\"REQ\",null,{}]",
        "[\"CLOSE\"]",
        "[\"CLOSE\",1]",
        "[\"COUNT\"]",
        "[\"AUTH\"]",
        "[\"EVENT\" {}]",
        "[EVENT,{}]",
        "['EVENT',{}]",
        "[\"CLOSE\",\"a\"",
        "[\"CLOSE\",\"a\"]x",
        "[\"FOO\"",
        "[\"FOO\",]",
        "[\"FOO\",nul]",
        "[\"FOO\"] x",
        "[\"EVENT\",{}",
        "[\"CLOSE\",\"a\",]",
        "\u{feff}[\"CLOSE\",\"a\"]",
    ] {
        let (verdict, malformed) = notice(text);
        assert!(
            verdict.starts_with("invalid: ") && malformed,
            "{text}: {verdict}"
        );
    }
}

#[test]
fn an_unknown_verb_is_unsupported_but_a_message() {
    for verb in [
        "NEG-OPEN",
        "NEG-MSG",
        "NEG-CLOSE",
        "FOO",
        "event",
        "Req",
        "OK",
        "EOSE",
        "NOTICE",
    ] {
        let text = format!("[\"{verb}\",\"x\",{{\"a\":[1,-2.5e3,null,true,false]}}]");
        assert_eq!(notice(&text), (format!("unsupported: {verb}"), false));
    }
    assert_eq!(notice("[\"\"]"), ("unsupported: ".into(), false));
    let (verdict, _) = notice(&format!("[\"\\n{}\"]", "x".repeat(1_000)));
    assert!(verdict.len() < 60 && !verdict.contains('\n'));
}

#[test]
fn req_and_count_carry_a_name_and_all_their_filters() {
    let id = SubscriptionId::new("a");
    let filters = vec![Filter::read(r#"{"kinds":[1]}"#).unwrap(), Filter::default()];
    let rest = r#""a",{"kinds":[1]},{}]"#;
    assert_eq!(
        read(&format!("[\"REQ\",{rest}")),
        ClientMessage::Req {
            id: id.clone(),
            filters: filters.clone()
        }
    );
    assert_eq!(
        read(&format!("[\"COUNT\",{rest}")),
        ClientMessage::Count { id, filters }
    );
    read(" [ \"REQ\" , \"a\" , { } , { } ] ");
}

#[test]
fn a_bad_filter_closes_the_subscription_by_its_name() {
    for verb in ["REQ", "COUNT"] {
        for (rest, words) in [
            ("]", "invalid: at least one filter"),
            (",[]]", "invalid: a filter must be"),
            (",null]", "invalid: a filter must be"),
            (",{\"kinds\":1}]", "invalid: kinds must be"),
            (",{},{\"#alt\":[]}]", "unsupported: "),
            (",{\"search\":\"x\"}]", "unsupported: "),
            (",{}", "invalid: "),
            (",{},]", "invalid: "),
            (",{}]x", "invalid: "),
            (",{\"ids\":[\"AA\"]}]", "invalid: ids"),
            (" {}]", "invalid: "),
            ("", "invalid: "),
        ] {
            let (id, verdict) = closed(&format!("[\"{verb}\",\"a\"{rest}"));
            assert_eq!(id, "\"a\"");
            assert!(verdict.starts_with(words), "{rest}: {verdict}");
        }
    }
}

#[test]
fn a_name_has_one_to_64_characters() {
    for good in ["a", &"é".repeat(64), " ", "0\\n"] {
        read(&format!("[\"REQ\",\"{good}\",{{}}]"));
    }
    for wrong in ["", &"a".repeat(65), &"é".repeat(65)] {
        for verb in ["REQ", "COUNT"] {
            let (verdict, malformed) = notice(&format!("[\"{verb}\",\"{wrong}\",{{}}]"));
            assert!(
                verdict.starts_with("invalid: a subscription id ") && !malformed,
                "{verdict}"
            );
        }
    }
}

#[test]
fn close_is_honoured_and_silent_whatever_its_name() {
    assert_eq!(
        read("[\"CLOSE\",\"a\"]"),
        ClientMessage::Close(SubscriptionId::new("a"))
    );
    assert_eq!(
        read("[\"CLOSE\",\"a\",1]"),
        ClientMessage::Close(SubscriptionId::new("a"))
    );
    assert_eq!(read("[\"CLOSE\",\"\"]"), ClientMessage::Nothing);
    assert_eq!(
        read(&format!("[\"CLOSE\",\"{}\"]", "a".repeat(65))),
        ClientMessage::Nothing
    );
}

#[test]
fn the_same_name_in_other_escapes_is_the_same_subscription() {
    assert_eq!(
        read("[\"CLOSE\",\"\\u0061\\/\"]"),
        ClientMessage::Close(SubscriptionId::new("a/"))
    );
    assert_eq!(
        SubscriptionId::new("a\"b\\c\n\u{1}").quoted(),
        r#""a\"b\\c\n\u0001""#
    );
    assert_ne!(SubscriptionId::new("a"), SubscriptionId::new("A"));
}

#[test]
fn filters_and_values_are_bounded_at_the_configured_number() {
    let limits = FrameLimits {
        filters: 2,
        filter_values: 3,
        subscription_id_characters: 64,
    };
    let verdict = |text: &str| match frame::read(text, &limits) {
        Err(Refusal::Closed { verdict, .. }) => Some(verdict.to_string()),
        Ok(_) => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(verdict(r#"["REQ","a",{},{}]"#), None);
    assert_eq!(
        verdict(r#"["REQ","a",{},{},{}]"#).unwrap(),
        "invalid: a message has at most 2 filters"
    );
    assert_eq!(
        verdict(r##"["REQ","a",{"kinds":[1,2],"#t":["x"]},{"kinds":[1,2,3]}]"##),
        None
    );
    assert_eq!(
        verdict(r##"["REQ","a",{"kinds":[1,2],"#t":["x","y"]}]"##).unwrap(),
        "invalid: a filter has at most 3 values"
    );
}

#[test]
fn a_deep_message_is_refused_and_ends_nothing() {
    for text in [
        "[".repeat(1_000_000),
        format!("[\"FOO\",{}", "[".repeat(1_000_000)),
        format!("[\"REQ\",\"a\",{}", "{\"ids\":".repeat(300_000)),
    ] {
        match frame::read(&text, &LIMITS) {
            Err(Refusal::Notice { verdict, .. } | Refusal::Closed { verdict, .. }) => {
                assert_eq!(verdict.prefix, Some(Prefix::Invalid));
            }
            Ok(message) => panic!("{message:?}"),
        }
    }
}
