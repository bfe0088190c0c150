//! A scripted relay for the client's tests: it keeps events in memory and misbehaves as it is told. And the `relay` binary, run
//! as a user runs it.
#![allow(dead_code, missing_docs, clippy::unwrap_used)] // each suite uses a part of it, and may end with a panic

use futures::{SinkExt, StreamExt};
use nostr_fleet_relay::{
    sign::Signer,
    wire::{Event, Filter, kind},
};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::broadcast,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// The newest second that a relay looks at, however far ahead it is asked.
const NEWEST: u64 = 1_790_000_000;

/// How the fake relay behaves.
#[derive(Clone)]
pub struct Manners {
    /// The body of the information document.
    pub information: &'static str,
    /// The verdict on an event's text, when it is not simply stored.
    pub verdict: fn(&str) -> Option<&'static str>,
    /// Answers to events after which each connection is cut, one event in flight being stored but not answered.
    pub cut_after: Vec<usize>,
    /// Larger messages end with NOTICE and close 1009.
    pub largest: usize,
    /// Most events of one REQ.
    pub page: usize,
    /// NIP-67.
    pub hints: bool,
    /// Order of stored events.
    pub oldest_first: bool,
    /// Answer to every REQ.
    pub closed: Option<&'static str>,
    /// Seconds of created_at that one REQ gets through, newest first, until its time is up.
    pub reach: u64,
    /// Gift wraps are for those whom they name, and nobody has said who he is.
    pub keeps_wraps: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            information: r#"{"name":"fake","software":"test","version":"1"}"#,
            verdict: |_| None,
            cut_after: Vec::new(),
            largest: 1 << 20,
            page: 500,
            hints: true,
            oldest_first: false,
            closed: None,
            reach: u64::MAX,
            keeps_wraps: false,
        }
    }
}

/// A relay that listens on a port of its own until it is dropped.
pub struct FakeRelay {
    pub url: String,
    pub state: Arc<Mutex<State>>,
    _runtime: Runtime,
}

pub struct State {
    pub live: broadcast::Sender<String>,
    /// Texts in the order in which they came.
    pub stored: Vec<String>,
    pub ids: HashSet<String>,
    pub cut_after: Vec<usize>,
    pub connections: usize,
    pub requests: usize,
}

impl FakeRelay {
    pub fn start(manners: Manners) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            live: broadcast::channel(4096).0,
            stored: Vec::new(),
            ids: HashSet::new(),
            cut_after: manners.cut_after.clone(),
            connections: 0,
            requests: 0,
        }));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, manners.clone(), Arc::clone(&shared)));
            }
        });
        Self {
            url: format!("ws://{address}"),
            state,
            _runtime: runtime,
        }
    }

    pub fn stored(&self) -> Vec<String> {
        self.state.lock().unwrap().stored.clone()
    }

    pub fn store(&self, texts: &[String]) {
        let mut state = self.state.lock().unwrap();
        for text in texts {
            state.ids.insert(id_of(text));
            state.stored.push(text.clone());
        }
    }
}

async fn connection(mut stream: TcpStream, manners: Manners, state: Arc<Mutex<State>>) {
    let mut head = [0; 1024];
    let seen = stream.peek(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..seen]).to_lowercase();
    if !head.contains("upgrade: websocket") {
        let body = manners.information;
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.read(&mut [0; 2048]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(socket) = accept_async(stream).await else {
        return;
    };
    let cut_after = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        if state.cut_after.is_empty() {
            usize::MAX
        } else {
            state.cut_after.remove(0)
        }
    };
    let session = Session {
        socket,
        manners,
        state,
        left: cut_after,
        filters: HashMap::new(),
    };
    session.run().await;
}

struct Session {
    socket: WebSocketStream<TcpStream>,
    manners: Manners,
    state: Arc<Mutex<State>>,
    left: usize,
    filters: HashMap<String, Filter>,
}

impl Session {
    async fn run(mut self) {
        let mut live = self.state.lock().unwrap().live.subscribe();
        loop {
            let text = tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(_)) => continue,
                    _ => return,
                },
                event = live.recv() => {
                    self.deliver(&event.unwrap()).await;
                    continue;
                }
            };
            if text.len() > self.manners.largest {
                self.say(r#"["NOTICE","invalid: message too large"]"#.into())
                    .await;
                let frame = CloseFrame {
                    code: CloseCode::Size,
                    reason: "".into(),
                };
                let _ = self.socket.close(Some(frame)).await;
                continue;
            }
            if let Some(event) = text
                .strip_prefix("[\"EVENT\",")
                .and_then(|rest| rest.strip_suffix(']'))
            {
                let answer = self.publish(event);
                if self.left == 0 {
                    return;
                }
                self.left -= 1;
                self.say(answer).await;
            } else if let Some(sub) = text
                .strip_prefix("[\"CLOSE\",")
                .and_then(|rest| rest.strip_suffix(']'))
            {
                self.filters.remove(sub);
            } else if text.starts_with("[\"REQ\"") {
                for answer in self.ask(&text) {
                    if self.left == 0 {
                        return;
                    }
                    self.left -= 1;
                    self.say(answer).await;
                }
            }
        }
    }

    async fn deliver(&mut self, text: &str) {
        let event = Event::read(text).unwrap();
        let matching: Vec<_> = self
            .filters
            .iter()
            .filter(|(_, filter)| filter.matches(&event))
            .collect();
        let messages: Vec<_> = matching
            .iter()
            .map(|(sub, _)| format!("[\"EVENT\",{sub},{text}]"))
            .collect();
        for message in messages {
            self.say(message).await;
        }
    }

    async fn say(&mut self, text: String) {
        let _ = self.socket.send(Message::text(text)).await;
    }

    fn publish(&self, event: &str) -> String {
        let id = id_of(event);
        let mut state = self.state.lock().unwrap();
        if let Some(verdict) = (self.manners.verdict)(event) {
            return format!("[\"OK\",\"{id}\",false,\"{verdict}\"]");
        }
        if !state.ids.insert(id.clone()) {
            return format!("[\"OK\",\"{id}\",true,\"duplicate: have it\"]");
        }
        state.stored.push(event.to_owned());
        let _ = state.live.send(event.to_owned());
        format!("[\"OK\",\"{id}\",true,\"\"]")
    }

    fn ask(&mut self, text: &str) -> Vec<String> {
        let parts: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        let sub = &parts[1];
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        if let Some(verdict) = self.manners.closed {
            return vec![format!("[\"CLOSED\",{sub},\"{verdict}\"]")];
        }
        let filter = Filter::read(&parts[2].to_string()).unwrap();
        self.filters.insert(sub.to_string(), filter.clone());
        let wraps = |kinds: &Vec<u16>| kinds == &[kind::GIFT_WRAPS[0]];
        if self.manners.keeps_wraps && filter.kinds.as_ref().is_some_and(wraps) {
            return vec![format!("[\"CLOSED\",{sub},\"auth-required: gift wraps\"]")];
        }
        let newest = filter.until.unwrap_or(u64::MAX).min(NEWEST);
        let oldest = newest.saturating_sub(self.manners.reach);
        let mut found: Vec<(u64, String, &String)> = Vec::new();
        let mut cut = filter.since.unwrap_or(0) < oldest;
        for text in &state.stored {
            let event = Event::read(text).unwrap();
            if filter.matches(&event) && event.created_at() >= oldest {
                if self.manners.keeps_wraps && event.kind() == kind::GIFT_WRAPS[0] {
                    cut = true;
                    continue;
                }
                found.push((event.created_at(), event.id().to_string(), text));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let limit = self
            .manners
            .page
            .min(filter.limit.unwrap_or(u64::MAX) as usize);
        cut |= found.len() > limit;
        found.truncate(limit);
        if self.manners.oldest_first {
            found.reverse();
        }
        let hint = match (self.manners.hints, cut) {
            (false, _) => "",
            (true, true) => ",[\"more\"]",
            (true, false) => ",[\"finish\"]",
        };
        found
            .iter()
            .map(|(_, _, text)| format!("[\"EVENT\",{sub},{text}]"))
            .chain([format!("[\"EOSE\",{sub}{hint}]")])
            .collect()
    }
}

pub fn id_of(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    value["id"].as_str().unwrap().to_owned()
}

/// `count` signed notes, one a second from 1,700,000,000 on, `per_second` of them in each second.
pub fn notes(count: u64, per_second: u64) -> Vec<String> {
    let signer = Signer::from_seed(1);
    (0..count)
        .map(|n| {
            signer.event(
                1_700_000_000 + n / per_second,
                1,
                &[&["t", "x"]],
                &format!("note {n} \u{e9}\n\""),
            )
        })
        .collect()
}

/// Writes one event a line.
pub fn write_lines(path: &Path, lines: &[String]) {
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// Runs the `relay` binary.
pub fn relay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relay"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Exit code, standard output and standard error of one run.
pub fn told(arguments: &[&str]) -> (i32, String, String) {
    let output = relay(arguments);
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
