//! TLS on the public port of the real program: who gets in, and what a changed certificate does to whom.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

mod common;

use common::{
    ask,
    certificates::{Ca, Pair},
    process::{Relay, block_on, complaint, eventually, run},
};
use nostr_fleet_relay::{
    client::{Answer, Client, Dialer, Trust},
    stream::Stream,
};
use rustls::HandshakeKind;
use std::{fs, path::Path, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(10);

/// A relay with this certificate, whose files stand in `tls` of its directory.
fn relay(lay: impl FnOnce(&Path)) -> Relay {
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    fs::create_dir(&tls).unwrap();
    lay(&tls);
    let yaml = format!(
        "version: 1\ncold: {{tls: {{directory: {:?}}}}}\n",
        tls.to_str().unwrap()
    );
    fs::write(dir.path().join("relay.yaml"), yaml).unwrap();
    Relay::start_in(dir, &[])
}

fn served_with(pair: &Pair) -> Relay {
    relay(|dir| pair.write(dir))
}

/// A client asks and is answered.
async fn is_served(client: &mut Client) {
    let request = r#"["REQ","a",{"kinds":[1],"limit":1}]"#;
    client.send(request).await.unwrap();
    let mut answer = client.next().await.unwrap();
    while answer.starts_with(r#"["AUTH","#) {
        answer = client.next().await.unwrap(); // asked at once who it is (NIP-42)
    }
    assert!(
        matches!(Answer::read(&answer), Some(Answer::Eose { .. })),
        "{answer}"
    );
}

/// The reason why a client does not get in.
async fn refusal(dialer: &Dialer) -> String {
    let connected = Client::connect(dialer, PATIENCE).await;
    connected.expect_err("it gets in").to_string()
}

/// One request over a connection of its own; how its handshake went, once its ticket has been read.
async fn handshake(dialer: &Dialer) -> HandshakeKind {
    let mut stream = dialer.dial().await.unwrap();
    let request = b"GET /health HTTP/1.0\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    let Stream::Tls(stream) = stream else {
        panic!("no TLS");
    };
    stream.get_ref().1.handshake_kind().unwrap()
}

#[test]
fn a_client_that_knows_the_ca_is_served_over_wss() {
    let ca = Ca::new("town");
    let relay = served_with(&ca.pair());
    let line = &relay.first_line;
    assert!(line.contains("ready at wss://127.0.0.1:"), "{line}");
    block_on(async {
        let mut client = Client::connect(&ca.dialer(relay.public), PATIENCE)
            .await
            .unwrap();
        is_served(&mut client).await;
        client.close().await;
    });
    let tls = relay.status().tls.unwrap();
    assert_eq!((tls.fingerprint.len(), tls.error.as_str()), (64, ""));
    let file = ca.file();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("wss://{host}:{}", relay.public.port());
        let health = run(&["health", &url, "--ca", file.to_str().unwrap()]);
        assert!(health.status.success(), "{}", complaint(&health));
    }
}

#[test]
fn who_does_not_know_the_ca_or_dials_another_name_is_told_why() {
    let ca = Ca::new("town");
    let relay = served_with(&ca.pair());
    block_on(async {
        let stranger = refusal(&Ca::new("elsewhere").dialer(relay.public)).await;
        assert!(
            stranger.contains("of no CA that is known here; name that CA's with --ca"),
            "{stranger}"
        );
    });
    let file = ca.file();
    let other = served_with(&ca.pair_for(&["relay.example"], 2100));
    let url = format!("wss://{}", other.public);
    let health = run(&["health", &url, "--ca", file.to_str().unwrap()]);
    let told = complaint(&health);
    assert_eq!(health.status.code(), Some(1));
    assert!(
        told.contains("is not for 127.0.0.1, but for") && told.contains("relay.example"),
        "{told}"
    );
    let misused = served_with(&ca.own());
    let told = block_on(refusal(&ca.dialer(misused.public)));
    assert!(
        told.contains("needs one with basicConstraints CA:FALSE"),
        "{told}"
    );
    let expired = served_with(&ca.pair_for(&["127.0.0.1"], 2021));
    let told = block_on(refusal(&ca.dialer(expired.public)));
    assert!(told.contains("its certificate has expired"), "{told}");
}

#[test]
fn a_ca_file_that_is_none_is_named() {
    let url = "wss://localhost:1".parse().unwrap();
    for (ca, words) in [
        ("/nowhere/ca.crt", "--ca /nowhere/ca.crt: No such file"),
        ("/proc/self/status", "no certificate in PEM"),
    ] {
        let trust = Trust {
            ca: Some(ca.into()),
        };
        let problem = Dialer::new(&url, &trust).unwrap_err().to_string();
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn plain_http_on_the_tls_port_does_no_harm_and_health_says_what_to_write() {
    let ca = Ca::new("town");
    let relay = served_with(&ca.pair());
    for rubbish in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x00\x05hello",
        "\0",
    ] {
        let answer = ask(relay.public, rubbish);
        assert!(!answer.contains("HTTP"), "{answer}");
    }
    let health = run(&["health", &format!("ws://{}", relay.public)]);
    let told = complaint(&health);
    assert!(told.contains("it speaks TLS: write wss://"), "{told}");
    block_on(async {
        let mut client = Client::connect(&ca.dialer(relay.public), PATIENCE)
            .await
            .unwrap();
        is_served(&mut client).await;
    });
    let plain = Relay::start("version: 1\n", &[]);
    let told = block_on(refusal(&ca.dialer(plain.public)));
    assert!(
        told.contains("does not speak TLS; is it a ws:// address?"),
        "{told}"
    );
}

#[test]
fn a_new_certificate_is_for_new_connections_and_open_ones_stay() {
    let old = Ca::new("old");
    let relay = relay(|dir| old.pair().mount(dir, "one"));
    let first = relay.status().tls.unwrap().fingerprint;
    block_on(async {
        let mut open = Client::connect(&old.dialer(relay.public), PATIENCE)
            .await
            .unwrap();
        let new = Ca::new("new");
        new.pair().mount(&relay.path().join("tls"), "two");
        eventually("the new certificate is in force", || {
            relay.status().tls.unwrap().fingerprint != first
        });
        let mut client = Client::connect(&new.dialer(relay.public), PATIENCE)
            .await
            .unwrap();
        is_served(&mut client).await;
        is_served(&mut open).await;
        let told = refusal(&old.dialer(relay.public)).await;
        assert!(told.contains("of no CA that is known here"), "{told}");
    });
    assert_eq!(relay.log().matches("certificate swapped").count(), 1);
    assert_eq!(relay.status().tls.unwrap().error, "");
}

#[test]
fn a_pair_that_does_not_fit_together_leaves_the_one_in_force_and_heals() {
    let ca = Ca::new("town");
    let (first, second) = (ca.pair(), ca.pair());
    let relay = served_with(&first);
    let before = relay.status().tls.unwrap();
    let dir = relay.path().join("tls");
    let reaches = |words: &str| {
        eventually(words, || relay.status().tls.unwrap().error.contains(words));
        let now = relay.status().tls.unwrap();
        assert_eq!(now.fingerprint, before.fingerprint, "{words}");
        block_on(async {
            let mut client = Client::connect(&ca.dialer(relay.public), PATIENCE)
                .await
                .unwrap();
            is_served(&mut client).await;
        });
    };
    // As a hand writes them: one file after the other.
    fs::write(dir.join("tls.crt"), &second.certificate).unwrap();
    reaches("the key is not the one of the first certificate");
    fs::write(dir.join("tls.key"), &second.key[..60]).unwrap();
    reaches("tls.key: no unencrypted private key in PEM");
    fs::write(dir.join("tls.crt"), "hello").unwrap();
    reaches("tls.crt: no certificate in PEM");
    fs::remove_file(dir.join("tls.crt")).unwrap();
    reaches("tls.crt: No such file");
    second.write(&dir);
    eventually("the whole pair is in force", || {
        let now = relay.status().tls.unwrap();
        now.fingerprint != before.fingerprint && now.error.is_empty()
    });
    let log = relay.log();
    assert_eq!(log.matches("certificate refused").count(), 4, "{log}");
    let secret = second.key.lines().nth(1).unwrap();
    assert!(!log.contains(&secret[..20]), "a key in the log");
}

#[test]
fn a_start_without_a_usable_pair_names_the_file_and_the_remedy() {
    let ca = Ca::new("town");
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    let config = dir.path().join("relay.yaml");
    let yaml = format!(
        "version: 1\ncold: {{tls: {{directory: {:?}}}}}\n",
        tls.to_str().unwrap()
    );
    fs::write(&config, yaml).unwrap();
    let refused = |words: &str| {
        let data = dir.path().join("data");
        let ended = run(&[
            "serve",
            "--config",
            config.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--ops",
            "127.0.0.1:0",
        ]);
        let told = complaint(&ended);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(told.contains(words), "{told}");
        assert!(told.contains("spec.tls.secretName"), "{told}");
        assert!(!data.exists(), "nothing was begun");
    };
    refused("tls.crt: No such file");
    ca.pair().write(&tls);
    fs::write(tls.join("tls.key"), ca.pair().key).unwrap();
    refused("tls.key: the key is not the one of the first certificate");
}

#[test]
fn check_judges_the_certificate_unless_it_is_told_not_to() {
    let ca = Ca::new("town");
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    let config = dir.path().join("relay.yaml");
    let yaml = format!(
        "version: 1\ncold: {{tls: {{directory: {:?}}}}}\n",
        tls.to_str().unwrap()
    );
    fs::write(&config, yaml).unwrap();
    let check = |flags: &[&str]| {
        let ended = run(&[&["check", "--config", config.to_str().unwrap()], flags].concat());
        let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &complaint(&ended);
        (ended.status.code(), said)
    };
    let (code, said) = check(&[]);
    assert_eq!(code, Some(2), "{said}");
    for words in [
        "cold.tls.directory",
        "tls.crt: No such file",
        "add --without-certificate",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let (code, said) = check(&["--without-certificate"]);
    assert!(
        code == Some(0) && said.contains("is good") && said.contains("was not looked at"),
        "{said}"
    );
    ca.pair().write(&tls);
    let (code, said) = check(&[]);
    assert!(code == Some(0) && said.contains(", certificate "), "{said}");
    fs::write(tls.join("tls.key"), ca.pair().key).unwrap();
    let (code, said) = check(&[]);
    assert!(
        code == Some(2) && said.contains("the key is not the one of the first certificate"),
        "{said}"
    );
}

#[test]
fn sessions_are_resumed_but_not_across_certificates() {
    let ca = Ca::new("town");
    let relay = relay(|dir| ca.pair().mount(dir, "one"));
    let dialer = ca.dialer(relay.public);
    block_on(async {
        assert_eq!(handshake(&dialer).await, HandshakeKind::Full);
        assert_eq!(handshake(&dialer).await, HandshakeKind::Resumed);
        let first = relay.status().tls.unwrap().fingerprint;
        ca.pair().mount(&relay.path().join("tls"), "two");
        eventually("the new certificate is in force", || {
            relay.status().tls.unwrap().fingerprint != first
        });
        assert_eq!(handshake(&dialer).await, HandshakeKind::Full);
        assert_eq!(handshake(&dialer).await, HandshakeKind::Resumed);
    });
}

/// One row of `relay bench` over TLS.
fn measured(relay: &Relay, ca: &Ca, arguments: &[&str]) -> serde_json::Value {
    let url = format!("wss://{}", relay.public);
    let pid = relay.pid().as_raw_nonzero().to_string();
    let (start, ca) = (["bench"], ca.file());
    let target = [
        "--url",
        &url,
        "--pid",
        &pid,
        "--json",
        "--ca",
        ca.to_str().unwrap(),
    ];
    let ended = run(&[&start[..], arguments, &target].concat());
    assert!(ended.status.success(), "{}", complaint(&ended));
    let json: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    json["rows"].clone()
}

#[test]
fn handshakes_are_measured_whole_and_resumed() {
    let ca = Ca::new("town");
    let relay = served_with(&ca.pair());
    let rows = measured(&relay, &ca, &["handshake", "--count", "40"]);
    assert_eq!(
        (&rows[0]["handshake"], &rows[0]["resumed"]),
        (&"full".into(), &0.into())
    );
    assert_eq!(
        (&rows[1]["handshake"], &rows[1]["resumed"]),
        (&"resumed".into(), &40.into())
    );
}

/// Measured 13.6 KB in an unoptimised build, of which TLS takes 7.5.
#[test]
fn an_idle_connection_under_tls_takes_at_most_16_kb() {
    let ca = Ca::new("town");
    let relay = served_with(&ca.pair());
    relay.configure(&format!(
        "version: 1\ncold: {{tls: {{directory: {:?}}}}}\nhot: {{limits: {{connectionsPerAddress: 10000}}}}\n",
        relay.path().join("tls").to_str().unwrap()
    ));
    eventually("the limit is in force", || {
        relay.log().contains("configuration swapped")
    });
    let rows = measured(&relay, &ca, &["idle", "--connections", "1500"]);
    let each = rows[0]["kb_per_connection"].as_f64().unwrap();
    println!("{each} KB");
    assert!(each <= 16.0, "{each} KB per connection");
}
