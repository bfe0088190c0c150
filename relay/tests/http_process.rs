//! The real program: what an operator, a probe and a client see of a running `relay serve`.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

mod common;

use common::{
    ask, body, header,
    process::{Relay, complaint, eventually, run},
};
use nostr_fleet_relay::sign::Signer;
use rustix::process::{Resource, Rlimit, Signal};
use serde_json::json;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_start_says_where_it_is_and_both_ports_answer() {
    let relay = Relay::start("version: 1\nhot: {info: {name: Town}}\n", &[]);
    assert!(
        relay
            .first_line
            .starts_with(&format!("Nostr relay ready at ws://{}", relay.public))
    );
    assert!(relay.ops("/livez").starts_with("HTTP/1.1 200"));
    assert!(relay.ops("/readyz").starts_with("HTTP/1.1 200"));
    assert!(relay.ops("/").starts_with("HTTP/1.1 404"));
    let health = ask(relay.public, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 200") && body(&health).contains("\"status\":\"ok\""));
    for path in ["/livez", "/readyz", "/metrics", "/status"] {
        let answer = ask(
            relay.public,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"),
        );
        assert!(answer.starts_with("HTTP/1.1 404"), "{path} is not public");
    }
    let status = relay.status();
    assert!(status.ready && !status.draining && status.not_ready.is_empty());
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(status.configuration.hash.len(), 64);
    assert!(!status.store.store_id.is_empty());
}

#[test]
fn the_store_is_compacted_on_demand() {
    let relay = Relay::start("version: 1\n", &[]);
    let post = "POST /compact HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let answer = ask(relay.ops, post);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(body(&answer).contains("segments rewritten"), "{answer}");
    assert!(
        relay.ops("/compact").starts_with("HTTP/1.1 405"),
        "a GET changes nothing"
    );
    assert!(
        !ask(relay.public, post).starts_with("HTTP/1.1 200"),
        "never public"
    );
}

#[test]
fn metrics_have_the_promised_names() {
    let relay = Relay::start("version: 1\n", &[]);
    let answer = relay.ops("/metrics");
    assert!(header(&answer, "content-type").starts_with("application/openmetrics-text"));
    for name in [
        "nostr_relay_active_connections 0",
        "nostr_relay_connections_total 0",
        "nostr_relay_duplicates_total 0",
        "nostr_relay_active_subscriptions 0",
        "nostr_relay_query_duration_seconds_count 0",
        "nostr_relay_commit_duration_seconds_count 0",
        "nostr_relay_deliveries_total 0",
        "nostr_relay_slow_readers_dropped_total 0",
        "nostr_relay_storage_bytes ",
        "nostr_relay_event_count 0",
        "nostr_relay_log_bytes{state=\"live\"}",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
    ] {
        assert!(answer.contains(name), "{name} is not in\n{answer}");
    }
    block_on(async {
        let mut client = relay.connect().await;
        client.send(r#"["REQ","a",{"kinds":[1]}]"#).await;
        assert_eq!(client.answer().await[0], "EOSE");
        let answer = relay.ops("/metrics");
        assert!(
            answer.contains("nostr_relay_active_connections 1"),
            "{answer}"
        );
        assert!(
            answer.contains("nostr_relay_active_subscriptions 1"),
            "{answer}"
        );
        assert_eq!(relay.status().connections, 1);
        assert_eq!(relay.status().subscriptions, 1);
    });
    eventually("the connection is counted out", || {
        relay.status().connections == 0
    });
}

#[test]
fn what_is_stored_is_counted_and_there_after_a_clean_stop() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let event = Signer::from_seed(1).event(now, 1, &[], "hello");
    let id = serde_json::from_str::<serde_json::Value>(&event).unwrap()["id"].clone();
    let forged = Signer::from_seed(1).event(now, 1, &[], "mine");
    let forged = forged.replace("mine", "not mine");
    let mut relay = Relay::start("version: 1\n", &[]);
    block_on(async {
        let mut client = relay.connect().await;
        for text in ["", "duplicate: "] {
            client.send(&format!(r#"["EVENT",{event}]"#)).await;
            let answer = client.answer().await;
            assert_eq!(
                (&answer[0], &answer[1], &answer[2]),
                (&json!("OK"), &id, &json!(true))
            );
            assert!(answer[3].as_str().unwrap().starts_with(text), "{answer}");
        }
        client.send(&format!(r#"["EVENT",{forged}]"#)).await;
        assert_eq!(client.answer().await[2], false);
    });
    let metrics = relay.ops("/metrics");
    for line in [
        "nostr_relay_events_received_total{kind=\"1\"} 3",
        "nostr_relay_events_stored_total{kind=\"1\"} 1",
        "nostr_relay_events_rejected_total{reason=\"invalid\"} 1",
        "nostr_relay_duplicates_total 1",
        "nostr_relay_commit_duration_seconds_count 1",
        "nostr_relay_event_count 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    relay.signal(Signal::TERM);
    assert_eq!(relay.ended().code(), Some(0));
    let relay = relay.again();
    let status = relay.status();
    assert_eq!(
        (status.store.events, status.store.start.as_str()),
        (1, "Clean")
    );
    block_on(async {
        let mut client = relay.connect().await;
        client
            .send(&format!(r#"["REQ","a",{{"ids":[{id}]}}]"#))
            .await;
        assert_eq!(
            client.answer().await,
            json!([
                "EVENT",
                "a",
                serde_json::from_str::<serde_json::Value>(&event).unwrap()
            ])
        );
    });
}

#[test]
fn a_changed_file_is_in_force_on_open_connections() {
    let relay = Relay::start("version: 1\nhot: {limits: {subscriptions: 2}}\n", &[]);
    block_on(async {
        let mut client = relay.connect().await;
        for id in ["a", "b"] {
            client
                .send(&format!(r#"["REQ","{id}",{{"kinds":[1]}}]"#))
                .await;
            assert_eq!(client.answer().await[0], "EOSE");
        }
        client.send(r#"["REQ","c",{"kinds":[1]}]"#).await;
        let closed = client.answer().await;
        assert_eq!(closed[0], "CLOSED");
        assert!(
            closed[2].as_str().unwrap().starts_with("rate-limited: "),
            "{closed}"
        );

        relay.configure("version: 1\nhot: {limits: {subscriptions: 3}}\n");
        eventually("the new limit is shown", || {
            relay.info()["limitation"]["max_subscriptions"] == 3
        });
        client.send(r#"["REQ","c",{"kinds":[1]}]"#).await;
        assert_eq!(client.answer().await[0], "EOSE", "on the same connection");
    });
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let relay = Relay::start("version: 1\nhot: {info: {name: Good}}\n", &[]);
    let hash = relay.status().configuration.hash;
    relay.configure("version: 1\nhot:\n  infos: {name: Bad}\n");
    eventually("the error is told", || {
        !relay.status().configuration.error.is_empty()
    });
    let status = relay.status();
    assert!(status.ready, "the last good configuration serves");
    assert_eq!(status.configuration.hash, hash);
    assert!(
        status.configuration.error.contains("`infos`")
            && status.configuration.error.contains("line 3")
    );
    assert_eq!(relay.info()["name"], "Good");
    assert!(
        relay
            .ops("/metrics")
            .contains("config_reloads_total{result=\"refused\"} 1")
    );

    relay.configure("version: 1\ncold: {grace: 9s}\nhot: {info: {name: Better}}\n");
    eventually("the good one is taken", || relay.info()["name"] == "Better");
    eventually("the cold key waits", || {
        relay.status().configuration.waiting_for_restart == ["cold.grace"]
    });
    assert_eq!(relay.status().configuration.error, "");
}

#[test]
fn a_swapped_mount_is_in_force() {
    let mount = |dir: &Path, name: &str, yaml: &str| {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("relay.yaml"), yaml).unwrap();
        symlink(name, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    let dir = tempfile::tempdir().unwrap();
    mount(
        dir.path(),
        "..2026_1",
        "version: 1\nhot: {info: {name: One}}\n",
    );
    symlink("..data/relay.yaml", dir.path().join("relay.yaml")).unwrap();
    let relay = Relay::start_in(dir, &[]);
    assert_eq!(relay.info()["name"], "One");
    mount(
        relay.path(),
        "..2026_2",
        "version: 1\nhot: {info: {name: Two}}\n",
    );
    let begin = Instant::now();
    eventually("the mount is taken", || relay.info()["name"] == "Two");
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_log_level_changes_in_place() {
    let relay = Relay::start("version: 1\nhot: {logLevel: error}\n", &[]);
    relay.configure("version: 1\nhot: {logLevel: error, info: {name: Quiet}}\n");
    eventually("the first change is in force", || {
        relay.info()["name"] == "Quiet"
    });
    assert_eq!(relay.log(), "", "nothing that failed");
    relay.configure("version: 1\nhot: {logLevel: info, info: {name: Loud}}\n");
    eventually("the second change is told", || {
        relay.log().contains("configuration swapped")
    });
}

#[test]
fn json_logs_are_objects_and_nothing_else_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.yaml");
    fs::write(&config, "version: 1\ncold: {logFormat: json}\n").unwrap();
    let log = dir.path().join("log");
    let data = dir.path().join("data");
    let mut child =
        common::process::relay(&["serve", "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"])
            .args([
                "--config".as_ref(),
                config.as_os_str(),
                "--data".as_ref(),
                data.as_os_str(),
            ])
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
    eventually("it says that it is ready", || {
        fs::read_to_string(&log).unwrap().contains("\"ready\"")
    });
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty());
    for line in fs::read_to_string(&log).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["message"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn a_process_without_file_descriptors_waits_and_recovers() {
    let relay = Relay::start("version: 1\n", &[]);
    let open = fs::read_dir(format!("/proc/{}/fd", relay.pid().as_raw_nonzero()))
        .unwrap()
        .count() as u64;
    let limit = |files| {
        rustix::process::prlimit(
            Some(relay.pid()),
            Resource::Nofile,
            Rlimit {
                current: Some(files),
                maximum: Some(files),
            },
        )
    };
    limit(open + 8).unwrap();
    block_on(async {
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(relay.connect().await);
        }
        let waiting: Vec<_> = (0..8)
            .map(|_| std::net::TcpStream::connect(relay.public).unwrap())
            .collect();
        eventually("it says what is missing", || {
            relay.log().contains("open files")
        });
        let first = &mut clients[0];
        first.send(r#"["REQ","a",{"kinds":[1]}]"#).await;
        assert_eq!(
            first.answer().await[0],
            "EOSE",
            "those who are in are served"
        );
        let lines = relay.log().matches("open files").count();
        assert!(lines <= 2, "said {lines} times");
        drop((clients, waiting));
    });
    eventually("it serves again", || relay.info()["version"].is_string());
}

#[test]
fn flags_beat_the_file() {
    let yaml = "version: 1\ncold: {grace: 9s}\nhot: {url: \"ws://file.example\"}\n";
    let relay = Relay::start(
        yaml,
        &[
            "--url",
            "ws://flag.example",
            "--role",
            "relay",
            "--grace",
            "3s",
        ],
    );
    assert!(
        relay.first_line.contains("ready at ws://flag.example "),
        "{}",
        relay.first_line
    );
    let page = ask(relay.public, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(body(&page).contains("ws://flag.example"), "{page}");
}

#[test]
fn sigterm_says_goodbye_to_each_client_in_its_turn() {
    let mut relay = Relay::start("version: 1\n", &["--grace", "2s"]);
    block_on(async {
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = relay.connect().await;
            client.send(r#"["REQ","mine",{"kinds":[1]}]"#).await;
            assert_eq!(client.answer().await[0], "EOSE");
            clients.push(client);
        }
        relay.signal(Signal::TERM);
        let begin = Instant::now();
        let goodbyes = futures::future::join_all(clients.iter_mut().map(|client| async {
            assert_eq!(
                client.answer().await,
                json!(["CLOSED", "mine", "error: shutting down"])
            );
            match client.next().await {
                Some(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Restart),
                other => panic!("{other:?} instead of close 1012"),
            }
            begin.elapsed()
        }));
        let mut after = goodbyes.await;
        after.sort_unstable();
        assert!(
            after[7] > after[0] + Duration::from_millis(500),
            "spread: {after:?}"
        );
        assert!(
            after[7] < Duration::from_secs(2),
            "within the grace period: {after:?}"
        );
    });
    assert_eq!(relay.ended().code(), Some(0));
}

#[test]
fn a_draining_relay_is_not_ready_and_accepts_nobody() {
    let mut relay = Relay::start("version: 1\n", &["--grace", "3s"]);
    block_on(async {
        let _one = relay.connect().await;
        let _two = relay.connect().await;
        let _three = relay.connect().await;
        relay.signal(Signal::TERM);
        eventually("not ready", || {
            relay.ops("/readyz").starts_with("HTTP/1.1 503")
        });
        assert_eq!(body(&relay.ops("/readyz")), "draining\n");
        assert!(relay.ops("/livez").starts_with("HTTP/1.1 200"));
        assert!(relay.status().draining && !relay.status().ready);
        eventually("connections are refused", || {
            std::net::TcpStream::connect(relay.public).is_err()
        });
    });
    assert_eq!(relay.ended().code(), Some(0));
}

#[test]
fn without_clients_a_stop_is_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut relay = Relay::start("version: 1\n", &["--grace", "60s"]);
        let begin = Instant::now();
        relay.signal(signal);
        assert_eq!(relay.ended().code(), Some(0));
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    }
}

#[test]
fn a_second_signal_ends_the_goodbye() {
    let mut relay = Relay::start("version: 1\n", &["--grace", "60s"]);
    block_on(async {
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(relay.connect().await);
        }
        relay.signal(Signal::INT);
        eventually("draining", || relay.status().draining);
        relay.signal(Signal::INT);
        let begin = Instant::now();
        assert_eq!(relay.ended().code(), Some(0));
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
    });
}

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
    let output = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--ops",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
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
    let output = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--ops",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
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
