//! The real program, started on free ports with a directory of its own.

use super::{ask, body};
use futures::{SinkExt, StreamExt};
use relay_config::Status;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// How long anything in these tests may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The subcommand, on free ports.
pub const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"];

/// `relay` with arguments, not started.
pub fn relay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    command.args(arguments);
    command
}

/// `relay serve` on free ports over this data, to its end: for what cannot start.
pub fn serve_in(data: &Path) -> Output {
    let data = data.to_str().unwrap();
    run(&[&SERVE[..], &["--data", data]].concat())
}

/// Drives a future on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs `relay` to its end, which must come soon.
pub fn run(arguments: &[&str]) -> Output {
    let mut command = relay(arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill(); // no harm to one that has ended; a relay that serves on has no exit code
    child.wait_with_output().unwrap()
}

/// What it wrote to standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running `relay serve`.
pub struct Relay {
    pub public: SocketAddr,
    pub ops: SocketAddr,
    pub first_line: String,
    pub dir: TempDir,
    /// A tmpfs, as a runtime directory must be.
    _run: TempDir,
    child: Child,
}

impl Relay {
    /// Starts with the configuration `relay.yaml` of its directory, which holds `yaml`.
    pub fn start(yaml: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("relay.yaml"), yaml).unwrap();
        Self::start_in(dir, arguments)
    }

    /// Starts in a directory that holds a `relay.yaml`.
    pub fn start_in(dir: TempDir, arguments: &[&str]) -> Self {
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let run = tempfile::tempdir_in("/dev/shm").unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let mut child = relay(&SERVE)
            .args(["--config", &path("relay.yaml"), "--data", &path("data")])
            .arg("--runtime-dir")
            .arg(run.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut first_line).unwrap();
        let address = |before: &str| -> SocketAddr {
            let rest = first_line.split(before).nth(1);
            let log = || fs::read_to_string(path("log")).unwrap_or_default();
            let rest = rest.unwrap_or_else(|| panic!("no address in {first_line:?}: {}", log()));
            rest.split([',', ' ']).next().unwrap().parse().unwrap()
        };
        Self {
            public: address("listening on "),
            ops: address("ops http://"),
            first_line,
            dir,
            _run: run,
            child,
        }
    }

    /// Starts on the same directory after it ended.
    pub fn again(mut self) -> Self {
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::start_in(dir, &[])
    }

    /// Writes its configuration anew, as an editor would.
    pub fn configure(&self, yaml: &str) {
        fs::write(self.dir.path().join("relay.yaml"), yaml).unwrap();
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The whole answer to a GET of the ops port.
    pub fn ops(&self, path: &str) -> String {
        ask(self.ops, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    pub fn status(&self) -> Status {
        serde_json::from_str(body(&self.ops("/status"))).unwrap()
    }

    /// The relay information document.
    pub fn info(&self) -> Value {
        let request = "GET / HTTP/1.1\r\nHost: x\r\nAccept: application/nostr+json\r\n\r\n";
        serde_json::from_str(body(&ask(self.public, request))).unwrap()
    }

    pub async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.public).await.unwrap();
        let url = format!("ws://{}/", self.public);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut client = Client { socket };
        let challenge = client.answer().await;
        assert_eq!(challenge[0], "AUTH", "{challenge}");
        client
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the relay does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.path().join("log"));
            eprintln!("the relay's log:\n{}", log.unwrap_or_default());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A client that speaks in JSON.
pub struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub async fn send(&mut self, json: &str) {
        self.socket.send(Message::text(json)).await.unwrap();
    }

    /// The next thing that arrives; None at the end of the connection.
    pub async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        next.expect("nothing arrives").and_then(Result::ok)
    }

    /// The next text as JSON.
    pub async fn answer(&mut self) -> Value {
        loop {
            match self.next().await.expect("the connection ended") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} instead of a text"),
            }
        }
    }
}
