//! One connection that publishes with a window of unanswered events, and how long each OK took.

use super::BenchError;
use crate::client::{Answer, Client, answer::Fate};
use hdrhistogram::Histogram;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use tokio::time::timeout_at;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// How long the last answers may take once nothing more is sent.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// A signed event as an EVENT message, made before the clock starts.
#[derive(Clone, Debug)]
pub struct Message(Utf8Bytes);

impl Message {
    /// The message of an event's canonical text.
    pub fn new(event: &str) -> Self {
        Self(format!("[\"EVENT\",{event}]").into())
    }

    /// The event's id.
    pub fn id(&self) -> &str {
        const BEFORE: usize = "[\"EVENT\",{\"id\":\"".len();
        &self.0[BEFORE..BEFORE + 64]
    }

    /// The message's text.
    pub fn text(&self) -> Utf8Bytes {
        self.0.clone()
    }
}

/// How the events of one or more connections ended.
#[derive(Clone, Debug)]
pub struct Published {
    /// New to the relay.
    pub accepted: u64,
    /// It had them.
    pub duplicate: u64,
    /// It has newer versions of them.
    pub superseded: u64,
    /// It does not want them.
    pub refused: u64,
    /// The first refusal.
    pub refusal: Option<String>,
    /// µs from send to OK.
    pub latency: Histogram<u64>,
}

impl Default for Published {
    fn default() -> Self {
        Self {
            accepted: 0,
            duplicate: 0,
            superseded: 0,
            refused: 0,
            refusal: None,
            latency: latencies(),
        }
    }
}

/// An empty histogram of µs.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("fixed bounds")
}

/// A quantile of `latency` in ms.
pub fn quantile_ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1e3
}

impl Published {
    /// Events that were answered.
    pub fn answered(&self) -> u64 {
        self.accepted + self.duplicate + self.superseded + self.refused
    }

    /// Adds another connection's.
    pub fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.superseded += other.superseded;
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
        self.latency += other.latency;
    }

    fn count(&mut self, accepted: bool, verdict: &str) {
        match Fate::of(accepted, verdict) {
            Fate::Duplicate => self.duplicate += 1,
            Fate::Accepted => self.accepted += 1,
            Fate::Superseded => self.superseded += 1,
            Fate::Refused => {
                self.refused += 1;
                self.refusal.get_or_insert_with(|| verdict.to_owned());
            }
        }
    }
}

/// Publishes `messages`, at most `window` unanswered; nothing is sent after `until`.
pub async fn publish(
    client: &mut Client,
    messages: &[Message],
    window: usize,
    until: Instant,
) -> Result<Published, BenchError> {
    let mut published = Published::default();
    let mut waiting: VecDeque<(usize, Instant)> = VecDeque::with_capacity(window);
    let mut next = 0;
    loop {
        let now = Instant::now();
        let end = if now < until { messages.len() } else { next };
        while waiting.len() < window && next < end {
            client.feed(messages[next].text()).await?;
            waiting.push_back((next, now));
            next += 1;
        }
        client.flush().await?;
        if waiting.is_empty() {
            return Ok(published);
        }
        let patience = (until.max(now) + LAST_ANSWERS).into();
        let silent = |_| BenchError::Unfit(format!("{} events were never answered", waiting.len()));
        let first = timeout_at(patience, client.next()).await.map_err(silent)?;
        let mut text = Some(first?);
        while let Some(answer) = text {
            hear(&answer, messages, &mut waiting, &mut published);
            text = client.ready()?;
        }
    }
}

fn hear(
    text: &str,
    messages: &[Message],
    waiting: &mut VecDeque<(usize, Instant)>,
    published: &mut Published,
) {
    let Some(Answer::Ok {
        id,
        accepted,
        verdict,
    }) = Answer::read(text)
    else {
        return;
    };
    let at = waiting
        .iter()
        .position(|(index, _)| messages[*index].id() == id);
    if let Some((_, sent)) = at.and_then(|at| waiting.remove(at)) {
        let micros = sent.elapsed().as_micros() as u64;
        published.latency.saturating_record(micros);
        published.count(accepted, &verdict);
    }
}
