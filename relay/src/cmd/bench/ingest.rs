//! `relay bench ingest`: how fast events are taken, and what each one costs the server.

use super::{
    BenchError, Target,
    measured::{Measured, SETTLE, collect, measured},
    mix::Mix,
    process::allow_open_files,
    publisher::{Message, Published, publish},
    report::{Report, Row},
};
use crate::client::Client;
use clap::Args;
use relay_config::Duration;
use std::time::Instant;
use tokio::task::JoinSet;

/// What `relay bench ingest` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub target: Target,
    /// One row for each number of connections.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 8, 64], value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub connections: Vec<u32>,
    /// Events of each row.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Unanswered events on each connection.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub window: u16,
    /// Longest time of each row.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub time: Duration,
}

/// One row for each number of connections.
pub async fn measure(arguments: &Arguments, mut report: Report) -> Result<Report, BenchError> {
    for (row, connections) in arguments.connections.iter().enumerate() {
        let seed = u64::from(arguments.target.seed) * 64 + row as u64;
        let events = Mix::new(seed).take(arguments.count as usize);
        let messages: Vec<_> = events.map(|made| Message::new(&made.text)).collect();
        let unit = report.verification_us();
        let row = one_row(arguments, *connections as usize, messages, unit).await?;
        report.add("ingest", row);
    }
    Ok(report)
}

async fn one_row(
    arguments: &Arguments,
    connections: usize,
    messages: Vec<Message>,
    verification_us: f64,
) -> Result<Row, BenchError> {
    let process = arguments.target.process()?;
    allow_open_files(connections as u64 + 64);
    let clients = arguments.target.connect(connections).await?;
    let work = publish_all(arguments, clients, messages);
    let measured = measured(process.as_ref(), SETTLE, work).await?;
    warn(&measured.out);
    let row = row(&measured, verification_us);
    Ok(Row::default().with("connections", connections).and(row))
}

async fn publish_all(
    arguments: &Arguments,
    clients: Vec<Client>,
    messages: Vec<Message>,
) -> Result<Published, BenchError> {
    let window = usize::from(arguments.window);
    let until = Instant::now() + arguments.time.get();
    let connections = clients.len();
    let mut shares: Vec<Vec<Message>> = vec![Vec::new(); connections];
    for (index, message) in messages.into_iter().enumerate() {
        shares[index % connections].push(message);
    }
    let mut tasks = JoinSet::new();
    for (mut client, share) in clients.into_iter().zip(shares) {
        tasks.spawn(async move { publish(&mut client, &share, window, until).await });
    }
    let mut all = Published::default();
    for one in collect(tasks).await? {
        all.add(one);
    }
    Ok(all)
}

fn row(measured: &Measured<Published>, verification_us: f64) -> Row {
    let (published, used) = (&measured.out, measured.used);
    let events = published.answered().max(1) as f64;
    let cpu_us = used.map(|used| used.cpu * 1e6 / events);
    let written = used.map(|used| used.written as f64 / events);
    Row::default()
        .with("accepted", published.accepted)
        .with("duplicate", published.duplicate)
        .with("superseded", published.superseded)
        .with("refused", published.refused)
        .figure("seconds", measured.seconds, 2)
        .figure(
            "events_per_s",
            published.answered() as f64 / measured.seconds,
            0,
        )
        .quantiles(["ok_p50_ms", "ok_p99_ms"], &published.latency)
        .known("cpu_s_per_100k", cpu_us.map(|us| us / 10.0), 2)
        .known(
            "verifications_per_event",
            cpu_us.map(|us| us / verification_us),
            2,
        )
        .known("written_bytes_per_event", written, 0)
}

fn warn(published: &Published) {
    if published.duplicate > 0 {
        eprintln!(
            "the relay had {} of these events: choose another --seed for figures of new ones",
            published.duplicate
        );
    }
    if let Some(refusal) = &published.refusal {
        eprintln!(
            "{} events were refused, the first one: {refusal}",
            published.refused
        );
    }
}
