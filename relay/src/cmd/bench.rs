//! `relay bench`: figures of any relay, taken from outside. Every loop is bounded in count and in time.
//!
//! What is measured and what the relays of today reach stands in docs/tools.md. The server's CPU, memory and writes are read from
//! `/proc/PID`, so the relay must run on the same machine for those columns.

pub mod dice;
pub mod events;
pub mod fanout;
pub mod handshake;
pub mod idle;
pub mod ingest;
pub mod measured;
pub mod mix;
pub mod process;
pub mod publisher;
pub mod queries;
pub mod query;
pub mod report;
pub mod subscribers;
pub mod verification;

use super::{FAILED, fail, runtime};
use crate::client::{Client, ClientError, Dialer, RelayUrl, Trust};
use clap::{Args, Subcommand};
use process::{Process, ProcessError};
use report::Report;
use std::{future::Future, io, process::ExitCode, time::Duration};

/// How long connecting and the first answer of a subscription may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `relay bench` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Publish signed events, with a window of unanswered ones on each connection.
    Ingest(ingest::Arguments),
    /// Ask six kinds of queries over a known set of events.
    Query(query::Arguments),
    /// Publish to many subscribers: deliveries and their latency.
    Fanout(fanout::Arguments),
    /// Hold connections with one subscription each: memory per connection.
    Idle(idle::Arguments),
    /// Get in and leave again: handshakes per second, and what one costs.
    Handshake(handshake::Arguments),
    /// Write signed events to standard output, one a line.
    Events(events::Arguments),
}

/// What every measurement needs to know.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The relay: ws://HOST:PORT or wss://HOST:PORT. Only yours: this is load.
    #[arg(long, value_name = "URL")]
    pub url: RelayUrl,
    /// The relay's process, for CPU, memory and bytes written.
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// One JSON document on standard output; the table goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// The same seed makes the same events; a relay that has them answers `duplicate:`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub trust: Trust,
}

impl Target {
    fn dialer(&self) -> Result<Dialer, ClientError> {
        Dialer::new(&self.url, &self.trust)
    }

    fn process(&self) -> Result<Option<Process>, ProcessError> {
        self.pid.map(Process::open).transpose()
    }

    async fn connect(&self, connections: usize) -> Result<Vec<Client>, BenchError> {
        let dialer = self.dialer()?;
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(Client::connect(&dialer, PATIENCE).await?);
        }
        Ok(clients)
    }
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The relay could not be reached or hung up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// `/proc/PID` cannot be read.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// This machine gives us no threads, files or room.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The relay does not let itself be measured.
    #[error("{0}")]
    Unfit(String),
}

/// Exits 0 with the figures, or 1 with the reason.
pub fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.what {
        What::Events(arguments) => ended(events::write(arguments).map_err(BenchError::Io)),
        What::Ingest(arguments) => measure(&arguments.target, |r| ingest::measure(arguments, r)),
        What::Query(arguments) => measure(&arguments.target, |r| query::measure(arguments, r)),
        What::Fanout(arguments) => measure(&arguments.target, |r| fanout::measure(arguments, r)),
        What::Handshake(arguments) => {
            measure(&arguments.target, |r| handshake::measure(arguments, r))
        }
        What::Idle(arguments) => measure(&arguments.target, |r| idle::measure(arguments, r)),
    }
}

fn measure<F>(target: &Target, work: impl FnOnce(Report) -> F) -> ExitCode
where
    F: Future<Output = Result<Report, BenchError>>,
{
    let measured = async {
        // A mistyped URL is told before any event is signed.
        let dialer = target.dialer()?;
        Client::connect(&dialer, PATIENCE).await?.close().await;
        work(Report::new(target)).await
    };
    let result = runtime()
        .map_err(BenchError::Io)
        .and_then(|runtime| runtime.block_on(measured));
    ended(result.map(|report| report.print(target.json)))
}

fn ended(result: Result<(), BenchError>) -> ExitCode {
    result.map_or_else(|problem| fail(FAILED, problem), |()| ExitCode::SUCCESS)
}
