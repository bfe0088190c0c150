//! A public port with an echoing session, and raw requests to it.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; helpers of tests fail like tests

pub mod certificates;
pub mod process;

use arc_swap::ArcSwap;
use futures::{SinkExt, StreamExt};
use nostr_fleet_relay::{
    drain::Drain,
    http::{
        self, Public,
        accept::{self, Door},
        gate::{Caps, Gate},
        tls::Certificate,
        upgrade::Socket,
    },
    metrics::Metrics,
    policy::lists::Rules,
    vitals::{Vitals, Volume},
};
use relay_config::{Config, Hot, Lists, status::StoreStatus};
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

/// A served public port.
pub struct Front {
    pub address: SocketAddr,
    pub deadline: Duration,
    pub half_open_cap: usize,
    pub drain: Drain,
    hot: Arc<ArcSwap<Hot>>,
    rules: Arc<ArcSwap<Rules>>,
    runtime: Runtime,
}

struct Good;

fn rules(hot: &Hot) -> Rules {
    Rules::new(&Lists::inline(hot).unwrap())
}

impl Volume for Good {
    fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }
    fn failure(&self) -> Option<&'static str> {
        None
    }
    fn compact(&self) -> Result<String, String> {
        Ok(String::new())
    }
}

impl Front {
    pub fn start(yaml: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let config = Config::read(yaml).unwrap();
        let rules = Arc::new(ArcSwap::from_pointee(rules(&config.hot)));
        let hot = Arc::new(ArcSwap::from_pointee(config.hot));
        let drain = Drain::new(Duration::from_millis(200));
        let vitals = Arc::new(Vitals::new(drain.clone(), Box::new(String::new)));
        vitals.opened(Box::new(Good));
        vitals.listens();
        let (deadline, half_open_cap) = (Duration::from_millis(700), 20);
        let caps = Caps {
            half_open: half_open_cap,
            sessions: 100_000,
        };
        let gate = Gate::new(
            Arc::clone(&hot),
            Arc::clone(&rules),
            Arc::new(Metrics::new()),
            caps,
        );
        let public = Public {
            hot: Arc::clone(&hot),
            rules: Arc::clone(&rules),
            gate: Arc::clone(&gate),
            drain: drain.clone(),
            vitals,
            sessions: Arc::new(|socket, from, _| Box::pin(echo(socket, from))),
        };
        let door = Door {
            routes: http::public(Arc::new(public)),
            gate,
            deadline,
            proxy_protocol: config.cold.proxy_protocol,
            tls: config
                .cold
                .tls
                .map(|tls| Certificate::load(&tls.directory).unwrap()),
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept::accept(listener, door));
        Self {
            address,
            deadline,
            half_open_cap,
            drain,
            hot,
            rules,
            runtime,
        }
    }

    pub fn swap(&self, yaml: &str) {
        let hot = Config::read(yaml).unwrap().hot;
        self.rules.store(Arc::new(rules(&hot)));
        self.hot.store(Arc::new(hot));
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A WebSocket, or the status of the refusal.
    pub async fn connect(&self) -> Result<WebSocketStream<tokio::net::TcpStream>, u16> {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/", self.address);
        match tokio_tungstenite::client_async(url, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Asks an echoing session for the address that it was told.
pub const WHO: &str = "who am I?";

async fn echo(mut socket: Socket, from: IpAddr) {
    while let Some(Ok(mut message)) = socket.next().await {
        if message == Message::text(WHO) {
            message = Message::text(from.to_string());
        }
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends raw bytes, reads until the head and the body are there or the other side closes.
pub fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        seen.extend(&buffer[..read]);
        if seen.starts_with(b"HTTP/1.1 101") && seen.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// A header's value; empty if there is none.
pub fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or("", |(_, value)| value)
}

/// What follows the head.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The request of RFC 6455 §1.3.
pub fn upgrade_request(path: &str, version: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
    )
}
