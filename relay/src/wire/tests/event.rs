use super::{ID, KEY, fields, object, refused, tagged, with};
use crate::wire::{Class, Event, EventId};

fn read(field: &str, value: &str) -> Event {
    let text = with(field, value);
    Event::read(&text).expect(&text)
}

#[test]
fn the_seven_fields_are_read() {
    let event = Event::read(&object(&fields())).unwrap();
    assert_eq!(event.id().to_string(), ID);
    assert_eq!(event.pubkey().to_string(), KEY);
    assert_eq!(event.created_at(), 1_700_000_000);
    assert_eq!(event.kind(), 1);
    assert_eq!(event.tags().len(), 1);
    assert_eq!(event.content(), "hello");
    assert_eq!(event.sig()[..2], [0x00, 0x11]);
    assert_eq!(event.sig()[32..34], [0xaa, 0x11]);
}

#[test]
fn empty_content_no_tags_and_time_zero_are_legal() {
    assert_eq!(read("content", "\"\"").content(), "");
    assert_eq!(read("created_at", "0").created_at(), 0);
    assert!(read("tags", "[]").tags().is_empty());
}

#[test]
fn a_missing_field_is_named() {
    for (missing, _) in fields() {
        let rest: Vec<_> = fields()
            .into_iter()
            .filter(|(name, _)| *name != missing)
            .collect();
        let verdict = refused(&object(&rest)).to_string();
        assert!(
            verdict.starts_with(&format!("invalid: {missing} ")),
            "{missing}: {verdict}"
        );
        assert!(verdict.ends_with("missing"), "{verdict}");
    }
}

#[test]
fn a_field_given_twice_is_refused_though_both_say_the_same() {
    for (name, value) in fields() {
        let mut members = fields();
        members.push((name, value));
        let verdict = refused(&object(&members)).to_string();
        assert!(
            verdict.contains(name) && verdict.ends_with("twice"),
            "{verdict}"
        );
    }
    let hidden = object(&fields()).replacen("\"kind\"", "\"k\\u0069nd\":1,\"kind\"", 1);
    assert_eq!(refused(&hidden).to_string(), "invalid: kind is given twice");
    let unknown = object(&fields()).replacen('{', "{\"seen\":1,\"seen\":2,", 1);
    assert_eq!(
        refused(&unknown).to_string(),
        "invalid: a field is given twice"
    );
}

#[test]
fn unknown_fields_are_dropped_and_never_stored() {
    let plain = object(&fields());
    for extra in [
        "\"seen\":[\"wss://x\",{\"a\":[1.5e3,-0,true,null]}]",
        "\"\":{}",
        "\"ID\":\"x\"",
    ] {
        let event = Event::read(&plain.replacen('{', &format!("{{{extra},"), 1)).expect(extra);
        assert_eq!(event.text(), plain.as_bytes());
    }
}

#[test]
fn hex_is_lower_case_and_of_exact_length() {
    for field in ["id", "pubkey"] {
        read(field, &format!("\"{}\"", super::hex('f')));
        for wrong in [
            super::hex('F'),
            super::hex('g'),
            super::hex('a')[1..].into(),
            super::hex('a') + "a",
            String::new(),
        ] {
            let verdict = refused(&with(field, &format!("\"{wrong}\""))).to_string();
            assert_eq!(
                verdict,
                format!("invalid: {field} must be 64 lower-case hex characters")
            );
        }
    }
    let sig = super::hex('e') + &super::hex('f');
    read("sig", &format!("\"{sig}\""));
    for wrong in [sig.to_uppercase(), sig[2..].into(), sig.clone() + "00"] {
        assert!(
            refused(&with("sig", &format!("\"{wrong}\"")))
                .text
                .starts_with("sig must be")
        );
    }
    for wrong in ["1", "null", "[]", "{}", "true"] {
        assert!(
            refused(&with("id", wrong)).text.starts_with("id must be"),
            "{wrong}"
        );
        assert!(
            refused(&with("sig", wrong)).text.starts_with("sig must be"),
            "{wrong}"
        );
    }
}

#[test]
fn created_at_is_an_integer_in_form_up_to_the_signed_64_bit_maximum() {
    assert_eq!(
        read("created_at", "9223372036854775807").created_at(),
        i64::MAX as u64
    );
    for wrong in [
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
        "-1",
        "-0",
        "1.0",
        "1e9",
        "1E9",
        "01",
        "00",
        "\"1\"",
        "null",
        "true",
        "[]",
        "",
        "+1",
        ".5",
    ] {
        let verdict = refused(&with("created_at", wrong)).to_string();
        assert!(
            verdict.starts_with("invalid: created_at must be"),
            "{wrong}: {verdict}"
        );
    }
    refused(&with("created_at", "0x10"));
}

#[test]
fn kind_is_an_integer_up_to_65535_and_never_wraps() {
    assert_eq!(read("kind", "65535").kind(), u16::MAX);
    assert_eq!(read("kind", "0").kind(), 0);
    for wrong in [
        "65536",
        "65537",
        "4294967297",
        "18446744073709551617",
        "-1",
        "1.0",
        "1e0",
        "01",
        "\"1\"",
        "null",
    ] {
        let verdict = refused(&with("kind", wrong)).to_string();
        assert_eq!(
            verdict, "invalid: kind must be an integer from 0 to 65535",
            "{wrong}"
        );
    }
}

#[test]
fn tags_are_arrays_of_at_least_one_string() {
    let event = read("tags", r#"[["a"],["b",""],["","x"],["p","q","r","s"]]"#);
    let lengths: Vec<usize> = event.tags().iter().map(|tag| tag.len()).collect();
    assert_eq!(lengths, [1, 2, 2, 4]);
    for wrong in [
        "{}",
        "null",
        "\"t\"",
        "1",
        "[\"t\"]",
        "[[]]",
        "[[\"a\"],[]]",
        "[[1]]",
        "[[\"a\",null]]",
        "[[\"a\",[\"b\"]]]",
        "[{}]",
        "[[\"a\"],]",
        "[[\"a\",]]",
        "[[\"a\"]",
        "[,]",
        "[[\"a\" \"b\"]]",
        "[null]",
    ] {
        assert_eq!(
            refused(&with("tags", wrong)).prefix,
            Some(crate::wire::Prefix::Invalid),
            "{wrong}"
        );
    }
}

#[test]
fn content_is_a_string() {
    for wrong in ["null", "1", "{}", "[]", "true", "hello", "'hello'", ""] {
        assert_eq!(
            refused(&with("content", wrong)).text,
            "content must be a string",
            "{wrong}"
        );
    }
}

#[test]
fn only_one_object_is_an_event() {
    let event = object(&fields());
    for wrong in [
        "",
        " ",
        "null",
        "[]",
        "1",
        "\"x\"",
        "{",
        "{}",
        "{]",
        "\u{feff}{}",
        "nul",
        &event[..event.len() - 1],
        &format!("{event}{event}"),
        &format!("{event},"),
        &format!("[{event}]"),
        &event.replacen(',', ",,", 1),
        &event.replacen(':', "", 1),
        &event.replacen("{\"id\"", "{id", 1),
        &event.replace('}', ",}"),
        &event.replacen('{', "{/* */", 1),
        &event.replacen(',', ",\u{a0}", 1),
        &event.replacen(',', ",\u{b}", 1),
    ] {
        refused(wrong);
    }
}

#[test]
fn escapes_are_decoded_before_anything_looks_at_them() {
    let cases = [
        (r#""\b\t\n\f\r\"\\\/""#, "\u{8}\t\n\u{c}\r\"\\/"),
        (r#""\u0041\u00e9\u00E9""#, "Aéé"),
        (r#""\ud83d\ude00\uD83D\uDE00""#, "😀😀"),
        (r#""\u0000\u001f""#, "\0\u{1f}"),
        (
            r#""\uffff\ufdd0\u2028\u007f""#,
            "\u{ffff}\u{fdd0}\u{2028}\u{7f}",
        ),
        ("\"\u{7f}\u{2028}\u{ffff}é😀\"", "\u{7f}\u{2028}\u{ffff}é😀"),
    ];
    for (json, content) in cases {
        assert_eq!(read("content", json).content(), content);
        let tags = format!("[[{json},{json}]]");
        let event = tagged(&tags);
        let tag = event.tags().iter().next().unwrap();
        assert_eq!((tag.name(), tag.value()), (content, Some(content)));
    }
    let hex_as_escapes = ID.replace('0', "\\u0030").replace('f', "\\u0066");
    assert_eq!(
        read("id", &format!("\"{hex_as_escapes}\""))
            .id()
            .to_string(),
        ID
    );
}

#[test]
fn what_is_no_escape_and_lone_surrogates_are_refused() {
    for wrong in [
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ude00""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\ud83d\ude00""#,
        r#""\ud83d\n""#,
        r#""\ud83d\ue000""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u""#,
        r#""\x41""#,
        r#""\a""#,
        r#""\""#,
        "\"\\\u{e9}\"",
        r#""\u+123""#,
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "\"\u{1f}\"",
    ] {
        refused(&with("content", wrong));
        refused(&with("tags", &format!("[[\"t\",{wrong}]]")));
    }
}

#[test]
fn nesting_in_unknown_fields_is_bounded_and_a_deep_text_ends_nothing() {
    let nested = |depth: usize| {
        object(&fields()).replacen(
            '{',
            &format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth)),
            1,
        )
    };
    Event::read(&nested(63)).unwrap();
    assert_eq!(refused(&nested(65)).text, "the JSON is nested too deeply");
    refused(&"[".repeat(1_000_000));
    refused(&"{\"a\":".repeat(1_000_000));
    refused(&with("tags", &"[".repeat(1_000_000)));
    refused(&object(&fields()).replacen(
        '{',
        &format!("{{\"x\":{},", "[{\"a\":".repeat(1_000_000)),
        1,
    ));
}

#[test]
fn the_clients_bytes_are_kept_in_any_order_of_keys() {
    let mut members = fields();
    for _ in 0..members.len() {
        members.rotate_left(1);
        let text = object(&members);
        assert_eq!(Event::read(&text).unwrap().text(), text.as_bytes());
    }
    for content in [
        r#""\b\t\n\f\r\"\\""#,
        r#""\u0000\u001f\u000b""#,
        "\"\u{7f}/é\u{2028}\"",
    ] {
        let text = with("content", content);
        assert_eq!(
            Event::read(&text).unwrap().text(),
            text.as_bytes(),
            "{content}"
        );
    }
}

#[test]
fn white_space_around_an_event_does_not_cost_its_form() {
    let text = object(&fields());
    let event = Event::read(&format!(" \r\n\t{text}\n")).unwrap();
    assert_eq!(event.text(), text.as_bytes());
}

#[test]
fn any_other_form_is_written_anew() {
    let plain = object(&fields());
    for other in [
        plain.replacen(',', ", ", 1),
        plain.replacen(':', ": ", 1),
        plain.replacen('{', "{ ", 1),
        plain.replace('}', " }"),
        plain.replace("[[", "[ ["),
        plain.replace("]]", "]\n]"),
        plain.replace("\"hello\"", r#""h\u0065llo""#),
        plain.replace("\"x\"", r#""\u0078""#),
        plain.replacen("\"id\"", r#""\u0069d""#, 1),
    ] {
        assert_eq!(
            Event::read(&other).unwrap().text(),
            plain.as_bytes(),
            "{other}"
        );
    }
    for (sent, kept) in [
        (r#""\/""#, "\"/\""),
        (r#""\u001F""#, r#""\u001f""#),
        (r#""\u000a""#, r#""\n""#),
        (r#""\u007f""#, "\"\u{7f}\""),
    ] {
        let event = Event::read(&with("content", sent)).unwrap();
        assert_eq!(event.text(), with("content", kept).as_bytes());
    }
}

#[test]
fn an_unreadable_event_is_answered_by_its_id_where_one_can_be_read() {
    let id = |text: &str| Event::read(text).expect_err(text).id;
    let known = EventId::from_hex(ID);
    assert_eq!(id(&with("kind", "-1")), known);
    assert_eq!(id(&format!("{{\"kind\":x,\"id\":\"{ID}\"")), known);
    assert_eq!(id(&format!("{{ \"id\" : \"{ID}\" , oops")), known);
    assert_eq!(
        id(&with("id", &format!("\"{}\"", ID.to_uppercase()))),
        known
    );
    assert_eq!(id(&with("id", "\"00\"")), None);
    assert_eq!(id("{}"), None);
    assert_eq!(id("{\"id\":"), None);
    assert_eq!(id("{\"id\":\"é"), None);
    let inside_content = format!("{{\"content\":\"\\\"id\\\":\\\"{ID}\\\"\"}}");
    assert_eq!(id(&inside_content), None);
}

#[test]
fn classes_follow_the_ranges_of_nip_01() {
    let cases = [
        (0, Class::Replaceable),
        (1, Class::Regular),
        (2, Class::Regular),
        (3, Class::Replaceable),
        (4, Class::Regular),
        (5, Class::Regular),
        (41, Class::Regular),
        (44, Class::Regular),
        (62, Class::Regular),
        (1059, Class::Regular),
        (9_999, Class::Regular),
        (10_000, Class::Replaceable),
        (19_999, Class::Replaceable),
        (20_000, Class::Ephemeral),
        (29_999, Class::Ephemeral),
        (30_000, Class::Addressable),
        (39_999, Class::Addressable),
        (40_000, Class::Regular),
        (65_535, Class::Regular),
    ];
    for (kind, class) in cases {
        assert_eq!(read("kind", &kind.to_string()).class(), class, "{kind}");
    }
}

#[test]
fn d_is_the_first_d_tags_value_and_empty_when_missing() {
    for (tags, d) in [
        ("[]", ""),
        (r#"[["d"]]"#, ""),
        (r#"[["d",""]]"#, ""),
        (r#"[["D","x"]]"#, ""),
        (r#"[["d","a"],["d","b"]]"#, "a"),
        (r#"[["t","x"],["d","a:b","c"]]"#, "a:b"),
        (r#"[["dd","x"],["d","y"]]"#, "y"),
    ] {
        assert_eq!(tagged(tags).d(), d, "{tags}");
    }
}

#[test]
fn only_replaceable_and_addressable_events_have_an_address() {
    let address = |kind: &str| {
        let text =
            with("tags", r#"[["d","x"]]"#).replace("\"kind\":1", &format!("\"kind\":{kind}"));
        Event::read(&text)
            .unwrap()
            .address()
            .map(|address| address.to_string())
    };
    assert_eq!(address("30023"), Some(format!("30023:{KEY}:x")));
    assert_eq!(address("10002"), Some(format!("10002:{KEY}:")));
    assert_eq!(address("0"), Some(format!("0:{KEY}:")));
    assert_eq!(address("1"), None);
    assert_eq!(address("20001"), None);
}

#[test]
fn expiration_is_the_first_such_tag_in_decimal() {
    for (value, expiration) in [
        ("\"1700000000\"", Some(1_700_000_000)),
        ("\"0\"", Some(0)),
        ("\"18446744073709551615\"", Some(u64::MAX)),
        ("\"18446744073709551616\"", None),
        ("\"\"", None),
        ("\"+1\"", None),
        ("\"-1\"", None),
        ("\"1.5\"", None),
        ("\"soon\"", None),
        ("\" 1\"", None),
    ] {
        assert_eq!(
            tagged(&format!("[[\"expiration\",{value}]]")).expiration(),
            expiration,
            "{value}"
        );
    }
    assert_eq!(tagged(r#"[["expiration"]]"#).expiration(), None);
    assert_eq!(tagged("[]").expiration(), None);
    assert_eq!(
        tagged(r#"[["expiration","x"],["expiration","5"]]"#).expiration(),
        None
    );
}

#[test]
fn the_dash_tag_protects_and_no_other_does() {
    assert!(tagged(r#"[["t","x"],["-"]]"#).is_protected());
    assert!(!tagged(r#"[["t","-"],["--"]]"#).is_protected());
}

#[test]
fn index_tags_are_single_letters_with_their_first_value() {
    let event = tagged(
        r#"[["t","a","b"],["T","c"],["t"],["t",""],["alt","x"],["1","x"],["-","x"],["é","x"],["","x"],["d","y"]]"#,
    );
    let found: Vec<_> = event.index_tags().collect();
    assert_eq!(found, [(b't', "a"), (b'T', "c"), (b't', ""), (b'd', "y")]);
}

#[test]
fn an_odd_e_or_p_value_is_welcome_but_not_indexed() {
    let upper = KEY.to_uppercase();
    let event = tagged(&format!(
        r#"[["e","xyz"],["p","{upper}"],["p","{KEY}"],["e","{ID}"],["E","xyz"],["P","xyz"],["e",""]]"#
    ));
    let found: Vec<_> = event.index_tags().collect();
    assert_eq!(
        found,
        [(b'p', KEY), (b'e', ID), (b'E', "xyz"), (b'P', "xyz")]
    );
}

#[test]
fn a_tags_fields_can_be_asked_for_one_by_one() {
    let event = tagged(r#"[["e","a","","root"],["solo"]]"#);
    let tags: Vec<_> = event.tags().iter().collect();
    assert_eq!(tags[0].get(0), Some("e"));
    assert_eq!(tags[0].get(2), Some(""));
    assert_eq!(tags[0].get(3), Some("root"));
    assert_eq!(tags[0].get(4), None);
    assert_eq!(tags[1].value(), None);
    assert_eq!(tags[0].fields().collect::<Vec<_>>(), ["e", "a", "", "root"]);
    assert!(event.tags().first("solo").is_some());
    assert!(event.tags().first("root").is_none());
}
