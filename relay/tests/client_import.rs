//! `relay import`, against a relay that keeps everything, one that hangs up, and one that refuses.

#![allow(clippy::unwrap_used)] // a test may end with a panic

mod fake_relay;

use fake_relay::{FakeRelay, Manners, notes, told, write_lines};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

#[test]
fn every_line_arrives_byte_for_byte_and_a_second_run_is_harmless() {
    let relay = FakeRelay::start(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    let events = notes(600, 1);
    write_lines(&file, &events);
    let arguments = ["import", file.to_str().unwrap(), "--to", &relay.url];
    let (code, out, err) = told(&arguments);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("600 accepted, 0 duplicate, 0 superseded, 0 refused"),
        "{out}"
    );
    assert_eq!(relay.stored(), events);
    let (code, out, _) = told(&arguments);
    assert!(
        code == 0 && out.contains("0 accepted, 600 duplicate"),
        "{out}"
    );
}

#[test]
fn standard_input_is_read_to_its_end() {
    let relay = FakeRelay::start(Manners::default());
    let mut child = Command::new(env!("CARGO_BIN_EXE_relay"))
        .args(["import", "--to", &relay.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for event in notes(3, 1) {
        writeln!(input, "{event}\n").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(relay.stored().len(), 3);
}

#[test]
fn dropped_connections_lose_nothing_and_count_nothing_twice() {
    let relay = FakeRelay::start(Manners {
        cut_after: vec![10, 100, 0, 37],
        ..Manners::default()
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    let events = notes(400, 1);
    write_lines(&file, &events);
    let (code, out, err) = told(&[
        "import",
        file.to_str().unwrap(),
        "--to",
        &relay.url,
        "--window",
        "32",
    ]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("400 events in "), "{out}");
    assert!(
        out.contains(" duplicate, 0 superseded, 0 refused") && !out.contains(" 0 duplicate"),
        "{out}"
    );
    assert_eq!(relay.stored().len(), 400);
    assert_eq!(relay.state.lock().unwrap().connections, 5);
}

#[test]
fn refused_lines_are_named_with_their_numbers_and_their_verdicts() {
    let relay = FakeRelay::start(Manners {
        verdict: |text| match text {
            _ if text.contains("note 1 ") => Some("blocked: not here"),
            _ if text.contains("note 3 ") => Some("duplicate: newer version stored"),
            _ => None,
        },
        ..Manners::default()
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    let mut lines = notes(4, 1);
    lines.push("{\"id\":\"short\"}".into());
    lines.push("not json".into());
    write_lines(&file, &lines);
    let (code, out, _) = told(&["import", file.to_str().unwrap(), "--to", &relay.url]);
    assert_eq!(code, 3, "{out}");
    assert!(
        out.contains("2 accepted, 0 duplicate, 1 superseded, 3 refused"),
        "{out}"
    );
    assert!(out.contains("line 2: blocked: not here"), "{out}");
    assert!(
        out.contains("line 5: invalid: the id is not 64 lower-case hex"),
        "{out}"
    );
    assert!(out.contains("line 6: invalid: not a JSON object"), "{out}");
}

#[test]
fn an_event_that_is_too_large_is_refused_and_the_others_arrive() {
    let relay = FakeRelay::start(Manners {
        largest: 2_000,
        ..Manners::default()
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    let mut lines = notes(20, 1);
    let large = nostr_fleet_relay::sign::Signer::from_seed(2).event(1, 1, &[], &"x".repeat(5_000));
    lines.insert(7, large);
    write_lines(&file, &lines);
    let (code, out, err) = told(&["import", file.to_str().unwrap(), "--to", &relay.url]);
    assert_eq!(code, 3, "{out}{err}");
    assert!(
        out.contains("1 refused") && out.contains("line 8: invalid: message too large"),
        "{out}"
    );
    assert_eq!(relay.stored().len(), 20);
}

#[test]
fn a_resume_file_goes_on_where_the_last_run_stopped() {
    let relay = FakeRelay::start(Manners::default());
    let dir = tempfile::tempdir().unwrap();
    let (file, place) = (dir.path().join("events.jsonl"), dir.path().join("place"));
    let events = notes(10, 1);
    write_lines(&file, &events[..6]);
    let arguments = [
        "import",
        file.to_str().unwrap(),
        "--to",
        &relay.url,
        "--resume-file",
        place.to_str().unwrap(),
    ];
    assert!(told(&arguments).1.contains("6 accepted, 0 duplicate"));
    write_lines(&file, &events);
    let (code, out, err) = told(&arguments);
    assert!(
        code == 0 && out.contains("4 accepted, 0 duplicate"),
        "{out}{err}"
    );
    fs::write(&file, "x".repeat(9_000)).unwrap();
    let (code, _, err) = told(&arguments);
    assert!(
        code == 1 && err.contains("does not fit this input"),
        "{err}"
    );
}

#[test]
fn a_relay_that_is_not_there_and_a_missing_file_are_one_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    write_lines(&file, &notes(1, 1));
    let (code, _, err) = told(&["import", file.to_str().unwrap(), "--to", "ws://127.0.0.1:1"]);
    assert!(
        code == 1 && err.contains("cannot connect to ws://127.0.0.1:1/"),
        "{err}"
    );
    assert!(
        err.contains("nothing was sent") && !err.contains("to go on"),
        "{err}"
    );
    let (code, _, err) = told(&["import", "/nowhere/x.jsonl", "--to", "ws://127.0.0.1:1"]);
    assert!(
        code == 1 && err.contains("cannot read /nowhere/x.jsonl"),
        "{err}"
    );
    let (code, _, err) = told(&["import", "x"]);
    assert!(
        code == 2 && err.contains("--to <URL>") && err.contains("--data <DIR>"),
        "{err}"
    );
}
