//! The tools and the real relay together.
#![allow(clippy::unwrap_used)] // a test may end with a panic

mod fake_relay;
mod live_relay;

use fake_relay::{notes, told, write_lines};
use live_relay::LiveRelay;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

fn lines(path: &str) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn same(seen: &[String], wanted: &[String]) {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (seen.iter().collect(), wanted.iter().collect());
    assert!(one == other, "{} against {}", one.len(), other.len());
    assert_eq!(seen.len(), wanted.len());
}

#[test]
fn a_running_relay_is_healthy_and_a_killed_one_is_not() {
    let mut relay = LiveRelay::start();
    let (code, out, err) = told(&["health", &relay.url]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("healthy: "), "{out}");
    relay.kill();
    assert_eq!(told(&["health", &relay.url]).0, 1);
}

#[test]
fn events_go_in_and_come_out_byte_for_byte() {
    let relay = LiveRelay::start();
    let (input, output) = (relay.path("in.jsonl"), relay.path("out.jsonl"));
    let (_, made, _) = told(&["bench", "events", "--count", "700"]);
    fs::write(&input, &made).unwrap();
    let (code, out, err) = told(&["import", &input, "--to", &relay.url]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, err) = told(&["export", &output, "--from", &relay.url]);
    assert!(code == 3 && err.contains("incomplete: gift wraps"), "{err}");
    let (made, seen) = (lines(&input), lines(&output));
    let made: BTreeSet<_> = made.iter().collect();
    assert!(seen.iter().all(|text| made.contains(text)));
    let held = out
        .split(" accepted")
        .next()
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap();
    assert!(
        seen.len() <= held.parse::<usize>().unwrap() && seen.len() > 650,
        "{out} {}",
        seen.len()
    );
}

#[test]
fn a_second_with_more_events_than_the_limit_is_exported_whole() {
    let relay = LiveRelay::start();
    let (input, output) = (relay.path("in.jsonl"), relay.path("out.jsonl"));
    let signer = nostr_fleet_relay::sign::Signer::from_seed(9);
    let event = |n: u16| signer.event(1_700_000_000, 1 + n % 2, &[], &n.to_string());
    let mut events: Vec<_> = (0..900).map(event).collect();
    events.extend(notes(100, 10));
    write_lines(input.as_ref(), &events);
    assert_eq!(told(&["import", &input, "--to", &relay.url]).0, 0);
    let filter = r#"{"kinds":[1,2]}"#;
    let (code, _, err) = told(&["export", &output, "--from", &relay.url, "--filter", filter]);
    assert_eq!(code, 0, "{err}");
    same(&lines(&output), &events);
}

#[test]
fn an_import_outlives_the_death_of_the_relay() {
    let mut relay = LiveRelay::start();
    let (input, output) = (relay.path("in.jsonl"), relay.path("out.jsonl"));
    let events = notes(3_000, 1);
    write_lines(input.as_ref(), &events);
    let mut import = Command::new(env!("CARGO_BIN_EXE_relay"))
        .args(["import", &input, "--to", &relay.url, "--window", "64"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..2 {
        sleep(Duration::from_millis(400));
        assert!(
            import.try_wait().unwrap().is_none(),
            "over before the relay was killed"
        );
        relay.kill();
        sleep(Duration::from_millis(200));
        relay.start_again();
    }
    let ended = import.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(
        ended.status.success() && out.starts_with("3000 events in "),
        "{out}"
    );
    assert!(out.contains(" 0 superseded, 0 refused"), "{out}");
    let filter = r#"{"kinds":[1]}"#;
    let export = ["export", &output, "--from", &relay.url, "--filter", filter];
    assert_eq!(told(&export).0, 0);
    same(&lines(&output), &events);
}

#[test]
fn a_running_relay_s_volume_is_refused_and_its_holder_named() {
    let relay = LiveRelay::start();
    let (data, run) = (relay.path("data"), relay.run.path().to_str().unwrap());
    for command in [
        &["import", "/dev/null"][..],
        &["export"],
        &["compact"],
        &["delete", "--filter", "{}", "--yes"],
    ] {
        let (code, _, err) = told(&[command, &["--data", &data, "--runtime-dir", run]].concat());
        assert!(
            code == 2 && err.contains("is in use by") && err.contains(&relay.pid()),
            "{command:?}: {err}"
        );
    }
}

#[test]
fn a_running_relay_is_compacted_through_its_ops_port() {
    let relay = LiveRelay::start();
    let signer = nostr_fleet_relay::sign::Signer::from_seed(6);
    let secret = signer.event(1_700_000_000, 1, &[], "a secret to forget");
    let request = signer.event(1_700_000_001, 5, &[&["e", &fake_relay::id_of(&secret)]], "");
    let input = relay.path("in.jsonl");
    write_lines(input.as_ref(), &[secret, request]);
    assert_eq!(told(&["import", &input, "--to", &relay.url]).0, 0);
    let (code, out, err) = told(&["compact", "--ops", &relay.ops]);
    assert!(code == 0 && !out.trim().is_empty(), "{out}{err}");
    for file in fs::read_dir(relay.path("data")).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        assert!(
            !bytes
                .windows(18)
                .any(|window| window == b"a secret to forget"),
            "{path:?}"
        );
    }
    let (code, _, err) = told(&["compact", "--ops", &relay.url]);
    assert!(
        code == 1 && err.contains("is no ops port that can compact"),
        "{err}"
    );
}

#[test]
fn every_measurement_runs_against_the_real_relay() {
    let relay = LiveRelay::start();
    let (url, pid) = (relay.url.as_str(), relay.pid());
    let measured = |arguments: &[&str]| -> Value {
        let common = ["--url", url, "--pid", &pid, "--json"];
        let (code, out, err) = told(&[&["bench"], arguments, &common].concat());
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    };
    let json = measured(&["ingest", "--count", "300", "--connections", "1,8"]);
    for row in json["rows"].as_array().unwrap() {
        let ended = row["accepted"].as_u64().unwrap() + row["superseded"].as_u64().unwrap();
        assert_eq!((ended, &row["refused"]), (300, &0.into()), "{row}");
        assert!(row["cpu_s_per_100k"].as_f64().unwrap() > 0.0, "{row}");
        assert!(
            row["written_bytes_per_event"].as_f64().unwrap() > 100.0,
            "{row}"
        );
    }
    let json = measured(&[
        "query",
        "--count",
        "400",
        "--load",
        "--queries",
        "40",
        "--connections",
        "4",
    ]);
    for row in json["rows"].as_array().unwrap() {
        assert_eq!(row["queries"], 40, "{row}");
        assert!(
            row["rows"].as_f64().unwrap() > 0.0 || row["query"] != "by id",
            "{row}"
        );
    }
    let json = measured(&[
        "fanout",
        "--subscribers",
        "10",
        "--selective",
        "50",
        "--deliveries",
        "500",
        "--paced-seconds",
        "1",
    ]);
    for row in json["rows"].as_array().unwrap() {
        assert_eq!(row["deliveries"], row["expected"], "{row}");
    }
    let json = measured(&["idle", "--connections", "200"]);
    assert!(json["rows"][0]["kb_per_connection"].is_number());
}
