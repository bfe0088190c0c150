//! Slow on purpose: hundreds of connections that send a byte now and then, in each phase before a session, while somebody else is served.
//!
//! Attackers whose connection is closed come back after half a second. Every probe of the second client is a whole visit: connection,
//! handshake, upgrade, REQ, EOSE. The relay is the real program with its real deadline and caps.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

mod common;

use common::{certificates::Ca, process::Relay};
use futures::{SinkExt, StreamExt};
use nostr_fleet_relay::{
    client::{Client, Dialer},
    cmd::bench::process::allow_open_files,
};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::{client_async, tungstenite::Message};

/// How long each attack lasts, and how long a probe may take at most: less than the relay's deadline of 10 s.
const ATTACK: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(5);

/// Time between two bytes of an attacker, and before it comes back.
const BYTE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(500);

/// Attackers with an address each, or behind a proxy: more than the 1024 connections that may be half-open.
const MANY: u32 = 1200;
/// Connections that a relay lets one address have.
const SHARE: usize = 100;

/// The machine is shared: one attack at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A slow client: where it comes from, what it says at once, and then byte by byte.
#[derive(Clone)]
struct Attacker {
    to: SocketAddr,
    from: IpAddr,
    start: &'static [u8],
    byte: u8,
}

impl Attacker {
    async fn attack(self, held: Arc<AtomicUsize>) {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(self.from, 0)).unwrap();
            if let Ok(stream) = socket.connect(self.to).await {
                held.fetch_add(1, Ordering::Relaxed);
                self.dribble(stream).await;
                held.fetch_sub(1, Ordering::Relaxed);
            }
            sleep(PAUSE).await;
        }
    }

    /// Until it is closed.
    async fn dribble(&self, mut stream: TcpStream) {
        let _ = stream.write_all(self.start).await;
        let (mut reading, mut writing) = stream.split();
        let bytes = async {
            while writing.write_all(&[self.byte]).await.is_ok() {
                sleep(BYTE).await;
            }
        };
        let mut buffer = [0; 64];
        tokio::select! {
            () = bytes => {}
            _ = reading.read(&mut buffer) => {}
        }
    }
}

const TLS: (&[u8], u8) = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 0);
const PROXY: (&[u8], u8) = (b"PROXY UNKNOWN ", b'f');
const UPGRADE: (&[u8], u8) = (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b'a');

/// `count` attackers, each from an address of its own.
fn crowd(count: u32, to: SocketAddr, (start, byte): (&'static [u8], u8)) -> Vec<Attacker> {
    let from = |number| IpAddr::from(Ipv4Addr::from_bits(0x7f01_0001 + number)); // 127.1.0.1 and on
    (0..count)
        .map(|number| Attacker {
            to,
            from: from(number),
            start,
            byte,
        })
        .collect()
}

/// `count` attackers from one address.
fn gang(count: u32, from: &str, to: SocketAddr, what: (&'static [u8], u8)) -> Vec<Attacker> {
    let from = from.parse().unwrap();
    let one = |attacker| Attacker { from, ..attacker };
    crowd(count, to, what).into_iter().map(one).collect()
}

/// Probes for as long as the attack lasts; every one must be answered, while more than `least` attackers are there at once.
fn withstood<F>(name: &str, attackers: Vec<Attacker>, least: usize, probe: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    allow_open_files(4096);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (count, held) = (attackers.len(), Arc::new(AtomicUsize::new(0)));
        let mut crowd = JoinSet::new();
        for attacker in attackers {
            crowd.spawn(attacker.attack(Arc::clone(&held)));
        }
        sleep(Duration::from_secs(1)).await;
        let begin = Instant::now();
        let (mut took, mut most) = (Vec::new(), 0);
        while begin.elapsed() < ATTACK {
            let start = Instant::now();
            let answered = timeout(PATIENCE, probe()).await;
            assert!(answered.is_ok(), "{name}: a probe was not answered");
            took.push(start.elapsed());
            most = most.max(held.load(Ordering::Relaxed));
            sleep(Duration::from_millis(10)).await;
        }
        took.sort();
        let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
        report(&format!(
            "slow on purpose, {name}: {count} attackers, {most} half-open at most; {} probes, p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
            took.len(), at(50), at(99), at(100)
        ));
        assert!(
            most > least,
            "{name}: only {most} attackers were there at once"
        );
    });
}

/// Into the file that `FIGURES` names, which e2e/test.sh shows at its end; else to who reads along.
fn report(figure: &str) {
    let Some(file) = std::env::var_os("FIGURES") else {
        println!("{figure}");
        return;
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    writeln!(file, "{figure}").unwrap();
}

/// A whole visit over TLS.
async fn visit(dialer: &Dialer) {
    let mut client = Client::connect(dialer, PATIENCE).await.expect("served");
    let request = r#"["REQ","a",{"kinds":[1],"limit":1}]"#;
    client.send(request).await.expect("read");
    while !client.next().await.expect("answered").contains("EOSE") {} // AUTH comes first
}

/// A whole visit without TLS, after these bytes of a proxy.
async fn plain_visit(to: SocketAddr, header: &[u8]) {
    let mut stream = TcpStream::connect(to).await.expect("accepted");
    stream.write_all(header).await.expect("read");
    let (mut socket, _) = client_async(format!("ws://{to}/"), stream)
        .await
        .expect("served");
    let request = r#"["REQ","a",{"kinds":[1],"limit":1}]"#;
    socket.send(Message::text(request)).await.expect("read");
    let mut answers = socket.map(|answer| answer.expect("answered").to_string());
    while !answers.next().await.expect("answered").contains("EOSE") {} // AUTH comes first
}

fn alone() -> impl Drop {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_tls(ca: &Ca) -> Relay {
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    ca.pair().write(&tls);
    let yaml = format!(
        "version: 1\ncold: {{tls: {{directory: {:?}}}}}\n",
        tls.to_str().unwrap()
    );
    fs::write(dir.path().join("relay.yaml"), yaml).unwrap();
    Relay::start_in(dir, &[])
}

#[test]
fn slow_tls_handshakes_from_many_addresses_shut_nobody_out() {
    let _alone = alone();
    let ca = Ca::new("town");
    let relay = with_tls(&ca);
    let dialer = ca.dialer(relay.public).forgetful();
    let attackers = crowd(MANY, relay.public, TLS);
    withstood("TLS handshake", attackers, MANY as usize / 2, || {
        visit(&dialer)
    });
}

#[test]
fn slow_tls_handshakes_from_ones_own_address_shut_nobody_out() {
    let _alone = alone();
    let ca = Ca::new("town");
    let relay = with_tls(&ca);
    let dialer = ca.dialer(relay.public).forgetful();
    let neighbours = gang(300, "127.0.0.1", relay.public, TLS);
    let least = SHARE / 2; // the relay holds no more of one address
    withstood("TLS handshake, same address", neighbours, least, || {
        visit(&dialer)
    });
}

#[test]
fn slow_proxy_headers_shut_nobody_out() {
    let _alone = alone();
    let relay = Relay::start(
        "version: 1\ncold: {proxyProtocol: true}\nhot: {trustedProxies: [127.0.0.1]}\n",
        &[],
    );
    let attackers = gang(MANY, "127.0.0.1", relay.public, PROXY);
    withstood("PROXY header", attackers, MANY as usize / 2, || {
        plain_visit(
            relay.public,
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 8080\r\n",
        )
    });
}

#[test]
fn slow_requests_shut_nobody_out() {
    let _alone = alone();
    let relay = Relay::start("version: 1\n", &[]);
    let attackers = crowd(MANY, relay.public, UPGRADE);
    withstood("upgrade", attackers, MANY as usize / 2, || {
        plain_visit(relay.public, b"")
    });
}
