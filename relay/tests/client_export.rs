//! `relay export`, from relays that page, cut, hang up and order as they like.
#![allow(clippy::unwrap_used)] // a test may end with a panic

mod fake_relay;

use fake_relay::{FakeRelay, Manners, notes, told, write_lines};
use std::{collections::BTreeSet, fs, path::Path};

/// What the relay holds after an export to `file`, as sets of texts; order is checked apart.
fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn set(lines: &[String]) -> BTreeSet<&String> {
    lines.iter().collect()
}

fn exported(relay: &FakeRelay, arguments: &[&str]) -> (i32, Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.jsonl");
    let common = ["export", file.to_str().unwrap(), "--from", &relay.url];
    let (code, _, err) = told(&[&common, arguments].concat());
    (code, lines(&file), err)
}

#[test]
fn every_event_is_written_once_byte_for_byte_newest_first() {
    let relay = FakeRelay::start(Manners {
        page: 50,
        ..Manners::default()
    });
    let events = notes(333, 7);
    relay.store(&events);
    let (code, seen, err) = exported(&relay, &[]);
    assert_eq!((code, seen.len()), (0, 333), "{err}");
    assert_eq!(set(&seen), set(&events));
    let first: Vec<_> = seen.iter().take(4).collect();
    assert!(
        first
            .iter()
            .all(|text| text.contains("\"created_at\":1700000047")),
        "{first:?}"
    );
}

#[test]
fn a_relay_without_hints_that_sends_the_oldest_first_loses_nothing_either() {
    let relay = FakeRelay::start(Manners {
        page: 20,
        hints: false,
        oldest_first: true,
        ..Manners::default()
    });
    let events = notes(101, 3);
    relay.store(&events);
    let (code, seen, err) = exported(&relay, &[]);
    assert_eq!((code, seen.len()), (0, 101), "{err}");
    assert_eq!(set(&seen), set(&events));
}

#[test]
fn a_second_with_more_events_than_a_page_is_taken_apart_by_kind() {
    let relay = FakeRelay::start(Manners {
        page: 10,
        ..Manners::default()
    });
    let signer = nostr_fleet_relay::sign::Signer::from_seed(5);
    let mut events = notes(5, 1);
    events
        .extend((0..36).map(|kind| signer.event(1_600_000_000, kind % 4, &[], &kind.to_string())));
    events.push(signer.event(1_500_000_000, 1, &[], "oldest"));
    relay.store(&events);
    let (code, seen, err) = exported(&relay, &["--filter", r#"{"kinds":[0,1,2,3]}"#]);
    assert_eq!((code, seen.len()), (0, 42), "{err}");
    assert_eq!(set(&seen), set(&events));
}

#[test]
fn what_a_relay_keeps_back_is_said_and_the_rest_is_written() {
    let relay = FakeRelay::start(Manners {
        page: 10,
        ..Manners::default()
    });
    let mut events = notes(30, 30);
    events.push(nostr_fleet_relay::sign::Signer::from_seed(5).event(1, 1, &[], "oldest"));
    relay.store(&events);
    let (code, seen, err) = exported(&relay, &["--filter", r#"{"kinds":[1]}"#]);
    assert_eq!((code, seen.len()), (3, 11), "{err}");
    assert!(
        err.contains("incomplete: created_at 1700000000: more events of kind 1 than the 10"),
        "{err}"
    );
}

#[test]
fn a_relay_that_runs_out_of_time_is_asked_for_less_of_it_until_it_shows_everything() {
    let relay = FakeRelay::start(Manners {
        page: 10,
        reach: 40_000_000,
        ..Manners::default()
    });
    let signer = nostr_fleet_relay::sign::Signer::from_seed(5);
    let mut events = notes(25, 3);
    events.push(signer.event(1_300_000_000, 1, &[], "years before"));
    events.push(signer.event(5, 1, &[], "the very first"));
    relay.store(&events);
    let (code, seen, err) = exported(&relay, &[]);
    assert_eq!((code, seen.len()), (0, 27), "{err}");
    assert_eq!(set(&seen), set(&events));
    let requests = relay.state.lock().unwrap().requests;
    assert!(requests < 400, "{requests} requests");
    let span = r#"{"since":1200000000,"until":1400000000}"#;
    let (code, seen, err) = exported(&relay, &["--filter", span]);
    assert_eq!((code, seen), (0, vec![events[25].clone()]), "{err}");
}

#[test]
fn a_relay_that_never_gets_through_a_second_is_given_up_and_named() {
    let relay = FakeRelay::start(Manners {
        keeps_wraps: true,
        ..Manners::default()
    });
    let signer = nostr_fleet_relay::sign::Signer::from_seed(5);
    let wraps = (0..40).map(|n| signer.event(1_600_000_000 + n, 1059, &[], ""));
    relay.store(&wraps.collect::<Vec<_>>());
    let (code, seen, err) = exported(&relay, &[]);
    assert_eq!((code, seen.len()), (3, 0), "{err}");
    let oldest = "incomplete: created_at 0 to 1600000039: the relay has more and shows none";
    assert!(err.contains(oldest), "{err}");
    let requests = relay.state.lock().unwrap().requests;
    assert!(requests < 200, "{requests} requests");
}

#[test]
fn gift_wraps_that_are_not_ours_to_see_are_named_wherever_they_lie() {
    let signer = nostr_fleet_relay::sign::Signer::from_seed(5);
    for at in [1_600_000_000, 1_700_000_001, 1_800_000_000] {
        let relay = FakeRelay::start(Manners {
            keeps_wraps: true,
            ..Manners::default()
        });
        relay.store(&notes(3, 1));
        relay.store(&[signer.event(at, 1059, &[], "")]);
        let (code, seen, err) = exported(&relay, &[]);
        assert_eq!((code, seen.len()), (3, 3), "{at}: {err}");
        let named = "incomplete: gift wraps (kind 1059): the relay shows them only to those whom they name: auth-required";
        assert!(err.contains(named), "{at}: {err}");
        let (code, seen, err) = exported(&relay, &["--filter", r#"{"kinds":[0,1,7]}"#]);
        assert_eq!((code, seen.len()), (0, 3), "nobody asked for them: {err}");
    }
}

#[test]
fn filter_and_limit_are_heeded() {
    let relay = FakeRelay::start(Manners {
        page: 10,
        ..Manners::default()
    });
    relay.store(&notes(100, 1));
    let (_, seen, _) = exported(&relay, &["--filter", r#"{"limit":25}"#]);
    assert_eq!(seen.len(), 25);
    let (_, seen, _) = exported(
        &relay,
        &["--filter", r#"{"since":1700000010,"until":1700000040}"#],
    );
    assert_eq!(seen.len(), 31);
}

#[test]
fn a_dropped_connection_costs_nothing_but_a_new_one() {
    let relay = FakeRelay::start(Manners {
        page: 10,
        cut_after: vec![25, 3, 40],
        ..Manners::default()
    });
    let events = notes(100, 3);
    relay.store(&events);
    let (code, seen, err) = exported(&relay, &[]);
    assert_eq!((code, seen.len()), (0, 100), "{err}");
    assert_eq!(set(&seen), set(&events));
    assert_eq!(relay.state.lock().unwrap().connections, 4);
}

#[test]
fn an_interrupted_export_goes_on_where_its_file_ends() {
    let relay = FakeRelay::start(Manners {
        page: 10,
        ..Manners::default()
    });
    let events = notes(60, 3);
    relay.store(&events);
    let (_, whole, _) = exported(&relay, &[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.jsonl");
    write_lines(&file, &whole[..22]);
    let torn = fs::read_to_string(&file).unwrap() + &whole[22][..40];
    fs::write(&file, torn).unwrap();
    let arguments = ["export", file.to_str().unwrap(), "--from", &relay.url];
    let (code, _, err) = told(&arguments);
    assert!(code == 1 && err.contains("it exists"), "{err}");
    let (code, _, err) = told(&[&arguments[..], &["--resume"]].concat());
    assert!(code == 0 && err.contains("38 events in"), "{err}");
    assert_eq!(lines(&file), whole);
}

#[test]
fn standard_output_holds_events_only() {
    let relay = FakeRelay::start(Manners::default());
    relay.store(&notes(3, 1));
    let (code, out, _) = told(&["export", "--from", &relay.url]);
    assert_eq!((code, out.lines().count()), (0, 3));
}

#[test]
fn a_refused_filter_and_a_mistyped_one_are_one_line_each() {
    let relay = FakeRelay::start(Manners {
        closed: Some("unsupported: no such field"),
        ..Manners::default()
    });
    let (code, _, err) = told(&["export", "--from", &relay.url]);
    assert!(
        code == 1 && err.contains("refused the filter: unsupported: no such field"),
        "{err}"
    );
    let (code, _, err) = told(&["export", "--from", &relay.url, "--filter", "[]"]);
    assert!(
        code == 2 && err.contains("a filter is a JSON object"),
        "{err}"
    );
}

#[test]
fn a_relay_that_is_not_there_leaves_no_file_behind() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.jsonl");
    let nobody = ["--from", "ws://127.0.0.1:1"];
    let (code, _, err) = told(&[&["export", file.to_str().unwrap()], &nobody[..]].concat());
    assert!(
        code == 1 && err.contains("cannot connect to") && err.contains("nothing was written"),
        "{err}"
    );
    assert!(!err.contains("--resume") && !file.exists(), "{err}");
    let (code, _, err) = told(&["export"]);
    assert!(
        code == 2 && err.contains("--from <URL>") && err.contains("--data <DIR>"),
        "{err}"
    );
}
