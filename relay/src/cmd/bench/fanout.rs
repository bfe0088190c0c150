//! `relay bench fanout`: what it costs to deliver one event to many, and how soon they have it.

use super::{
    BenchError, PATIENCE, Target,
    dice::Dice,
    measured::{Measured, measured},
    mix::{AUTHORS, Mix},
    publisher::{Message, publish},
    report::{Report, Row},
    subscribers::{Sent, Subscribers, subscribe},
};
use crate::client::Client;
use clap::Args;
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::time::{MissedTickBehavior, interval};

/// Authors of one selective subscription.
const FOLLOWED: usize = 100;
/// Unanswered events of the publisher.
const WINDOW: usize = 32;
/// How long the last deliveries may take.
const LAST: Duration = Duration::from_secs(30);
/// Events per second of the paced row.
const PACE: u32 = 50;

/// What `relay bench fanout` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub target: Target,
    /// One row for each number of subscribers to everything.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [100, 1_000, 5_000], value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub subscribers: Vec<u32>,
    /// Subscribers to 100 authors each; 0 leaves the row out.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=50_000))]
    pub selective: u32,
    /// Deliveries of each row, about.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub deliveries: u32,
    /// Seconds of the row with 50 events a second to 100 subscribers; 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub paced_seconds: u32,
}

/// One row: who listens, and what is published.
struct Audience {
    name: &'static str,
    filters: Vec<String>,
    messages: Vec<Message>,
    expected: u64,
}

/// One row for each audience, then the paced one.
pub async fn measure(arguments: &Arguments, mut report: Report) -> Result<Report, BenchError> {
    let seed = u64::from(arguments.target.seed) * 64 + 32;
    for (row, subscribers) in arguments.subscribers.iter().enumerate() {
        let events = (arguments.deliveries / subscribers).max(1) as usize;
        let audience = everything(seed + row as u64, *subscribers as usize, events);
        report.add("fanout", burst(arguments, audience).await?);
    }
    if arguments.selective > 0 {
        let heard_by = (arguments.selective as usize * FOLLOWED / AUTHORS).max(1);
        let events = (arguments.deliveries as usize / heard_by).max(1);
        let audience = selective(seed + 30, arguments.selective as usize, events);
        report.add("fanout", burst(arguments, audience).await?);
    }
    if arguments.paced_seconds > 0 {
        let events = (arguments.paced_seconds * PACE) as usize;
        let audience = everything(seed + 31, 100, events);
        report.add("paced", paced(arguments, audience).await?);
    }
    Ok(report)
}

/// Notes of all authors in turn, heard by everybody.
fn everything(seed: u64, subscribers: usize, events: usize) -> Audience {
    let mut mix = Mix::new(seed);
    let message = |n| Message::new(&mix.note(n % AUTHORS).text);
    Audience {
        name: "everything",
        messages: (0..events).map(message).collect(),
        filters: vec![r#"{"kinds":[1],"limit":1}"#.to_owned(); subscribers],
        expected: (subscribers * events) as u64,
    }
}

/// The same, heard by who follows the author.
fn selective(seed: u64, subscribers: usize, events: usize) -> Audience {
    let mut mix = Mix::new(seed);
    let mut dice = Dice::new(seed);
    let mut followers = vec![0_u64; AUTHORS];
    let filter = |_| {
        let (first, step) = (dice.below(AUTHORS), [1, 3, 7, 9][dice.below(4)]);
        let followed: Vec<_> = (0..FOLLOWED)
            .map(|n| (first + n * step) % AUTHORS)
            .collect();
        for author in &followed {
            followers[*author] += 1;
        }
        let keys = followed
            .iter()
            .map(|author| format!("\"{}\"", mix.key(*author)));
        let keys = keys.collect::<Vec<_>>().join(",");
        format!(r#"{{"authors":[{keys}],"limit":1}}"#)
    };
    let filters = (0..subscribers).map(filter).collect();
    let authors: Vec<_> = (0..events).map(|n| n * 7 % AUTHORS).collect();
    Audience {
        name: "100 authors each",
        filters,
        expected: authors.iter().map(|author| followers[*author]).sum(),
        messages: authors
            .iter()
            .map(|author| Message::new(&mix.note(*author).text))
            .collect(),
    }
}

/// Publishes as fast as the relay takes it.
async fn burst(arguments: &Arguments, audience: Audience) -> Result<Row, BenchError> {
    let process = arguments.target.process()?;
    let dialer = &arguments.target.dialer()?;
    let subscribers = audience.filters.len();
    let clients = subscribe(dialer, audience.filters).await?;
    let mut listening = Subscribers::listen(clients, None);
    let mut publisher = Client::connect(dialer, PATIENCE).await?;
    let work = async {
        let until = Instant::now() + LAST;
        let published = publish(&mut publisher, &audience.messages, WINDOW, until).await?;
        let until = Instant::now() + LAST;
        Ok((published, listening.hear(audience.expected, until).await))
    };
    let Measured {
        out: (published, heard),
        seconds,
        used,
    } = measured(process.as_ref(), Duration::ZERO, work).await?;
    let per_100k = |cpu: f64| cpu * 1e5 / heard.max(1) as f64;
    Ok(Row::default()
        .with("subscribers", subscribers)
        .with("hear", audience.name)
        .with("events", published.accepted)
        .with("expected", audience.expected)
        .with("deliveries", heard)
        .with("lost_connections", listening.lost())
        .figure("deliveries_per_s", heard as f64 / seconds, 0)
        .known("cpu_s_per_100k", used.map(|used| per_100k(used.cpu)), 3))
}

/// Publishes at an even pace and keeps the time until each subscriber has each event.
async fn paced(arguments: &Arguments, audience: Audience) -> Result<Row, BenchError> {
    let dialer = &arguments.target.dialer()?;
    let subscribers = audience.filters.len();
    let clients = subscribe(dialer, audience.filters).await?;
    let ids = audience
        .messages
        .iter()
        .map(|message| (message.id().to_owned(), OnceLock::new()));
    let sent: Sent = Arc::new(ids.collect::<HashMap<_, _>>());
    let mut listening = Subscribers::listen(clients, Some(Arc::clone(&sent)));
    let mut publisher = Client::connect(dialer, PATIENCE).await?;
    let mut tick = interval(Duration::from_secs(1) / PACE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for message in &audience.messages {
        tick.tick().await;
        if let Some(time) = sent.get(message.id()) {
            let _ = time.set(Instant::now());
        }
        publisher.send(message.text()).await?;
        while publisher.ready()?.is_some() {}
    }
    let heard = listening
        .hear(audience.expected, Instant::now() + LAST)
        .await;
    let latency = listening.latency();
    Ok(Row::default()
        .with("subscribers", subscribers)
        .with("events_per_s", PACE)
        .with("expected", audience.expected)
        .with("deliveries", heard)
        .with("lost_connections", listening.lost())
        .quantiles(["p50_ms", "p99_ms"], &latency))
}
