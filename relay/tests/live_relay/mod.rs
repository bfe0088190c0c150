//! The real `relay serve`, on a port that stays its own when it is killed and started again.
#![allow(dead_code, missing_docs, clippy::unwrap_used)] // each suite uses a part of it, and may end with a panic

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Many connections from one address, as `relay bench` opens them.
const CONFIGURATION: &str = "version: 1\nhot:\n  limits:\n    connectionsPerAddress: 10000\n";

/// A running relay with a directory of its own.
pub struct LiveRelay {
    pub dir: TempDir,
    /// A tmpfs, as a runtime directory must be.
    pub run: TempDir,
    pub url: String,
    pub ops: String,
    addresses: [SocketAddr; 2],
    child: Child,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl LiveRelay {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::write(dir.path().join("relay.yaml"), CONFIGURATION).unwrap();
        let addresses = [free(), free()];
        Self {
            url: format!("ws://{}", addresses[0]),
            ops: format!("http://{}", addresses[1]),
            child: serve(&dir, &run, addresses),
            addresses,
            dir,
            run,
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same port and store.
    pub fn start_again(&mut self) {
        self.child = serve(&self.dir, &self.run, self.addresses);
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

fn serve(dir: &TempDir, run: &TempDir, addresses: [SocketAddr; 2]) -> Child {
    let path = |name: &str| dir.path().join(name);
    let mut child = Command::new(env!("CARGO_BIN_EXE_relay"))
        .arg("serve")
        .args(["--listen", &addresses[0].to_string()])
        .args(["--ops", &addresses[1].to_string()])
        .arg("--config")
        .arg(path("relay.yaml"))
        .arg("--data")
        .arg(path("data"))
        .arg("--runtime-dir")
        .arg(run.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It says where it listens once it does.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("ws://"), "{line}");
    child
}

impl Drop for LiveRelay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
