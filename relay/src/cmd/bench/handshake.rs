//! `relay bench handshake`: how fast clients get in, and what each one costs the server.
//!
//! One handshake is everything from the first packet to the answered WebSocket upgrade. Over wss:// there are two rows: whole TLS
//! handshakes, as of clients that come for the first time, and resumed ones, as of clients that come back.

use super::{
    BenchError, PATIENCE, Target,
    measured::{Measured, SETTLE, collect, measured},
    publisher::latencies,
    report::{Report, Row},
};
use crate::client::{Client, ClientError, Dialer};
use clap::Args;
use hdrhistogram::Histogram;
use std::time::Instant;
use tokio::task::JoinSet;

/// What `relay bench handshake` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub target: Target,
    /// Handshakes of each row.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub count: u32,
    /// How many are under way at a time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub connections: u32,
}

/// How clients come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Without TLS.
    Plain,
    /// For the first time.
    Full,
    /// Again.
    Resumed,
}

/// What happened.
struct Made {
    latency: Histogram<u64>,
    resumed: u64,
}

/// One row for each way to come.
pub async fn measure(arguments: &Arguments, mut report: Report) -> Result<Report, BenchError> {
    let kinds: &[Kind] = if arguments.target.url.is_secure() {
        &[Kind::Full, Kind::Resumed]
    } else {
        &[Kind::Plain]
    };
    for kind in kinds {
        report.add("handshake", one_row(arguments, *kind).await?);
    }
    Ok(report)
}

async fn one_row(arguments: &Arguments, kind: Kind) -> Result<Row, BenchError> {
    let process = arguments.target.process()?;
    let dialers = dialers(arguments, kind).await?;
    let work = all(arguments, dialers);
    let Measured {
        out: made,
        seconds,
        used,
    } = measured(process.as_ref(), SETTLE, work).await?;
    let count = made.latency.len();
    let cpu_us = used.map(|used| used.cpu * 1e6 / count as f64);
    let words = match kind {
        Kind::Plain => "plain",
        Kind::Full => "full",
        Kind::Resumed => "resumed",
    };
    Ok(Row::default()
        .with("handshake", words)
        .with("at_a_time", arguments.connections)
        .with("count", count)
        .with("resumed", made.resumed)
        .figure("per_s", count as f64 / seconds, 0)
        .quantiles(["p50_ms", "p99_ms"], &made.latency)
        .known("cpu_us_per_handshake", cpu_us, 0))
}

/// One for each client, with tickets of its own.
async fn dialers(arguments: &Arguments, kind: Kind) -> Result<Vec<Dialer>, BenchError> {
    let mut dialers = Vec::new();
    for _ in 0..arguments.connections {
        let dialer = arguments.target.dialer()?;
        dialers.push(match kind {
            Kind::Full => dialer.forgetful(),
            Kind::Plain | Kind::Resumed => dialer,
        });
        if kind == Kind::Resumed {
            get_in(&dialers[dialers.len() - 1]).await?; // the first time
        }
    }
    Ok(dialers)
}

async fn all(arguments: &Arguments, dialers: Vec<Dialer>) -> Result<Made, BenchError> {
    let share = arguments.count.div_ceil(arguments.connections);
    let mut tasks = JoinSet::new();
    for dialer in dialers {
        tasks.spawn(async move { some(&dialer, share).await });
    }
    let mut all = Made {
        latency: latencies(),
        resumed: 0,
    };
    for one in collect(tasks).await? {
        let _ = all.latency.add(one.latency); // the same bounds everywhere
        all.resumed += one.resumed;
    }
    Ok(all)
}

async fn some(dialer: &Dialer, count: u32) -> Result<Made, ClientError> {
    let mut made = Made {
        latency: latencies(),
        resumed: 0,
    };
    for _ in 0..count {
        let start = Instant::now();
        made.resumed += u64::from(get_in(dialer).await?);
        let micros = start.elapsed().as_micros();
        made.latency.saturating_record(micros as u64);
    }
    Ok(made)
}

/// Gets in and leaves. Was a session resumed?
async fn get_in(dialer: &Dialer) -> Result<bool, ClientError> {
    let client = Client::connect(dialer, PATIENCE).await?;
    let resumed = client.is_resumed();
    client.close().await;
    Ok(resumed)
}
