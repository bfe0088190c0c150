//! What cannot start: one line with the remedy, and the exit code.

use super::common::process::{Relay, complaint, run, serve_in};
use std::{fs, net::TcpListener};

#[test]
fn a_taken_port_is_one_line_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for flag in ["--listen", "--ops"] {
        let other = if flag == "--ops" { "--listen" } else { "--ops" };
        let output = run(&[
            "serve",
            flag,
            &address,
            other,
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
        ]);
        let words = complaint(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(
            words.contains(&address) && words.contains(&format!("with {flag}")),
            "{words}"
        );
        assert!(!words.contains("panicked"), "{words}");
        assert!(!data.exists(), "nothing is touched");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_one_line_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let data = dir.path().join("file/data");
    let output = serve_in(&data);
    let words = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.contains("file/data") && words.contains("--data"),
        "{words}"
    );
}

#[test]
fn a_damaged_store_is_to_be_restored_and_not_to_be_put_elsewhere() {
    for (text, words) in [
        ("", "FORMAT: EOF"),
        ("junk", "FORMAT: expected"),
        ("{\"format\":1}", "missing field `storeId`"),
        ("{\"format\":1,\"storeId\":\"x\"}", "storeId in "),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("FORMAT"), text).unwrap();
        let (served, exported) = (
            serve_in(&data),
            run(&["export", "--data", data.to_str().unwrap()]),
        );
        for output in [served, exported] {
            let complaint = complaint(&output);
            assert_eq!(output.status.code(), Some(1), "{complaint}");
            assert!(
                complaint.contains(words) && complaint.contains("restore it from a backup"),
                "{complaint}"
            );
            assert!(!complaint.contains("choose a directory"), "{complaint}");
        }
    }
}

#[test]
fn a_log_whose_format_is_missing_is_told_in_words_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir_all(data.join("log")).unwrap();
    fs::write(data.join("log/00000000000000000001.seg"), "x").unwrap();
    let words = complaint(&serve_in(&data));
    assert!(words.contains("restore it from where"), "{words}");
    assert!(!words.contains("choose a directory"), "{words}");
}

#[test]
fn help_begins_with_what_the_program_is() {
    let output = run(&["--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(
        help.starts_with(
            "A Nostr relay. `relay serve` without arguments serves ws://127.0.0.1:8080"
        ),
        "{help}"
    );
    for role in ["MLS", "bunker"] {
        assert!(!help.contains(role), "{help}");
    }
}

#[test]
fn a_second_relay_on_the_same_data_ends_with_the_holders_name() {
    let relay = Relay::start("version: 1\n", &[]);
    let data = relay.path().join("data");
    let output = serve_in(&data);
    let words = complaint(&output);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("in use by"), "{words}");
    assert!(
        relay.ops("/readyz").starts_with("HTTP/1.1 200"),
        "the first one serves on"
    );
}

#[test]
fn check_names_key_line_and_fix() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.yaml");
    let path = path.to_str().unwrap();
    for (yaml, words) in [
        (
            "version: 1\nhot:\n  limits:\n    subscription: 1\n",
            &["hot.limits", "`subscription`", "line 4"][..],
        ),
        (
            "version: 1\nhot:\n  limits:\n    subscriptions: 0\n",
            &["hot.limits.subscriptions", "from 1 to 10000", "line 4"],
        ),
        (
            "version: 1\nhot:\n  url: https://x\n",
            &["hot.url", "wss://host", "line 3"],
        ),
        (
            "version: 1\ncold:\n  grace: soon\n",
            &["cold.grace", "30s", "line 3"],
        ),
        (
            "version: 1\nhot:\n  storage: {size: 1Mi}\n",
            &["hot.storage.size", "256Mi or more", "line 3"],
        ),
        (
            "version: 1\ncold:\n  data: \"\"\n",
            &["cold.data", "name a directory", "line 3"],
        ),
        (
            "- version: 1\n",
            &["a mapping of keys", "line 1", "version: 1"],
        ),
        ("hot: {}\n", &["`version`", "version: 1"]),
        ("version: 2\n", &["version: 2", "version 1"]),
    ] {
        fs::write(path, yaml).unwrap();
        for command in ["check", "serve"] {
            let output = run(&[command, "--config", path]);
            let complaint = complaint(&output);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{command} {yaml}: {complaint}"
            );
            assert_eq!(complaint.lines().count(), 1, "{complaint}");
            for word in words.iter().chain([&path]) {
                assert!(complaint.contains(word), "{word} is not in {complaint}");
            }
        }
    }
    fs::write(path, "version: 1\nhot: {logLevel: debug}\n").unwrap();
    assert!(run(&["check", "--config", path]).status.success());
    assert!(run(&["check"]).status.success());
    assert_eq!(
        run(&["check", "--config", "/nowhere/relay.yaml"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn bad_flags_exit_2() {
    for arguments in [
        &["serve", "--bogus"][..],
        &["serve", "--listen", "here"],
        &["serve", "--grace", "soon"],
        &["serve", "--role", "king"],
        &["serve", "--url", "https://x"],
        &["serve", "--data", ""],
        &["serve", "--listen", "127.0.0.1:9", "--ops", "127.0.0.1:9"],
        &["nonsense"],
    ] {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            complaint(&output)
        );
    }
}
