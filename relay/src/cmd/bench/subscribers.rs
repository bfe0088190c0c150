//! Many connections with one live subscription each, and what they hear.

use super::{BenchError, PATIENCE, process::allow_open_files, publisher::latencies};
use crate::client::{Client, Dialer};
use futures::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

/// Connections that are opened at the same time.
const AT_ONCE: usize = 32;
/// How often the number of deliveries is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// When each event was sent, by id. Known before the first one is.
pub type Sent = Arc<HashMap<String, OnceLock<Instant>>>;

/// Subscribed connections, each read by a task of its own until this is dropped.
#[derive(Debug)]
pub struct Subscribers {
    ears: Arc<Ears>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Ears {
    heard: AtomicU64,
    sent: Option<Sent>,
    latency: Mutex<Histogram<u64>>,
}

/// Opens one connection for each filter and waits for every EOSE.
pub async fn subscribe(dialer: &Dialer, filters: Vec<String>) -> Result<Vec<Client>, BenchError> {
    let wanted = filters.len();
    let files = allow_open_files(wanted as u64 + 64);
    if files < wanted as u64 + 16 {
        return Err(BenchError::Unfit(format!(
            "{wanted} connections need more open files than the {files} we may have: raise ulimit -n"
        )));
    }
    let opened = AtomicU64::new(0);
    let result = stream::iter(filters)
        .map(|filter| async {
            let client = one(dialer, filter).await?;
            opened.fetch_add(1, Ordering::Relaxed);
            Ok::<_, BenchError>(client)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await;
    result.map_err(|error| {
        let opened = opened.into_inner();
        BenchError::Unfit(format!(
            "only {opened} of {wanted} connections opened: {error}; \
             a relay under test needs limits.connections and limits.connectionsPerAddress above {wanted}"
        ))
    })
}

async fn one(dialer: &Dialer, filter: String) -> Result<Client, BenchError> {
    let mut client = Client::connect(dialer, PATIENCE).await?;
    client.send(format!("[\"REQ\",\"s\",{filter}]")).await?;
    let eose = async {
        loop {
            let text = client.next().await?;
            if text.starts_with("[\"EOSE\"") {
                return Ok(());
            } else if text.starts_with("[\"CLOSED\"") {
                return Err(BenchError::Unfit(format!(
                    "a subscription was refused: {text}"
                )));
            }
        }
    };
    let late = |_| BenchError::Unfit("a subscription had no EOSE".into());
    tokio::time::timeout(PATIENCE, eose).await.map_err(late)??;
    Ok(client)
}

impl Subscribers {
    /// Listens on all of them. With `sent`, the time from send to receipt of each event is kept.
    pub fn listen(clients: Vec<Client>, sent: Option<Sent>) -> Self {
        let ears = Arc::new(Ears {
            heard: AtomicU64::new(0),
            sent,
            latency: Mutex::new(latencies()),
        });
        let mut tasks = JoinSet::new();
        for client in clients {
            tasks.spawn(listen(client, Arc::clone(&ears)));
        }
        Self { ears, tasks }
    }

    /// Waits until `expected` deliveries have been heard, or until `until`; answers how many were.
    pub async fn hear(&self, expected: u64, until: Instant) -> u64 {
        loop {
            let heard = self.ears.heard.load(Ordering::Relaxed);
            if heard >= expected || Instant::now() >= until {
                return heard;
            }
            sleep(LOOK).await;
        }
    }

    /// Connections that the relay has closed meanwhile.
    pub fn lost(&mut self) -> u64 {
        std::iter::from_fn(|| self.tasks.try_join_next()).count() as u64
    }

    /// µs from send to receipt.
    pub fn latency(&self) -> Histogram<u64> {
        let latency = self.ears.latency.lock();
        latency.map_or_else(
            |broken| broken.into_inner().clone(),
            |latency| latency.clone(),
        )
    }
}

async fn listen(mut client: Client, ears: Arc<Ears>) {
    while let Ok(text) = client.next().await {
        if !text.starts_with("[\"EVENT\"") {
            continue;
        }
        let sent = ears
            .sent
            .as_ref()
            .and_then(|sent| sent.get(id(&text)?)?.get());
        if let (Some(sent), Ok(mut latency)) = (sent, ears.latency.lock()) {
            latency.saturating_record(sent.elapsed().as_micros() as u64);
        }
        ears.heard.fetch_add(1, Ordering::Relaxed);
    }
}

/// The id in an EVENT message, whatever the order of the keys.
fn id(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("\"id\":\"")?;
    rest.get(..64)
}
