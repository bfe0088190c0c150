//! The operator as a process of its own: what has a memory and a clock that are not the test's.

use crate::{
    operator::visits,
    server::{eventually, operator_kubeconfig},
    space::{LEASE, Space},
};
use std::{
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// `operator run`; killed when dropped.
pub struct Process {
    child: Child,
    ops: SocketAddr,
    /// Its kubeconfig, and what it logs.
    dir: TempDir,
}

/// The binary of `OPERATOR_BINARY`, else that of this build.
fn program() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_operator").into();
    std::env::var_os("OPERATOR_BINARY").map_or_else(built, PathBuf::from)
}

impl Space {
    /// Starts an operator for this namespace, with the rights of `config/rbac`, and waits until it works.
    pub async fn process(&self, environment: &[(&str, OsString)]) -> Process {
        let dir = TempDir::new().unwrap();
        let file = |name: &str| dir.path().join(name);
        fs::write(file("kubeconfig"), operator_kubeconfig()).unwrap();
        let log = fs::File::create(file("log")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ops = free.local_addr().unwrap();
        drop(free);
        let child = Command::new(program())
            .args(["run", "--image=localhost/not-there:1"])
            .args([format!("--watch-namespace={}", self.name)])
            .args([
                format!("--namespace={}", self.name),
                format!("--lease-name={LEASE}"),
            ])
            .arg(format!("--ops={ops}"))
            .env("KUBECONFIG", file("kubeconfig"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log)
            .spawn()
            .unwrap();
        let process = Process { child, ops, dir };
        eventually("the operator works", || async {
            let said = process.ask("/readyz").await;
            said.is_some_and(|said| said.starts_with("HTTP/1.1 200"))
        })
        .await;
        process
    }
}

impl Process {
    /// An answer of its ops port, head and body; none while nobody listens.
    async fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.ops).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// Visits so far.
    pub async fn visits(&self) -> u64 {
        visits(&self.ask("/metrics").await.unwrap())
    }

    /// The resident set, in KiB, and the CPU time so far, in seconds.
    pub fn usage(&self) -> (u64, f64) {
        let of =
            |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap();
        let status = of("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let resident = line.unwrap().split_whitespace().nth(1).unwrap();
        // Fields 14 and 15, counted behind the name in parentheses (proc_pid_stat(5)); in hundredths of a second.
        let stat = of("stat");
        let behind = stat.rsplit(')').next().unwrap();
        let ticks = behind.split_whitespace().skip(11).take(2);
        let ticks: u32 = ticks.map(|text| text.parse::<u32>().unwrap()).sum();
        (resident.parse().unwrap(), f64::from(ticks) / 100.0)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// SIGTERM: it gives its lease back.
    pub async fn stop(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").arg(pid).status().unwrap();
        assert!(told.success());
        let mut ended = || std::future::ready(self.has_ended());
        eventually("the operator has ended", &mut ended).await;
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A variable for [`Space::process`].
pub fn variable(name: &'static str, value: impl AsRef<OsStr>) -> (&'static str, OsString) {
    (name, value.as_ref().to_owned())
}
