//! The rules of replacement, deletion and vanishing as a client sees them, with the faults that other relays have
//! as tests.

use crate::support::*;
use nostr_fleet_relay::store::{Outcome, Removal, Row, SeesAll, Sight};
use std::{sync::Arc, time::Duration};

#[test]
fn addresses_that_differ_only_behind_the_255th_byte_of_d_do_not_replace_each_other() {
    let place = Place::new();
    let store = place.open();
    for length in [200, 255, 256, 300, 511, 4000] {
        let long = "x".repeat(length);
        let (one, two) = (format!("{long}1"), format!("{long}2"));
        let first = event(1, NOW, 30_023, &[&["d", &one]], "one");
        let second = event(1, NOW + 1, 30_023, &[&["d", &two]], "two");
        stored(&store, &first);
        stored(&store, &second);
        assert_eq!(
            ids(&store, &[&format!(r##"{{"#d":["{one}"]}}"##)]),
            [first.id()]
        );
        assert_eq!(
            ids(&store, &[&format!(r##"{{"#d":["{two}"]}}"##)]),
            [second.id()]
        );
    }
    assert_eq!(count(&store, &["{}"]), 12);
}

#[test]
fn a_newer_version_replaces_an_older_one_and_an_older_one_is_refused() {
    let place = Place::new();
    let store = place.open();
    let old = event(1, NOW, 0, &[], "old");
    let new = event(1, NOW + 1, 0, &[], "new");
    stored(&store, &new);
    assert_eq!(submit(&store, &old), Outcome::Superseded);
    let newest = event(1, NOW + 2, 0, &[], "newest");
    stored(&store, &newest);
    assert_eq!(ids(&store, &[r#"{"kinds":[0]}"#]), [newest.id()]);
    assert_eq!(store.contains(&[new.id()]).unwrap(), [false]);
}

#[test]
fn a_tie_goes_to_the_lowest_id_whichever_comes_first() {
    let versions = [
        event(1, NOW, 10_002, &[], "a"),
        event(1, NOW, 10_002, &[], "b"),
    ];
    let lowest = versions.iter().map(|v| v.id()).min().unwrap();
    for order in [[0, 1], [1, 0]] {
        let place = Place::new();
        let store = place.open();
        for at in order {
            submit(&store, &versions[at]);
        }
        assert_eq!(ids(&store, &["{}"]), [lowest]);
    }
}

#[test]
fn events_of_one_second_come_in_the_order_of_their_ids() {
    let place = Place::new();
    let store = place.open();
    let notes: Vec<_> = (0..40)
        .map(|n| event(n % 4, NOW, 1, &[&["t", "x"]], &format!("{n}")))
        .collect();
    submit_all(&store, &notes);
    let mut sorted: Vec<_> = notes.iter().map(|n| n.id()).collect();
    sorted.sort_unstable();
    let authors = format!(
        r#"{{"authors":["{}","{}","{}","{}"]}}"#,
        key(0),
        key(1),
        key(2),
        key(3)
    );
    for filter in ["{}", r#"{"kinds":[1]}"#, r##"{"#t":["x"]}"##, &authors] {
        assert_eq!(ids(&store, &[filter]), sorted, "{filter}");
    }
}

#[test]
fn a_missing_d_is_an_empty_d_and_d_counts_only_for_addressable_kinds() {
    let place = Place::new();
    let store = place.open();
    stored(&store, &event(1, NOW, 30_000, &[], "no d"));
    stored(&store, &event(1, NOW + 1, 30_000, &[&["d", ""]], "empty d"));
    assert_eq!(count(&store, &[r#"{"kinds":[30000]}"#]), 1);
    stored(&store, &event(1, NOW, 10_000, &[&["d", "a"]], "a"));
    stored(&store, &event(1, NOW + 1, 10_000, &[&["d", "b"]], "b"));
    assert_eq!(count(&store, &[r#"{"kinds":[10000]}"#]), 1);
    stored(&store, &event(1, NOW, 41, &[], "41 is regular"));
    stored(&store, &event(1, NOW, 41, &[], "also here"));
    assert_eq!(count(&store, &[r#"{"kinds":[41]}"#]), 2);
}

#[test]
fn a_deletion_by_address_works_for_every_replaceable_kind_and_spares_what_is_newer() {
    let place = Place::new();
    let store = place.open();
    for kind in [0, 3, 10_002, 30_023] {
        let note = event(1, NOW, kind, &[], "gone");
        stored(&store, &note);
        let address = format!("{kind}:{}:", key(1));
        stored(&store, &event(1, NOW + 5, 5, &[&["a", &address]], ""));
        assert_eq!(store.contains(&[note.id()]).unwrap(), [false], "{kind}");
        let between = event(1, NOW + 5, kind, &[], "as old as the deletion");
        assert_eq!(submit(&store, &between), Outcome::Deleted);
        stored(&store, &event(1, NOW + 6, kind, &[], "newer"));
    }
}

#[test]
fn a_d_with_colons_names_its_own_address_and_no_other() {
    let place = Place::new();
    let store = place.open();
    let plain = event(1, NOW, 30_023, &[&["d", "a"]], "a");
    let colons = event(1, NOW, 30_023, &[&["d", "a:b:c"]], "a:b:c");
    stored(&store, &plain);
    stored(&store, &colons);
    let address = format!("30023:{}:a:b:c", key(1));
    stored(&store, &event(1, NOW + 1, 5, &[&["a", &address]], ""));
    assert_eq!(
        store.contains(&[plain.id(), colons.id()]).unwrap(),
        [true, false]
    );
}

#[test]
fn a_deletion_or_a_vanish_request_cannot_be_deleted_in_any_order() {
    let place = Place::new();
    let store = place.open();
    let note = event(1, NOW, 1, &[], "note");
    let deletion = event(1, NOW + 1, 5, &[&["e", &note.id().to_string()]], "");
    let undo = event(1, NOW + 2, 5, &[&["e", &deletion.id().to_string()]], "");
    stored(&store, &undo);
    stored(&store, &deletion);
    assert_eq!(submit(&store, &note), Outcome::Deleted);
    let again = event(
        1,
        NOW + 3,
        5,
        &[&["e", &deletion.id().to_string()]],
        "again",
    );
    stored(&store, &again);
    assert_eq!(store.contains(&[deletion.id()]).unwrap(), [true]);
    let vanish = event(2, NOW, 62, &[&["relay", "ALL_RELAYS"]], "");
    stored(&store, &vanish);
    let undo = event(2, NOW + 1, 5, &[&["e", &vanish.id().to_string()]], "");
    stored(&store, &undo);
    assert_eq!(store.contains(&[vanish.id()]).unwrap(), [true]);
}

#[test]
fn a_strangers_deletion_does_nothing_before_and_after_the_event() {
    let place = Place::new();
    let store = place.open();
    let note = event(1, NOW, 1, &[], "note");
    let list = event(1, NOW, 30_000, &[&["d", "x"]], "list");
    let address = format!("30000:{}:x", key(1));
    let stranger = |n: &str| {
        event(
            2,
            NOW + 9,
            5,
            &[&["e", &note.id().to_string()], &["a", &address]],
            n,
        )
    };
    stored(&store, &stranger("before"));
    stored(&store, &note);
    stored(&store, &list);
    stored(&store, &stranger("after"));
    assert_eq!(
        store.contains(&[note.id(), list.id()]).unwrap(),
        [true, true]
    );
}

#[test]
fn a_deleted_event_does_not_come_back_and_neither_do_its_predecessors() {
    let place = Place::new();
    let store = place.open();
    let note = event(1, NOW, 1, &[], "note");
    stored(&store, &note);
    stored(
        &store,
        &event(1, NOW + 1, 5, &[&["e", &note.id().to_string()]], ""),
    );
    assert_eq!(submit(&store, &note), Outcome::Deleted);
    store.compact().unwrap();
    assert_eq!(submit(&store, &note), Outcome::Deleted);
    store.close();
    std::fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    place.forget_run();
    let store = place.open();
    assert_eq!(store.status().start, "Rebuilt");
    assert_eq!(submit(&store, &note), Outcome::Deleted);
    assert!(ids(&store, &[r#"{"kinds":[1]}"#]).is_empty());
}

#[test]
fn a_tag_filter_with_two_values_finds_both() {
    let place = Place::new();
    let store = place.open();
    let x = event(1, NOW, 1, &[&["t", "x"]], "");
    let y = event(1, NOW + 1, 1, &[&["t", "y"], &["t", "x"], &["t", "x"]], "");
    submit_all(
        &store,
        &[
            x.clone(),
            y.clone(),
            event(1, NOW, 1, &[&["t", "z"], &["T", "x"]], ""),
        ],
    );
    assert_eq!(ids(&store, &[r##"{"#t":["x","y"]}"##]), [y.id(), x.id()]);
    assert_eq!(count(&store, &[r##"{"#t":["y","z"]}"##]), 2);
}

#[test]
fn a_filter_that_names_addresses_finds_them_by_every_d_tag_and_a_missing_d_not_at_all() {
    let place = Place::new();
    let store = place.open();
    let a = event(1, NOW, 30_023, &[&["d", "a"]], "");
    let b = event(1, NOW + 1, 30_023, &[&["d", "b"], &["d", "a"]], "");
    let none = event(1, NOW + 2, 30_023, &[], "");
    submit_all(
        &store,
        &[
            a.clone(),
            b.clone(),
            none.clone(),
            event(2, NOW, 30_023, &[&["d", "a"]], ""),
        ],
    );
    let ask = |d: &str| {
        let filter = format!(
            r##"{{"authors":["{}"],"kinds":[30023,30024],"#d":{d}}}"##,
            key(1)
        );
        ids(&store, &[&filter])
    };
    assert_eq!(ask(r#"["b"]"#), [b.id()]);
    assert_eq!(
        ask(r#"["a"]"#),
        [b.id(), a.id()],
        "a second d tag is a tag like any other"
    );
    assert_eq!(ask(r#"["a","b"]"#), [b.id(), a.id()]);
    assert!(ask(r#"["c"]"#).is_empty());
    assert!(
        ask(r#"[""]"#).is_empty(),
        "#d finds tags, not their absence"
    );
}

#[test]
fn values_with_nul_and_values_of_every_length_are_found_and_not_confused() {
    let place = Place::new();
    let store = place.open();
    let mut values: Vec<String> = (0..70).map(|n| "v".repeat(n)).collect();
    values.extend(["\\u0000".into(), "\\u0000\\u0000".into(), "v\\u0000".into()]);
    for (n, value) in values.iter().enumerate() {
        let plain = value.replace("\\u0000", "\0");
        stored(&store, &event(1, NOW + n as u64, 1, &[&["t", &plain]], ""));
    }
    for value in &values {
        assert_eq!(
            count(&store, &[&format!(r##"{{"#t":["{value}"]}}"##)]),
            1,
            "{value}"
        );
    }
}

#[test]
fn an_e_value_that_is_no_id_is_stored_and_not_found_by_it() {
    let place = Place::new();
    let store = place.open();
    let odd = event(1, NOW, 1, &[&["e", "not an id"], &["p", "neither"]], "");
    stored(&store, &odd);
    assert_eq!(ids(&store, &["{}"]), [odd.id()]);
}

#[test]
fn a_gift_wrap_is_deleted_by_its_recipient_and_by_nobody_else() {
    let place = Place::new();
    let store = place.open();
    let wrap = event(100, NOW, 1059, &[&["p", &key(1)]], "sealed");
    let id = wrap.id().to_string();
    stored(&store, &wrap);
    stored(&store, &event(2, NOW, 5, &[&["e", &id]], "a stranger"));
    assert_eq!(store.contains(&[wrap.id()]).unwrap(), [true]);
    stored(&store, &event(1, NOW, 5, &[&["e", &id]], "the recipient"));
    assert_eq!(store.contains(&[wrap.id()]).unwrap(), [false]);
    assert_eq!(submit(&store, &wrap), Outcome::Deleted);
    let early = event(101, NOW, 1059, &[&["p", &key(1)]], "deleted before it came");
    stored(
        &store,
        &event(1, NOW, 5, &[&["e", &early.id().to_string()]], ""),
    );
    assert_eq!(submit(&store, &early), Outcome::Deleted);
}

#[test]
fn who_vanishes_takes_all_along_and_is_welcome_with_newer_events() {
    let place = Place::new();
    let store = place.open();
    let other = event(2, NOW, 1, &[&["p", &key(1)]], "stays");
    stored(&store, &other);
    let mut old: Vec<_> = (0..20)
        .map(|n| event(1, NOW - n, 1, &[], &format!("{n}")))
        .collect();
    old.push(event(
        1,
        NOW,
        5,
        &[&["e", &other.id().to_string()]],
        "a deletion",
    ));
    old.push(event(50, NOW + 3, 1059, &[&["p", &key(1)]], "a wrap"));
    submit_all(&store, &old);
    let newer = event(1, NOW + 11, 1, &[], "newer");
    stored(&store, &newer);
    let request = event(1, NOW + 10, 62, &[&["relay", "ALL_RELAYS"]], "bye");
    stored(&store, &request);
    assert_eq!(ids(&store, &["{}"]), [newer.id(), request.id(), other.id()]);
    assert_eq!(submit(&store, &old[3]), Outcome::Vanished);
    let late_wrap = event(51, NOW + 9, 1059, &[&["p", &key(1)]], "a late wrap");
    assert_eq!(submit(&store, &late_wrap), Outcome::Vanished);
    stored(&store, &event(1, NOW + 12, 1, &[], "back"));
    assert_eq!(submit(&store, &request), Outcome::Duplicate);
}

#[test]
fn a_vanish_request_that_names_others_deletes_nothing() {
    let place = Place::new();
    let store = place.open();
    stored(&store, &event(1, NOW, 1, &[], "stays"));
    stored(
        &store,
        &event(1, NOW + 1, 62, &[&["relay", "wss://elsewhere.example"]], ""),
    );
    assert_eq!(count(&store, &["{}"]), 2);
}

#[test]
fn a_vanish_with_more_events_than_one_entry_takes_survives_a_rebuild() {
    let place = Place::new();
    let store = place.open();
    let notes: Vec<_> = (0..4200).map(|n| event(1, NOW - n, 1, &[], "")).collect();
    for batch in notes.chunks(1000) {
        submit_all(&store, batch);
    }
    stored(&store, &event(1, NOW, 62, &[&["relay", "ALL_RELAYS"]], ""));
    assert_eq!(store.status().events, 1);
    store.close();
    std::fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    let store = place.open();
    assert_eq!(store.status().start, "Rebuilt");
    assert_eq!(store.status().events, 1);
}

#[test]
fn what_has_expired_is_hidden_at_once_and_swept_soon() {
    let place = Place::new();
    let store = place.open();
    let at = (NOW + 10).to_string();
    let short = event(1, NOW, 1, &[&["expiration", &at]], "short");
    let odd = event(1, NOW, 1, &[&["expiration", "soon"]], "unreadable: ignored");
    submit_all(&store, &[short.clone(), odd.clone()]);
    assert_eq!(count(&store, &["{}"]), 2);
    place.clock.set(NOW + 10);
    assert_eq!(ids(&store, &["{}"]), [odd.id()]);
    for _ in 0..100 {
        if store.status().events == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(store.status().events, 1, "swept without being asked");
    assert_eq!(store.contains(&[short.id()]).unwrap(), [false]);
}

#[test]
fn what_an_operator_removed_stays_away_and_what_was_outdated_may_return() {
    let place = Place::new();
    let store = place.open();
    let (banned, old) = (
        event(1, NOW, 1, &[], "banned"),
        event(1, NOW, 1, &[], "old"),
    );
    submit_all(&store, &[banned.clone(), old.clone()]);
    assert_eq!(
        store.remove(vec![banned.id()], Removal::Ordered).unwrap(),
        1
    );
    assert_eq!(store.remove(vec![old.id()], Removal::Outdated).unwrap(), 1);
    assert_eq!(store.remove(vec![old.id()], Removal::Outdated).unwrap(), 0);
    assert_eq!(submit(&store, &banned), Outcome::Deleted);
    stored(&store, &old);
}

struct OnlyKind(u16);

impl Sight for OnlyKind {
    fn sees(&self, row: &Row<'_>) -> bool {
        row.kind() == self.0 && !row.tagged(b't', "secret")
    }
}

#[test]
fn a_row_that_may_not_be_seen_takes_no_place_under_the_limit() {
    let place = Place::new();
    let store = place.open();
    let kinds = [1, 1059, 1059, 1059, 1];
    let events: Vec<_> = (0..5u64)
        .map(|n| event(n, NOW - n, kinds[n as usize], &[], "x"))
        .chain([event(9, NOW, 1, &[&["t", "secret"]], "")])
        .collect();
    submit_all(&store, &events);
    let query = store.query(filters(&[r#"{"limit":2}"#]), Arc::new(OnlyKind(1)));
    let (rows, cut) = run(query, Duration::from_millis(2));
    assert_eq!(rows.len(), 2);
    assert!(!cut, "what may not be seen is as if it were not stored");
    let mut counting = store.count(filters(&["{}"]), Arc::new(OnlyKind(1)));
    assert_eq!(counting.slice(Duration::from_secs(1)).unwrap(), Some(2));
}

/// Whether a limit cut the answer is found out by looking further, and that must not stumble over what may not be seen.
#[test]
fn rows_that_may_not_be_seen_do_not_change_whether_an_answer_is_cut() {
    for (hidden, older, expected) in [(0, 0, false), (200, 0, false), (0, 1, true), (200, 1, true)]
    {
        let place = Place::new();
        let store = place.open();
        let mut events = vec![event(1, NOW, 1, &[], "newest")];
        events.extend((0..hidden).map(|n| event(2, NOW - 1 - n, 1059, &[], "hidden")));
        events.extend((0..older).map(|n| event(3, NOW - 1000 - n, 1, &[], "oldest")));
        submit_all(&store, &events);
        for filter in [r#"{"limit":1}"#, r#"{"kinds":[1,1059],"limit":1}"#] {
            let query = store.query(filters(&[filter]), Arc::new(OnlyKind(1)));
            let (rows, cut) = run(query, Duration::from_secs(5));
            assert_eq!(
                (rows.len(), cut),
                (1, expected),
                "{filter} {hidden} {older}"
            );
        }
    }
}

#[test]
fn an_answer_says_whether_a_limit_cut_it() {
    let place = Place::new();
    let store = place.open();
    let notes: Vec<_> = (0..5).map(|n| event(1, NOW - n, 1, &[], "")).collect();
    submit_all(&store, &notes);
    for (filter, rows, cut) in [
        (r#"{"limit":4}"#, 4, true),
        (r#"{"limit":5}"#, 5, false),
        (r#"{"limit":6}"#, 5, false),
        (r#"{"limit":0}"#, 0, true),
        (r#"{"kinds":[2],"limit":0}"#, 0, false),
        (r#"{"ids":[]}"#, 0, false),
        (r#"{"since":5,"until":4}"#, 0, false),
    ] {
        let query = store.query(filters(&[filter]), Arc::new(SeesAll));
        let (texts, was_cut) = run(query, Duration::from_millis(2));
        assert_eq!((texts.len(), was_cut), (rows, cut), "{filter}");
    }
}
