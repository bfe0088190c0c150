//! `relay bench`: every measurement runs briefly and its JSON has the promised figures.
#![allow(clippy::unwrap_used)] // a test may end with a panic

mod fake_relay;

use fake_relay::{FakeRelay, Manners, told};
use serde_json::Value;
use std::process;

/// Runs one measurement of a relay that lives in this process.
fn measured(relay: &FakeRelay, arguments: &[&str]) -> Value {
    let pid = process::id().to_string();
    let common = ["--url", &relay.url, "--pid", &pid, "--json"];
    let (code, out, err) = told(&[&["bench"], arguments, &common].concat());
    assert_eq!(code, 0, "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

fn assert_numbers(row: &Value, names: &[&str]) {
    for name in names {
        assert!(row[*name].is_number(), "{name} in {row}");
    }
}

#[test]
fn ingest_tells_speed_latency_cpu_and_bytes() {
    let relay = FakeRelay::start(Manners::default());
    let json = measured(&relay, &["ingest", "--count", "60", "--connections", "1,3"]);
    assert!(json["verification_us"].as_f64().unwrap() > 1.0);
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[1]["connections"], &rows[1]["bench"]),
        (&3.into(), &"ingest".into())
    );
    for row in rows {
        assert_eq!(
            (row["accepted"].as_u64(), row["duplicate"].as_u64()),
            (Some(60), Some(0))
        );
        assert_numbers(
            row,
            &[
                "superseded",
                "refused",
                "seconds",
                "events_per_s",
                "ok_p50_ms",
                "ok_p99_ms",
                "cpu_s_per_100k",
                "verifications_per_event",
                "written_bytes_per_event",
            ],
        );
    }
    assert_eq!(relay.stored().len(), 120);
    let again = measured(&relay, &["ingest", "--count", "60", "--connections", "1"]);
    assert_eq!(again["rows"][0]["duplicate"], 60);
}

#[test]
fn query_has_the_six_rows_of_the_peers() {
    let relay = FakeRelay::start(Manners::default());
    let json = measured(
        &relay,
        &[
            "query",
            "--count",
            "200",
            "--load",
            "--queries",
            "20",
            "--connections",
            "4",
        ],
    );
    let rows = json["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["query"].as_str().unwrap())
        .collect();
    let wanted = [
        "by id",
        "author + kind, limit 20",
        "#e",
        "#p + kind",
        "feed of 50 authors, limit 100",
        "scan, limit 500",
    ];
    assert_eq!(names, wanted);
    for row in rows {
        assert_eq!(row["queries"], 20);
        assert_numbers(
            row,
            &["rows", "queries_per_s", "cpu_us", "p50_ms", "p99_ms"],
        );
    }
    assert_eq!(rows[0]["rows"], 1.0);
    assert!(rows[5]["rows"].as_f64().unwrap() > 10.0);
}

#[test]
fn query_says_that_the_events_are_not_there() {
    let told_of = |load: &[&str]| {
        let relay = FakeRelay::start(Manners::default());
        let query = ["bench", "query", "--url", &relay.url, "--count", "200"];
        let brief = ["--queries", "40", "--connections", "2"];
        let (code, _, err) = told(&[&query[..], &brief, load].concat());
        assert_eq!(code, 0, "{err}");
        err
    };
    let empty = told_of(&[]);
    assert!(
        empty.contains("0 rows were found by: by id; ") && empty.contains("--load"),
        "{empty}"
    );
    let loaded = told_of(&["--load"]);
    assert!(!loaded.contains("found by: by id"), "{loaded}");
}

#[test]
fn fanout_counts_every_delivery() {
    let relay = FakeRelay::start(Manners::default());
    let arguments = [
        "fanout",
        "--subscribers",
        "5,20",
        "--selective",
        "20",
        "--deliveries",
        "200",
        "--paced-seconds",
        "1",
    ];
    let json = measured(&relay, &arguments);
    let rows = json["rows"].as_array().unwrap();
    let hear: Vec<_> = rows
        .iter()
        .map(|row| row["hear"].as_str().unwrap_or("paced"))
        .collect();
    assert_eq!(
        hear,
        ["everything", "everything", "100 authors each", "paced"]
    );
    for row in rows {
        assert_eq!(row["deliveries"], row["expected"], "{row}");
        assert_eq!(row["lost_connections"], 0);
    }
    assert_numbers(&rows[0], &["deliveries_per_s", "cpu_s_per_100k"]);
    assert_numbers(&rows[3], &["p50_ms", "p99_ms"]);
    assert_eq!(rows[3]["expected"], 5_000);
}

#[test]
fn idle_tells_memory_per_connection() {
    let relay = FakeRelay::start(Manners::default());
    let json = measured(&relay, &["idle", "--connections", "50"]);
    assert_numbers(
        &json["rows"][0],
        &[
            "before_kb",
            "after_kb",
            "kb_per_connection",
            "idle_cpu_percent",
        ],
    );
    assert_eq!(json["rows"][0]["connections"], 50);
}

#[test]
fn handshake_tells_how_many_get_in_and_how_fast() {
    let relay = FakeRelay::start(Manners::default());
    let json = measured(&relay, &["handshake", "--count", "40"]);
    let figures = ["per_s", "p50_ms", "p99_ms", "cpu_us_per_handshake"];
    assert_numbers(&json["rows"][0], &figures);
    assert_eq!(json["rows"][0]["handshake"], "plain");
    assert_eq!(json["rows"][0]["count"], 40);
    assert_eq!(json["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn without_json_a_table_is_printed_and_without_pid_its_columns_are_open() {
    let relay = FakeRelay::start(Manners::default());
    let (code, out, err) = told(&[
        "bench",
        "ingest",
        "--url",
        &relay.url,
        "--count",
        "10",
        "--connections",
        "1",
    ]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("\ningest\nconnections  accepted") && out.contains('–'),
        "{out}"
    );
}

#[test]
fn what_cannot_be_measured_is_said_in_one_line() {
    let (code, out, err) = told(&[
        "bench",
        "ingest",
        "--url",
        "ws://127.0.0.1:1",
        "--count",
        "1",
    ]);
    assert!(
        code == 1 && out.is_empty() && err.contains("cannot connect"),
        "{err}"
    );
    let relay = FakeRelay::start(Manners {
        closed: Some("blocked: no"),
        ..Manners::default()
    });
    let (code, _, err) = told(&[
        "bench",
        "fanout",
        "--url",
        &relay.url,
        "--subscribers",
        "2",
        "--deliveries",
        "10",
    ]);
    assert!(
        code == 1 && err.contains("only 0 of 2 connections opened"),
        "{err}"
    );
    let (code, _, err) = told(&["bench", "idle", "--url", &relay.url, "--connections", "2"]);
    assert!(code == 1 && err.contains("add --pid"), "{err}");
}

#[test]
fn events_are_signed_lines_that_follow_from_the_seed() {
    let arguments = ["bench", "events", "--count", "20", "--seed", "7"];
    let (code, out, _) = told(&arguments);
    assert_eq!((code, out.lines().count()), (0, 20));
    assert_eq!(out, told(&arguments).1);
    for line in out.lines() {
        let event = nostr_fleet_relay::wire::Event::read(line).unwrap();
        assert!(nostr_fleet_relay::wire::Verified::check(event).is_ok());
    }
}
