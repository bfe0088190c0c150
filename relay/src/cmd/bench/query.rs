//! `relay bench query`: what stored events cost to find and to send, over a known set of events.

use super::{
    BenchError, PATIENCE, Target,
    measured::{Measured, collect, measured},
    publisher::{Message, latencies, publish},
    queries::{self, Queries},
    report::{Report, Row},
};
use crate::client::Client;
use clap::Args;
use hdrhistogram::Histogram;
use relay_config::Duration;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration as Time, Instant},
};
use tokio::{task::JoinSet, time::timeout};

/// Longest time for loading the events.
const LOADING: Time = Time::from_secs(600);

/// What `relay bench query` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub target: Target,
    /// Events of the seed that the relay holds.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=2_000_000))]
    pub count: u32,
    /// Publish those events first.
    #[arg(long)]
    pub load: bool,
    /// Connections that ask at the same time, one query each at a time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub connections: u16,
    /// Queries of each row.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub queries: u32,
    /// Longest time of each row.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub time: Duration,
}

/// What one connection saw.
struct Asked {
    queries: u64,
    rows: u64,
    latency: Histogram<u64>,
}

/// One row for each kind of query.
pub async fn measure(arguments: &Arguments, mut report: Report) -> Result<Report, BenchError> {
    let seed = u64::from(arguments.target.seed);
    let (kinds, events) = queries::of(seed, arguments.count as usize);
    if arguments.load {
        load(arguments, &events).await?;
    }
    drop(events);
    let mut barren = Vec::new();
    for kind in kinds {
        let name = kind.name;
        let (row, found) = one_row(arguments, kind).await?;
        report.add("query", row);
        if found == 0 {
            barren.push(name);
        }
    }
    if !barren.is_empty() {
        eprintln!("{}", found_nothing(arguments, &barren));
    }
    Ok(report)
}

/// Figures of queries that found nothing say little.
fn found_nothing(arguments: &Arguments, names: &[&str]) -> String {
    let names = names.join("; ");
    let (count, seed) = (arguments.count, arguments.target.seed);
    format!(
        "0 rows were found by: {names}. The relay seems not to hold the {count} events of seed {seed}: --load publishes them first"
    )
}

async fn load(arguments: &Arguments, events: &[String]) -> Result<(), BenchError> {
    let mut client = Client::connect(&arguments.target.dialer()?, PATIENCE).await?;
    let messages: Vec<_> = events.iter().map(|text| Message::new(text)).collect();
    let loaded = publish(&mut client, &messages, 500, Instant::now() + LOADING).await?;
    client.close().await;
    eprintln!(
        "loaded {} events: {} new, {} known, {} refused",
        loaded.answered(),
        loaded.accepted,
        loaded.duplicate + loaded.superseded,
        loaded.refused
    );
    Ok(())
}

/// The row, and how many events all its queries found.
async fn one_row(arguments: &Arguments, kind: Queries) -> Result<(Row, u64), BenchError> {
    let process = arguments.target.process()?;
    let clients = arguments.target.connect(arguments.connections.into());
    let (name, clients) = (kind.name, clients.await?);
    let work = ask_all(arguments, clients, kind);
    let Measured {
        out: asked,
        seconds,
        used,
    } = measured(process.as_ref(), Time::ZERO, work).await?;
    let queries = asked.queries.max(1) as f64;
    let row = Row::default()
        .with("query", name)
        .with("queries", asked.queries)
        .figure("rows", asked.rows as f64 / queries, 1)
        .figure("queries_per_s", asked.queries as f64 / seconds, 0)
        .known("cpu_us", used.map(|used| used.cpu * 1e6 / queries), 1)
        .quantiles(["p50_ms", "p99_ms"], &asked.latency);
    Ok((row, asked.rows))
}

async fn ask_all(
    arguments: &Arguments,
    clients: Vec<Client>,
    kind: Queries,
) -> Result<Asked, BenchError> {
    let until = Instant::now() + arguments.time.get();
    let left = Arc::new(AtomicUsize::new(arguments.queries as usize));
    let filters = Arc::new(kind.filters);
    let mut tasks = JoinSet::new();
    for client in clients {
        let (filters, left) = (Arc::clone(&filters), Arc::clone(&left));
        tasks.spawn(async move { ask(client, &filters, &left, until).await });
    }
    let mut all = Asked {
        queries: 0,
        rows: 0,
        latency: latencies(),
    };
    for one in collect(tasks).await? {
        all.queries += one.queries;
        all.rows += one.rows;
        all.latency += one.latency;
    }
    Ok(all)
}

/// One query after the other, the CLOSE of the last one together with the next REQ.
async fn ask(
    mut client: Client,
    filters: &[String],
    left: &AtomicUsize,
    until: Instant,
) -> Result<Asked, BenchError> {
    let mut asked = Asked {
        queries: 0,
        rows: 0,
        latency: latencies(),
    };
    let take = |left: usize| left.checked_sub(1);
    while Instant::now() < until {
        let Ok(turn) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
            break;
        };
        let start = Instant::now();
        let filter = &filters[turn % filters.len()];
        client.feed(format!("[\"REQ\",\"q\",{filter}]")).await?;
        client.flush().await?;
        let rows = timeout(PATIENCE, until_eose(&mut client)).await;
        asked.rows += rows.map_err(|_| BenchError::Unfit(format!("no EOSE for {filter}")))??;
        asked
            .latency
            .saturating_record(start.elapsed().as_micros() as u64);
        asked.queries += 1;
        client.feed(r#"["CLOSE","q"]"#).await?;
    }
    client.close().await;
    Ok(asked)
}

/// Rows until EOSE. Looks at the verb only: a busy client would measure itself.
async fn until_eose(client: &mut Client) -> Result<u64, BenchError> {
    let mut rows = 0;
    loop {
        let text = client.next().await?;
        if text.starts_with("[\"EVENT\"") {
            rows += 1;
        } else if text.starts_with("[\"EOSE\"") {
            return Ok(rows);
        } else if text.starts_with("[\"CLOSED\"") {
            return Err(BenchError::Unfit(format!("a query was refused: {text}")));
        }
    }
}
