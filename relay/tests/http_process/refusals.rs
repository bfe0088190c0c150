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
