//! The public port, from the outside: what a client sees at `/`, with a session that echoes.

mod common;

use common::{Front, ask, body, header, upgrade_request};
use futures::{SinkExt, StreamExt};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::Message;

#[test]
fn the_same_path_is_a_page_a_document_and_a_websocket() {
    let front = Front::start("version: 1\nhot: {info: {name: Town}, limits: {limit: 9}}\n");
    let page = ask(front.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    assert_eq!(header(&page, "x-frame-options"), "DENY");
    assert!(header(&page, "content-security-policy").contains("default-src 'none'"));
    assert!(body(&page).contains("<h1>Town</h1>"));

    let accept = "text/html, application/nostr+json;q=0.5";
    let info = ask(
        front.address,
        &format!("GET / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"),
    );
    assert_eq!(header(&info, "content-type"), "application/nostr+json");
    assert_eq!(header(&info, "access-control-allow-origin"), "*");
    assert_eq!(header(&info, "access-control-allow-headers"), "*");
    assert_eq!(
        header(&info, "access-control-allow-methods"),
        "GET, POST, OPTIONS"
    );
    let document: serde_json::Value = serde_json::from_str(body(&info)).unwrap();
    assert_eq!(document["name"], "Town");
    assert_eq!(document["limitation"]["max_limit"], 9);

    let socket = ask(front.address, &upgrade_request("/", "13"));
    assert!(socket.starts_with("HTTP/1.1 101"), "{socket}");
    assert_eq!(
        header(&socket, "sec-websocket-accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(header(&socket, "connection").to_lowercase(), "upgrade");
}

#[test]
fn the_path_of_the_url_is_served_too_and_follows_the_configuration() {
    let at = |path: &str| format!("version: 1\nhot: {{url: 'wss://relay.example{path}'}}\n");
    let front = Front::start(&at("/town/b\u{fc}cher"));
    let upgrade = |path: &str| ask(front.address, &upgrade_request(path, "13"))[9..12].to_owned();
    let ours = "/town/b%C3%BCcher";
    assert_eq!(upgrade(ours), "101");
    assert_eq!(upgrade(&format!("{ours}/?from=here")), "101");
    assert_eq!(upgrade("/"), "101", "a proxy may take the path away");
    for path in ["/town", "/town/b%C3%BCcher/square", "/t", "//"] {
        assert_eq!(upgrade(path), "404", "{path}");
    }
    let accept = "Accept: application/nostr+json";
    let info = format!("GET {ours} HTTP/1.1\r\nHost: x\r\n{accept}\r\n\r\n");
    assert!(body(&ask(front.address, &info)).contains("supported_nips"));
    let page = ask(
        front.address,
        &format!("GET {ours} HTTP/1.1\r\nHost: x\r\n\r\n"),
    );
    assert!(body(&page).starts_with("<!doctype html>"), "{page}");

    front.swap(&at("/village"));
    assert_eq!(
        (upgrade("/village"), upgrade(ours)),
        ("101".into(), "404".into())
    );
    front.swap("version: 1\n");
    assert_eq!(
        (upgrade("/village"), upgrade("/")),
        ("404".into(), "101".into())
    );
}

#[test]
fn a_browser_may_ask_before_it_asks() {
    let front = Front::start("");
    let answer = ask(
        front.address,
        "OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    assert_eq!(header(&answer, "access-control-allow-headers"), "*");
    assert_eq!(
        header(&answer, "access-control-allow-methods"),
        "GET, POST, OPTIONS"
    );
}

#[test]
fn other_paths_other_methods_and_other_versions_are_refused() {
    let front = Front::start("");
    for (request, status) in [
        (
            "GET /.well-known/nostr.json HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "404",
        ),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404"),
        ("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404"),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "405"),
        (upgrade_request("/chat", "13"), "404"),
        (upgrade_request("/", "8"), "426"),
        (
            upgrade_request("/", "13").replace("dGhlIHNhbXBsZSBub25jZQ==", "x"),
            "400",
        ),
        (
            upgrade_request("/", "13").replace("Connection: Upgrade", "Connection: close"),
            "400",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = ask(front.address, &request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}{answer}"
        );
    }
    let old = ask(front.address, &upgrade_request("/", "8"));
    assert_eq!(header(&old, "sec-websocket-version"), "13");
}

#[test]
fn health_is_public() {
    let front = Front::start("");
    let answer = ask(front.address, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let health: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_seconds"].is_u64());
}

#[test]
fn bytes_right_behind_the_upgrade_request_arrive() {
    let front = Front::start("");
    let mut stream = TcpStream::connect(front.address).unwrap();
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']; // text "hi", masked with zeros
    let mut bytes = upgrade_request("/", "13").into_bytes();
    bytes.extend(frame);
    stream.write_all(&bytes).unwrap();
    let mut seen = Vec::new();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut buffer = [0; 512];
    while !seen.ends_with(&[0x81, 2, b'h', b'i']) {
        let read = stream.read(&mut buffer).expect("the echo arrives");
        assert!(read > 0, "closed before the echo");
        seen.extend(&buffer[..read]);
    }
}

#[test]
fn a_slow_client_is_cut_at_the_deadline_while_others_are_served() {
    let front = Front::start("");
    let begin = Instant::now();
    let mut slow = TcpStream::connect(front.address).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .unwrap();
    let quick = ask(front.address, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(quick.starts_with("HTTP/1.1 200") && begin.elapsed() < front.deadline);
    slow.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    while begin.elapsed() < front.deadline + Duration::from_secs(2) {
        let _ = slow.write_all(b"a"); // a byte now and then does not help
        std::thread::sleep(Duration::from_millis(50));
        if slow.write_all(b"a").is_err() {
            break;
        }
    }
    assert!(
        begin.elapsed() >= front.deadline,
        "cut after {:?}",
        begin.elapsed()
    );
    assert!(
        begin.elapsed() < front.deadline + Duration::from_secs(1),
        "cut after {:?}",
        begin.elapsed()
    );
}

#[test]
fn the_oldest_half_open_connection_gives_way_to_the_newest() {
    let front = Front::start("");
    let connect = || TcpStream::connect(front.address).unwrap();
    let mut oldest = connect();
    let held: Vec<_> = (1..front.half_open_cap).map(|_| connect()).collect();
    oldest.set_read_timeout(Some(front.deadline / 2)).unwrap();
    let quick = ask(front.address, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(quick.starts_with("HTTP/1.1 200"), "{quick}");
    let closed = oldest.read(&mut [0]).map_or_else(
        |error| error.kind() == std::io::ErrorKind::ConnectionReset,
        |read| read == 0,
    );
    assert!(closed, "it stays though its place is taken");
    drop(held);
}

#[test]
fn connections_are_limited_and_the_limit_changes_in_place() {
    let front =
        Front::start("version: 1\nhot: {limits: {connectionsPerAddress: 2, connections: 3}}\n");
    front.block_on(async {
        let mut one = front.connect().await.unwrap();
        let _two = front.connect().await.unwrap();
        assert_eq!(front.connect().await.unwrap_err(), 429);
        front.swap("version: 1\nhot: {limits: {connectionsPerAddress: 10, connections: 3}}\n");
        let _three = front.connect().await.unwrap();
        assert_eq!(front.connect().await.unwrap_err(), 503);

        front.swap("version: 1\nhot: {limits: {connectionsPerAddress: 1, connections: 1}}\n");
        one.send(Message::text("still here")).await.unwrap();
        assert_eq!(
            one.next().await.unwrap().unwrap(),
            Message::text("still here")
        );
        assert!(front.connect().await.is_err());
    });
}

#[test]
fn a_stop_refuses_upgrades_and_cuts_what_does_not_leave() {
    let front = Front::start("");
    front.block_on(async {
        let mut one = front.connect().await.unwrap();
        front.drain.begin();
        assert_eq!(front.connect().await.unwrap_err(), 503);
        assert_eq!(
            front.drain.finished().await,
            1,
            "an echoing session does not leave by itself"
        );
        assert!(one.next().await.is_none_or(|last| last.is_err()));
    });
}
