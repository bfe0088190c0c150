use super::{ID, KEY, hex, tagged, with};
use crate::wire::{Event, Filter, Prefix, filter::weight};

fn read(json: &str) -> Filter {
    Filter::read(json).expect(json)
}

fn refused(json: &str) -> String {
    Filter::read(json).expect_err(json).to_string()
}

fn event() -> Event {
    Event::read(&with(
        "tags",
        &format!(r#"[["t","x"],["t","y","z"],["T","up"],["e","{ID}"],["p","odd"],["alt","w"]]"#),
    ))
    .unwrap()
}

#[test]
fn an_empty_filter_asks_for_everything() {
    assert_eq!(read("{}"), Filter::default());
    assert_eq!(read(" { } "), Filter::default());
    assert!(read("{}").matches(&event()));
    assert!(!read("{}").matches_nothing());
}

#[test]
fn each_field_is_read_sorted_and_without_repetition() {
    let filter = read(&format!(
        r##"{{"ids":["{ID}"],"authors":["{KEY}","{ID}","{KEY}"],"kinds":[7,1,7],"#t":["b","a","b"],"#A":["x"],"since":1,"until":2,"limit":3}}"##
    ));
    assert_eq!(filter.ids.as_ref().unwrap().len(), 1);
    assert_eq!(
        filter
            .authors
            .as_ref()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [ID, KEY]
    );
    assert_eq!(filter.kinds, Some(vec![1, 7]));
    assert_eq!(
        filter.tags,
        [
            (b'A', vec!["x".into()]),
            (b't', vec!["a".into(), "b".into()])
        ]
    );
    assert_eq!(
        (filter.since, filter.until, filter.limit),
        (Some(1), Some(2), Some(3))
    );
    assert_eq!(filter.value_count(), 8);
    assert_eq!(weight(&[filter, Filter::default()]), 17);
}

#[test]
fn a_long_value_weighs_more_than_a_short_one_and_pairs_weigh_what_they_may_become() {
    let of = |text: &str| weight(&[read(text)]);
    assert_eq!(of(r##"{"#t":["short"]}"##), 5);
    let long = "x".repeat(64_000);
    assert_eq!(of(&format!(r##"{{"#t":["{long}"]}}"##)), 1005);
    let authors: Vec<String> = (0..40).map(|n| format!("\"{n:064x}\"")).collect();
    let kinds: Vec<String> = (0..40).map(|kind| kind.to_string()).collect();
    let pairs = format!(
        r#"{{"authors":[{}],"kinds":[{}]}}"#,
        authors.join(","),
        kinds.join(",")
    );
    assert_eq!(of(&pairs), 4 + 80 + 1024 / 4);
}

#[test]
fn an_empty_list_matches_nothing_and_is_not_the_same_as_none() {
    for json in [
        r#"{"ids":[]}"#,
        r#"{"authors":[]}"#,
        r#"{"kinds":[]}"#,
        r##"{"#t":[]}"##,
        r#"{"kinds":[1],"ids":[ ]}"#,
    ] {
        let filter = read(json);
        assert!(filter.matches_nothing(), "{json}");
        assert!(!filter.matches(&event()), "{json}");
    }
    assert_eq!(read(r#"{"ids":[]}"#).ids, Some(vec![]));
}

#[test]
fn a_kind_above_65535_matches_nothing_and_never_wraps() {
    assert_eq!(read(r#"{"kinds":[65537]}"#).kinds, Some(vec![]));
    assert!(!read(r#"{"kinds":[65537,131073,18446744073709551617]}"#).matches(&event()));
    assert_eq!(
        read(r#"{"kinds":[65536,1,65535]}"#).kinds,
        Some(vec![1, 65_535])
    );
}

#[test]
fn numbers_are_integers_in_form_and_never_too_large() {
    assert_eq!(read(r#"{"limit":0}"#).limit, Some(0));
    assert_eq!(
        read(r#"{"limit":99999999999999999999999}"#).limit,
        Some(u64::MAX)
    );
    assert_eq!(
        read(r#"{"until":18446744073709551615}"#).until,
        Some(u64::MAX)
    );
    for field in ["since", "until", "limit"] {
        for wrong in ["-1", "1.0", "1e3", "\"1\"", "null", "[]", "01", "true", ""] {
            assert_eq!(
                refused(&format!("{{\"{field}\":{wrong}}}")),
                format!("invalid: {field} must be an integer from 0 upwards")
            );
        }
    }
    for wrong in ["-1", "1.0", "1e3", "\"1\"", "null"] {
        assert_eq!(
            refused(&format!("{{\"kinds\":[{wrong}]}}")),
            "invalid: kinds must be integers from 0 upwards"
        );
    }
}

#[test]
fn since_after_until_is_legal_and_finds_nothing() {
    let filter = read(r#"{"since":2,"until":1}"#);
    assert!(filter.matches_nothing());
    assert!(!filter.matches(&event()));
    assert!(!read(r#"{"since":2,"until":2}"#).matches_nothing());
}

#[test]
fn since_and_until_are_inclusive() {
    for (json, found) in [
        (r#"{"since":1700000000}"#, true),
        (r#"{"since":1700000001}"#, false),
        (r#"{"until":1700000000}"#, true),
        (r#"{"until":1699999999}"#, false),
        (r#"{"since":1700000000,"until":1700000000}"#, true),
    ] {
        assert_eq!(read(json).matches(&event()), found, "{json}");
    }
}

#[test]
fn ids_authors_e_and_p_are_64_lower_case_hex_characters() {
    for field in ["ids", "authors", "#e", "#p"] {
        read(&format!("{{\"{field}\":[\"{KEY}\"]}}"));
        for wrong in [
            format!("\"{}\"", KEY.to_uppercase()),
            "\"aa\"".into(),
            "\"\"".into(),
            format!("\"{KEY}0\""),
            "1".into(),
            "null".into(),
            "[]".into(),
            "\"xyz\"".into(),
        ] {
            assert!(
                refused(&format!("{{\"{field}\":[{wrong}]}}"))
                    .starts_with(&format!("invalid: {field} must be ")),
                "{field} {wrong}"
            );
        }
    }
    read(r##"{"#E":["xyz"],"#P":["xyz"]}"##);
}

#[test]
fn a_list_must_be_a_list() {
    for field in ["ids", "authors", "kinds", "#t"] {
        for wrong in ["\"x\"", "null", "{}", "1", &format!("\"{KEY}\"")] {
            assert_eq!(
                refused(&format!("{{\"{field}\":{wrong}}}")),
                format!("invalid: {field} must be a list")
            );
        }
    }
}

#[test]
fn a_field_that_is_unknown_here_is_refused_and_never_dropped() {
    for field in [
        "#alt", "foo", "&t", "search", "#", "#1", "#é", "#tt", "", "IDS", "Kinds", "t", "$",
    ] {
        let verdict =
            Filter::read(&format!("{{\"kinds\":[1],\"{field}\":[\"x\"]}}")).expect_err(field);
        assert_eq!(verdict.prefix, Some(Prefix::Unsupported), "{field}");
    }
    assert_eq!(
        refused(r##"{"#alt":["x"]}"##),
        "unsupported: the filter field #alt is not known here"
    );
}

#[test]
fn a_long_or_odd_field_name_is_not_echoed_whole() {
    let verdict = refused(&format!("{{\"\\n{}\":1}}", "x".repeat(1_000)));
    assert!(verdict.len() < 100 && !verdict.contains('\n'), "{verdict}");
}

#[test]
fn a_field_given_twice_is_refused() {
    for field in ["ids", "authors", "kinds", "#t"] {
        assert_eq!(
            refused(&format!("{{\"{field}\":[],\"{field}\":[]}}")),
            format!("invalid: the filter gives {field} twice")
        );
    }
    for field in ["since", "until", "limit"] {
        assert_eq!(
            refused(&format!("{{\"{field}\":1,\"{field}\":1}}")),
            format!("invalid: the filter gives {field} twice")
        );
    }
    assert!(refused(r##"{"#t":["a"],"\u0023t":["b"]}"##).ends_with("#t twice"));
    read(r##"{"#t":["a"],"#T":["b"]}"##);
}

#[test]
fn what_is_no_object_is_no_filter() {
    for wrong in [
        "",
        "[]",
        "null",
        "\"x\"",
        "1",
        "{",
        "{\"kinds\"}",
        "{\"kinds\":[1],}",
        "{}{}",
        "{} x",
        "{\"kinds\":[1,]}",
        "{\"kinds\":[1}",
    ] {
        assert_eq!(
            Filter::read(wrong).expect_err(wrong).prefix,
            Some(Prefix::Invalid),
            "{wrong}"
        );
    }
}

#[test]
fn values_of_one_field_are_alternatives_and_fields_all_count() {
    for (json, found) in [
        (r#"{"kinds":[1]}"#, true),
        (r#"{"kinds":[0,1,2]}"#, true),
        (r#"{"kinds":[2]}"#, false),
        (r##"{"#t":["nope","y"]}"##, true),
        (r##"{"#t":["x","y"]}"##, true),
        (r##"{"#t":["z"]}"##, false),
        (r##"{"#t":["nope"]}"##, false),
        (r##"{"#t":["x"],"kinds":[2]}"##, false),
        (r##"{"#t":["x"],"kinds":[1]}"##, true),
        (r##"{"#t":["x"],"#T":["up"]}"##, true),
        (r##"{"#t":["x"],"#T":["no"]}"##, false),
    ] {
        assert_eq!(read(json).matches(&event()), found, "{json}");
    }
    assert!(read(&format!(r#"{{"ids":["{KEY}","{ID}"]}}"#)).matches(&event()));
    assert!(!read(&format!(r#"{{"ids":["{KEY}"]}}"#)).matches(&event()));
    assert!(read(&format!(r#"{{"authors":["{KEY}"]}}"#)).matches(&event()));
    assert!(!read(&format!(r#"{{"authors":["{ID}"]}}"#)).matches(&event()));
    assert!(read(&format!(r##"{{"#e":["{ID}","{KEY}"]}}"##)).matches(&event()));
}

#[test]
fn letters_and_values_keep_their_case() {
    assert!(!read(r##"{"#T":["x"]}"##).matches(&event()));
    assert!(!read(r##"{"#t":["X"]}"##).matches(&event()));
    assert!(!read(r##"{"#t":["up"]}"##).matches(&event()));
    assert!(!read(&format!(r##"{{"#E":["{ID}"]}}"##)).matches(&event()));
}

#[test]
fn a_tag_value_is_compared_after_its_escapes_are_decoded() {
    assert!(read(r##"{"#t":["\u00e9\/"]}"##).matches(&tagged(r#"[["t","é/"]]"#)));
    assert!(read("{\"#t\":[\"\\u0000\"]}").matches(&tagged(r#"[["t","\u0000"]]"#)));
}

#[test]
fn limit_plays_no_part_in_matching() {
    assert!(read(r#"{"limit":0}"#).matches(&event()));
}

#[test]
fn long_values_are_told_apart_to_their_last_character() {
    let long = hex('a').repeat(4);
    let filter = read(&format!(r##"{{"#d":["{long}b"]}}"##));
    assert!(filter.matches(&tagged(&format!(r#"[["d","{long}b"]]"#))));
    assert!(!filter.matches(&tagged(&format!(r#"[["d","{long}c"]]"#))));
}
