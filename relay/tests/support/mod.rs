//! A relay without its HTTP part: sessions over real WebSockets on 127.0.0.1, and a client that speaks raw frames.

#![allow(dead_code, clippy::unwrap_used)] // each suite uses its part; a test may end with a panic

use arc_swap::ArcSwap;
use futures::{SinkExt, StreamExt};
use nostr_fleet_relay::{
    clock::{Clock, SystemClock},
    drain::Drain,
    metrics::Metrics,
    obituary::Obituaries,
    policy::lists::Rules,
    role::Relay,
    session::{self, Pace, Parts, Shared},
    sign::Signer,
    store::{Options, Store},
};
use relay_config::{Config, Hot, Lists};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test waits for something that must not.
pub const QUIET: Duration = Duration::from_millis(150);

/// A running relay in a directory of its own.
pub struct TestRelay {
    pub shared: Arc<Shared>,
    pub store: Store,
    pub hot: Arc<ArcSwap<Hot>>,
    pub rules: Arc<ArcSwap<Rules>>,
    pub metrics: Arc<Metrics>,
    pub drain: Drain,
    pub address: SocketAddr,
    _dir: TempDir,
}

impl TestRelay {
    pub fn start() -> Self {
        Self::start_with(|_| {}, Pace::default())
    }

    /// A relay with other limits.
    pub fn limited(change: impl FnOnce(&mut Hot)) -> Self {
        Self::start_with(change, Pace::default())
    }

    /// A relay with this `hot` section.
    pub fn configured(yaml: &str) -> Self {
        let hot = hot(yaml);
        Self::limited(|it| *it = hot)
    }

    pub fn start_with(change: impl FnOnce(&mut Hot), pace: Pace) -> Self {
        Self::start_at(change, pace, Arc::new(SystemClock))
    }

    /// The same at a time of day that the test holds.
    pub fn start_at(change: impl FnOnce(&mut Hot), pace: Pace, clock: Arc<dyn Clock>) -> Self {
        let dir = TempDir::new().unwrap();
        let options = Options::new(dir.path().join("data"), dir.path().join("run"));
        std::fs::create_dir_all(&options.runtime_dir).unwrap();
        let store = Store::open(options).unwrap();
        let mut hot = Hot::default();
        change(&mut hot);
        let lists = Lists::inline(&hot).unwrap();
        let rules = Arc::new(ArcSwap::from_pointee(Rules::new(&lists)));
        let hot = Arc::new(ArcSwap::from_pointee(hot));
        let metrics = Arc::new(Metrics::new());
        let parts = Parts {
            store: store.clone(),
            hot: Arc::clone(&hot),
            rules: Arc::clone(&rules),
            role: Arc::new(Relay),
            clock,
            metrics: Arc::clone(&metrics),
            obituaries: Obituaries::default(),
        };
        let shared = Shared::start_at_pace(parts, pace).unwrap();
        let drain = Drain::new(Duration::from_millis(300));
        let listener = narrow_listener();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, Arc::clone(&shared), drain.clone()));
        Self {
            shared,
            store,
            hot,
            rules,
            metrics,
            drain,
            address,
            _dir: dir,
        }
    }

    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A client that proved the keys of these authors.
    pub async fn connect_as(&self, authors: &[u64]) -> Client {
        let mut client = self.connect().await;
        for author in authors {
            assert_eq!(client.prove(*author).await, (true, String::new()));
        }
        client
    }

    /// Another `hot` section comes into force, as `reload` does it.
    pub fn swap(&self, yaml: &str) {
        let hot = hot(yaml);
        let lists = Lists::inline(&hot).unwrap();
        self.hot.store(Arc::new(hot));
        self.rules.store(Arc::new(Rules::new(&lists)));
        self.shared.rejudge();
    }
}

/// The `hot` section with this content, in YAML's flow style.
pub fn hot(yaml: &str) -> Hot {
    Config::read(&format!("version: 1\nhot: {yaml}\n"))
        .unwrap()
        .hot
}

/// Accepted sockets take little at a time, so that a client that does not read is felt soon.
fn narrow_listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1024).unwrap()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, drain: Drain) {
    loop {
        let (stream, address) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (shared, drain) = (Arc::clone(&shared), drain.clone());
        tokio::spawn(async move {
            let _counted = drain.session();
            let config = session::websocket_config(262_144);
            let socket = tokio_tungstenite::accept_async_with_config(stream, Some(config))
                .await
                .unwrap();
            session::run(shared, socket, address.ip(), drain.signal()).await;
        });
    }
}

/// A client that sends and receives frames as they are.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What it was asked to sign when it connected (NIP-42).
    pub challenge: String,
    /// The relay as it knows it.
    pub url: String,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = MaybeTlsStream::Plain(stream);
        let url = format!("ws://{address}/");
        let (socket, _) = client_async(url.as_str(), stream).await.unwrap();
        let mut client = Self {
            socket,
            challenge: String::new(),
            url,
        };
        let auth = client.hear().await;
        assert_eq!(auth[0], "AUTH", "{auth}");
        let challenge = auth[1].as_str().unwrap().to_owned();
        Self {
            challenge,
            ..client
        }
    }

    /// Proves the key of this author; gives back the rest of the OK after its id.
    pub async fn prove(&mut self, author: u64) -> (bool, String) {
        let auth = self.auth_event(author);
        self.authenticate(&auth).await
    }

    /// What proves the key of this author to the relay, now and on this connection.
    pub fn auth_event(&self, author: u64) -> String {
        let tags: &[&[&str]] = &[&["relay", &self.url], &["challenge", &self.challenge]];
        event(author, 22_242, tags, "")
    }

    pub async fn authenticate(&mut self, auth: &str) -> (bool, String) {
        self.say(format!(r#"["AUTH",{auth}]"#)).await;
        self.hear_ok(auth).await
    }

    /// The next message is the OK for this event.
    pub async fn hear_ok(&mut self, event: &str) -> (bool, String) {
        let ok = self.hear().await;
        assert_eq!((&ok[0], &ok[1]), (&"OK".into(), &id(event).into()), "{ok}");
        (ok[2].as_bool().unwrap(), ok[3].as_str().unwrap().to_owned())
    }

    pub async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Several messages in one write.
    pub async fn say_all(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.socket.feed(Message::text(text)).await.unwrap();
        }
        self.socket.flush().await.unwrap();
    }

    /// The next text, as it is.
    pub async fn hear_text(&mut self) -> String {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await;
            let message = message.expect("the relay says nothing");
            match message.expect("the connection ended").unwrap() {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The next text, as JSON.
    pub async fn hear(&mut self) -> Value {
        let text = self.hear_text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// Everything up to a message of this verb, included.
    pub async fn hear_until(&mut self, verb: &str) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let message = self.hear().await;
            let last = message[0] == verb;
            heard.push(message);
            if last {
                return heard;
            }
        }
    }

    /// Nothing is heard for a while.
    pub async fn hears_nothing(&mut self) {
        if let Ok(heard) = timeout(QUIET, self.hear_text()).await {
            panic!("unexpected {heard}");
        }
    }

    /// The close frame, after any texts, which are given back too.
    pub async fn hear_close(&mut self) -> (Vec<String>, Option<CloseFrame>) {
        let mut texts = Vec::new();
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await;
            match message.expect("the relay does not close") {
                Some(Ok(Message::Text(text))) => texts.push(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => return (texts, frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("no close frame but {error}"),
                None => panic!("no close frame"),
            }
        }
    }

    /// Publishes all at once; every one must be taken.
    pub async fn publish_all(&mut self, events: &[String]) {
        let messages = events.iter().map(|event| format!(r#"["EVENT",{event}]"#));
        let mut sent = 0;
        // In portions: answers that nobody reads would hold up the relay.
        for message in messages.collect::<Vec<_>>().chunks(32) {
            self.say_all(message.iter().cloned()).await;
            for _ in message {
                let ok = self.hear().await;
                let expected = serde_json::json!(["OK", id(&events[sent]), true, ""]);
                assert_eq!(ok, expected);
                sent += 1;
            }
        }
    }

    /// Publishes and gives back the rest of the OK after its id.
    pub async fn publish(&mut self, event: &str) -> (bool, String) {
        self.say(format!(r#"["EVENT",{event}]"#)).await;
        self.hear_ok(event).await
    }

    /// Subscribes and gives back the stored events and EOSE's hint.
    pub async fn stored(&mut self, subscription: &str, filters: &str) -> (Vec<Value>, String) {
        self.say(format!(r#"["REQ","{subscription}",{filters}]"#))
            .await;
        let mut heard = self.hear_until("EOSE").await;
        let eose = heard.pop().unwrap();
        assert_eq!(eose[1], subscription);
        let events = heard.into_iter().map(|message| {
            assert_eq!(
                (&message[0], &message[1]),
                (&"EVENT".into(), &subscription.into())
            );
            message[2].clone()
        });
        (events.collect(), eose[2][0].as_str().unwrap().to_owned())
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A signed note of the author of this number, made now.
pub fn note(author: u64, content: &str) -> String {
    event(author, 1, &[], content)
}

pub fn event(author: u64, kind: u16, tags: &[&[&str]], content: &str) -> String {
    Signer::from_seed(author).event(now(), kind, tags, content)
}

pub fn event_at(author: u64, kind: u16, created_at: u64, content: &str) -> String {
    Signer::from_seed(author).event(created_at, kind, &[], content)
}

pub fn pubkey(author: u64) -> String {
    Signer::from_seed(author).public_key().to_string()
}

pub fn id(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    event["id"].as_str().unwrap().to_owned()
}
