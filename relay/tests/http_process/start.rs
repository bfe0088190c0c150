//! A relay that runs: where it is, what it prints, what its ops port tells.

use super::common::{
    ask, body, header,
    process::{PATIENCE, Relay, SERVE, block_on, eventually, relay},
};
use nostr_fleet_relay::sign::Signer;
use rustix::process::{Resource, Rlimit, Signal};
use serde_json::json;
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

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

/// What Kubernetes does: it sends clients as soon as the probe says 200.
#[test]
fn who_is_told_that_the_relay_is_ready_can_dial_it_at_once() {
    let people = (0..2000).map(|seed| format!("'{}'", Signer::from_seed(seed).public_key()));
    let people = people.collect::<Vec<_>>().join(", ");
    let yaml =
        format!("version: 1\nhot: {{access: {{write: {{mode: Allow, pubkeys: [{people}]}}}}}}\n");
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.yaml");
    fs::write(&config, yaml).unwrap();
    for round in 0..10 {
        let [public, ops] = [free_address(), free_address()];
        let data = dir.path().join(round.to_string());
        let mut child = relay(&["serve", "--config", config.to_str().unwrap()])
            .args(["--listen", &public.to_string(), "--ops", &ops.to_string()])
            .args(["--data", data.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let probe = "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut refused = false;
        let deadline = Instant::now() + PATIENCE;
        while !(TcpStream::connect(ops).is_ok() && ask(ops, probe).starts_with("HTTP/1.1 200")) {
            assert!(Instant::now() < deadline, "it is never ready");
            refused |= TcpStream::connect(public).is_err();
        }
        let dialled = TcpStream::connect(public);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(dialled.is_ok(), "round {round}: {dialled:?}");
        assert!(
            refused,
            "round {round}: it was ready before it was looked at"
        );
    }
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn refusals_are_in_the_log_but_not_each_and_nothing_of_what_was_sent() {
    let relay = Relay::start("version: 1\nhot: {logLevel: debug}\n", &[]);
    let mine = Signer::from_seed(1).event(1_700_000_000, 1, &[], "private words");
    let forged = mine.replace("private words", "other words");
    block_on(async {
        let mut client = relay.connect().await;
        for _ in 0..5 {
            client.send(&format!(r#"["EVENT",{forged}]"#)).await;
            assert_eq!(client.answer().await[2], false);
        }
        for _ in 0..5 {
            client.send(r#"["REQ","secret",{"told":["me"]}]"#).await;
            assert_eq!(client.answer().await[0], "CLOSED");
        }
    });
    let log = relay.log();
    let told = |words: &[&str]| -> usize {
        let is_it = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().filter(is_it).count()
    };
    assert_eq!(
        told(&["refused", "EVENT", "invalid", "not the hash"]),
        1,
        "{log}"
    );
    assert_eq!(
        told(&["refused", "REQ or COUNT", "unsupported"]),
        1,
        "{log}"
    );
    let event: serde_json::Value = serde_json::from_str(&mine).unwrap();
    for name in ["id", "pubkey", "sig"] {
        assert!(
            !log.contains(event[name].as_str().unwrap()),
            "{name}: {log}"
        );
    }
    for words in ["other words", "secret", "told"] {
        assert!(!log.contains(words), "{words}: {log}");
    }
}

#[test]
fn flags_beat_the_file() {
    // Nothing of the file's cold section could be used: no such address, no such place.
    let yaml = "version: 1
cold: {grace: 9s, data: /proc/none, listen: '192.0.2.1:1', ops: '192.0.2.1:2', runtimeDir: /proc/none/run}
hot: {url: 'ws://file.example'}
";
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
    assert!(relay.dir.path().join("data/FORMAT").exists());
    assert!(relay.ops("/readyz").starts_with("HTTP/1.1 200"));
}

#[test]
fn json_logs_are_objects_and_nothing_else_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.yaml");
    fs::write(&config, "version: 1\ncold: {logFormat: json}\n").unwrap();
    let log = dir.path().join("log");
    let data = dir.path().join("data");
    let mut child = relay(&SERVE)
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
