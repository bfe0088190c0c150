//! Behind proxies: whose address counts, who may say so, and who is not served at all.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

mod common;

use common::{Front, ask, body, certificates::Ca, process::Relay, upgrade_request};
use futures::{SinkExt, StreamExt};
use nostr_fleet_relay::client::Client;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// Trusts connections from 127.0.0.1, and from there wants a PROXY header.
const PROXIED: &str =
    "version: 1\ncold: {proxyProtocol: true}\nhot: {trustedProxies: [127.0.0.1]}\n";

/// Trusts what 127.0.0.1 forwards.
const FORWARDED: &str = "version: 1\nhot: {trustedProxies: [127.0.0.1, 10.0.0.0/8]}\n";

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 8080\r\n";

/// Version 2 of the header: command, then what follows the length.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let start = b"\r\n\r\n\0\r\nQUIT\n";
    [start, &[command, family][..], &length, payload].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x1f, 0x90];

/// A connection from an address of this machine.
async fn from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::new(source.parse().unwrap(), 0))
        .unwrap();
    socket.connect(to).await.unwrap()
}

/// What comes back for these bytes from this address; empty when the connection is closed without a word.
async fn answer(front: &Front, source: &str, parts: &[&[u8]]) -> String {
    let mut stream = from(source, front.address).await;
    for part in parts {
        let _ = stream.write_all(part).await; // it may be closed already
    }
    let mut seen = Vec::new();
    let reading = stream.read_to_end(&mut seen);
    let _ = tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .expect("the connection is neither answered nor closed");
    String::from_utf8_lossy(&seen).into_owned()
}

/// A WebSocket from this address that begins with these bytes, or the status of the refusal.
async fn socket(
    front: &Front,
    source: &str,
    header: &[u8],
    forwarded_for: &str,
) -> Result<WebSocketStream<TcpStream>, u16> {
    let mut stream = from(source, front.address).await;
    stream.write_all(header).await.unwrap();
    let url = format!("ws://{}/", front.address);
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
            .unwrap();
    if !forwarded_for.is_empty() {
        let value = forwarded_for.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", value);
    }
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            Err(response.status().as_u16())
        }
        Err(other) => panic!("{other}"),
    }
}

/// The address that the session was told.
async fn seen(mut socket: WebSocketStream<TcpStream>) -> String {
    socket.send(Message::text(common::WHO)).await.unwrap();
    socket.next().await.unwrap().unwrap().to_string()
}

#[test]
fn a_proxy_header_of_either_version_names_the_client() {
    let front = Front::start(PROXIED);
    let mut six = [0; 36];
    six[..16].copy_from_slice(&"2a00::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    front.block_on(async {
        for (header, client) in [
            (V1.to_vec(), "192.0.2.7"),
            (b"PROXY TCP6 2a00::7 ::1 1 2\r\n".to_vec(), "2a00::7"),
            (v2(0x21, 0x11, &FOUR), "192.0.2.7"),
            (v2(0x21, 0x21, &six), "2a00::7"),
            (v2(0x20, 0x11, &FOUR), "127.0.0.1"), // LOCAL: the proxy's own
            (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ] {
            let socket = socket(&front, "127.0.0.1", &header, "198.51.100.1").await;
            let words = header.escape_ascii().to_string();
            assert_eq!(seen(socket.unwrap()).await, client, "{words}");
        }
    });
}

#[test]
fn a_proxy_header_before_tls_is_read_to_its_last_byte() {
    let ca = Ca::new("town");
    let dir = tempfile::tempdir().unwrap();
    ca.pair().write(dir.path());
    let tls = dir.path().to_str().unwrap();
    let front = Front::start(
        &PROXIED.replace("cold: {", &format!("cold: {{tls: {{directory: {tls:?}}}, ")),
    );
    for header in [V1.to_vec(), v2(0x21, 0x11, &FOUR)] {
        front.block_on(async {
            let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = proxy.local_addr().unwrap();
            let to = front.address;
            tokio::spawn(async move {
                let (mut client, _) = proxy.accept().await.unwrap();
                let mut relay = TcpStream::connect(to).await.unwrap();
                relay.write_all(&header).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut relay).await;
            });
            let dialer = ca.dialer(address);
            let mut client = Client::connect(&dialer, Duration::from_secs(5))
                .await
                .unwrap();
            client.send(common::WHO).await.unwrap();
            assert_eq!(client.next().await.unwrap().as_str(), "192.0.2.7");
        });
    }
}

#[test]
fn one_deadline_covers_header_handshake_and_request() {
    let ca = Ca::new("town");
    let dir = tempfile::tempdir().unwrap();
    ca.pair().write(dir.path());
    let tls = dir.path().to_str().unwrap();
    let front = Front::start(
        &PROXIED.replace("cold: {", &format!("cold: {{tls: {{directory: {tls:?}}}, ")),
    );
    front.block_on(async {
        let begin = Instant::now();
        let mut stream = from("127.0.0.1", front.address).await;
        tokio::time::sleep(front.deadline / 2).await;
        stream.write_all(V1).await.unwrap();
        tokio::time::sleep(front.deadline / 4).await;
        stream.write_all(b"\x16\x03\x01\x02\x00").await.unwrap(); // the start of a ClientHello
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        let took = begin.elapsed();
        assert!(rest.is_empty() && took >= front.deadline, "after {took:?}");
        assert!(
            took < front.deadline * 17 / 10,
            "a deadline for each: {took:?}"
        );
    });
}

#[test]
fn who_is_no_trusted_proxy_or_sends_no_header_is_closed_without_a_word() {
    let front = Front::start(PROXIED);
    let get = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    front.block_on(async {
        let good = answer(&front, "127.0.0.1", &[V1, get]).await;
        assert!(good.starts_with("HTTP/1.1 200"), "{good}");
        assert_eq!(answer(&front, "127.0.0.2", &[V1, get]).await, "", "spoofed");
        assert_eq!(answer(&front, "127.0.0.2", &[get]).await, "", "direct");
        assert_eq!(answer(&front, "127.0.0.1", &[get]).await, "", "no header");
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat();
        assert_eq!(answer(&front, "127.0.0.1", &[&long, get]).await, "");
        let mut huge = v2(0x21, 0x11, &[0; 4097]);
        huge.extend(get);
        assert_eq!(answer(&front, "127.0.0.1", &[&huge]).await, "");
        let begin = Instant::now();
        assert_eq!(
            answer(&front, "127.0.0.1", &[&V1[..20]]).await,
            "",
            "truncated"
        );
        assert!(begin.elapsed() >= front.deadline, "cut by the one deadline");
    });
}

#[test]
fn a_forwarded_address_counts_from_a_trusted_proxy_only() {
    let front = Front::start(FORWARDED);
    front.block_on(async {
        for (source, list, client) in [
            ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
            ("127.0.0.1", "127.0.0.1, 192.0.2.7, 10.0.0.3", "192.0.2.7"),
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "nonsense", "127.0.0.1"),
            ("127.0.0.2", "192.0.2.7", "127.0.0.2"),
        ] {
            let socket = socket(&front, source, b"", list).await.unwrap();
            assert_eq!(seen(socket).await, client, "{source}: {list}");
        }
        front.swap("version: 1\n");
        let socket = socket(&front, "127.0.0.1", b"", "192.0.2.7").await.unwrap();
        assert_eq!(seen(socket).await, "127.0.0.1", "nobody is trusted now");
    });
}

#[test]
fn connections_per_address_are_the_clients_not_the_proxys() {
    let one = ", limits: {connectionsPerAddress: 1}}";
    for (yaml, proxied) in [(PROXIED, true), (FORWARDED, false)] {
        let front = Front::start(&yaml.replace("]}", &format!("]{one}")));
        front.block_on(async {
            let mut held = Vec::new();
            for client in ["192.0.2.7", "192.0.2.8", "192.0.2.9"] {
                let header = format!("PROXY TCP4 {client} 10.0.0.1 1 2\r\n");
                let (header, list) = if proxied {
                    (header.as_str(), "")
                } else {
                    ("", client)
                };
                let header = header.as_bytes();
                held.push(socket(&front, "127.0.0.1", header, list).await.unwrap());
                let second = socket(&front, "127.0.0.1", header, list).await;
                assert_eq!(second.unwrap_err(), 429, "{client}");
            }
        });
    }
}

#[test]
fn an_address_that_is_not_admitted_gets_nothing_from_the_public_port() {
    let deny = |list: &str| format!("version: 1\nhot: {{addresses: {list}}}\n");
    let front = Front::start(&deny("{deny: [127.0.0.0/8]}"));
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nAccept: application/nostr+json\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        upgrade_request("/", "13"),
    ] {
        let refused = ask(front.address, &request);
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        assert_eq!(
            body(&refused),
            "blocked: this relay does not serve your address\n"
        );
    }
    front.swap(&deny("{allow: [192.0.2.0/24]}"));
    assert!(ask(front.address, &upgrade_request("/", "13")).starts_with("HTTP/1.1 403"));
    front.swap(&deny("{allow: [127.0.0.1], deny: [192.0.2.0/24]}"));
    front.block_on(async {
        let mut open = front.connect().await.unwrap();
        front.swap(&deny("{deny: [127.0.0.1]}"));
        assert_eq!(front.connect().await.unwrap_err(), 403);
        open.send(Message::text("still here")).await.unwrap();
        let echoed = open.next().await.unwrap().unwrap();
        assert_eq!(echoed, Message::text("still here"), "who is in stays");
    });
}

#[test]
fn addresses_are_judged_as_the_proxy_names_them() {
    let listed = "], addresses: {deny: [192.0.2.0/24, \"2a00::/32\"]}}";
    let front = Front::start(&PROXIED.replace("]}", listed));
    front.block_on(async {
        for (line, admitted) in [
            ("TCP4 192.0.2.7 10.0.0.1", false),
            ("TCP4 192.0.3.7 10.0.0.1", true),
            ("TCP6 ::ffff:192.0.2.7 ::1", false),
            ("TCP6 2a00::7 ::1", false),
            ("TCP6 2a01::7 ::1", true),
        ] {
            let header = format!("PROXY {line} 1 2\r\n");
            let socket = socket(&front, "127.0.0.1", header.as_bytes(), "").await;
            assert_eq!(
                socket.map(drop),
                if admitted { Ok(()) } else { Err(403) },
                "{line}"
            );
        }
    });
}

#[test]
fn the_ops_port_asks_for_no_header_and_judges_no_address() {
    let relay = Relay::start(
        "version: 1\ncold: {proxyProtocol: true}\n\
         hot: {trustedProxies: [192.0.2.1], addresses: {deny: [\"0.0.0.0/0\"]}}\n",
        &[],
    );
    assert!(relay.ops("/readyz").starts_with("HTTP/1.1 200"));
    assert_eq!(ask(relay.public, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "");
    let counted = "nostr_relay_rate_limit_hits_total{type=\"proxy\"} 1";
    assert!(relay.ops("/metrics").contains(counted));
    assert!(relay.log().contains("limit=\"proxy\""), "{}", relay.log());
}
