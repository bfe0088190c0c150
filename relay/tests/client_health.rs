//! `relay health`, against what is a relay and what is not.

#![allow(clippy::unwrap_used)] // a test may end with a panic

mod fake_relay;

use fake_relay::{FakeRelay, Manners, told};
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

#[test]
fn a_relay_that_answers_is_healthy() {
    let relay = FakeRelay::start(Manners::default());
    let http = relay.url.replace("ws://", "http://");
    for url in [&relay.url, &http] {
        let (code, out, err) = told(&["health", url]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(
            out.starts_with("healthy: fake (test 1) answered NIP-11 in "),
            "{out}"
        );
    }
}

#[test]
fn a_relay_that_asks_for_auth_first_is_healthy() {
    let relay = FakeRelay::start(Manners {
        closed: Some("auth-required: who are you?"),
        ..Manners::default()
    });
    assert_eq!(told(&["health", &relay.url]).0, 0);
}

#[test]
fn a_relay_that_refuses_every_subscription_is_not() {
    let relay = FakeRelay::start(Manners {
        closed: Some("error: store broken"),
        ..Manners::default()
    });
    assert_unhealthy(&relay.url, "REQ was refused: error: store broken");
}

#[test]
fn an_answer_that_is_no_information_document_is_named() {
    let relay = FakeRelay::start(Manners {
        information: "<html>",
        ..Manners::default()
    });
    assert_unhealthy(&relay.url, "NIP-11: the answer is not a JSON object");
}

#[test]
fn nobody_there_is_one_line() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert_unhealthy(&format!("ws://{free}"), "cannot connect to ws://");
}

#[test]
fn another_protocol_is_named() {
    let url = serve(b"SSH-2.0-OpenSSH_9.2\r\n");
    assert_unhealthy(&url, "is no relay: what it answers is not HTTP");
}

#[test]
fn a_web_server_without_websocket_is_named() {
    let url = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    assert_unhealthy(&url, "is no relay: ");
}

#[test]
fn silence_ends_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    assert_unhealthy(&url, "did not answer over HTTP within 0.5 s");
}

#[test]
fn a_mistyped_url_is_refused_with_the_remedy() {
    let (code, _, err) = told(&["health", "localhost:8080"]);
    assert_eq!(code, 2);
    assert!(err.contains("write ws://HOST:PORT"), "{err}");
}

fn assert_unhealthy(url: &str, reason: &str) {
    let (code, out, err) = told(&["health", url, "--timeout", "500ms"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(reason) && err.lines().count() == 1, "{err}");
}

/// Answers every connection with the same bytes.
fn serve(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(answer);
        }
    });
    url
}
