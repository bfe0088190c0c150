//! Real events, as real clients signed them: each accepted or refused for the right reason, and read back byte for byte.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    events::real_events,
    scene::scene,
    socket::{Socket, Verdict},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

/// So many EVENTs are on their way at once.
const WINDOW: usize = 64;

/// One line of the file.
struct Line {
    text: String,
    event: Value,
}

impl Line {
    fn id(&self) -> &str {
        self.event["id"].as_str().unwrap_or_default()
    }

    fn kind(&self) -> u64 {
        self.event["kind"].as_u64().unwrap_or_default()
    }

    fn tags(&self, name: &str) -> impl Iterator<Item = &str> {
        let tags = self.event["tags"].as_array().into_iter().flatten();
        tags.filter(move |tag| tag[0] == name)
            .filter_map(|tag| tag[1].as_str())
    }

    /// What only one stored version may have (NIP-01).
    fn address(&self) -> Option<(String, u64, String)> {
        let pubkey = self.event["pubkey"].as_str().unwrap_or_default().to_owned();
        match self.kind() {
            0 | 3 | 10_000..=19_999 => Some((pubkey, self.kind(), String::new())),
            30_000..=39_999 => Some((
                pubkey,
                self.kind(),
                self.tags("d").next().unwrap_or_default().to_owned(),
            )),
            _ => None,
        }
    }

    /// Newer wins, then the lower id.
    fn rank(&self) -> (u64, std::cmp::Reverse<&str>) {
        (
            self.event["created_at"].as_u64().unwrap_or_default(),
            std::cmp::Reverse(self.id()),
        )
    }

    fn is_expired(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        self.tags("expiration")
            .next()
            .and_then(|time| time.parse::<u64>().ok())
            .is_some_and(|time| time <= now)
    }
}

async fn publish_all(socket: &mut Socket, lines: &[Line]) -> Result<BTreeMap<String, Verdict>> {
    let mut verdicts = BTreeMap::new();
    for window in lines.chunks(WINDOW) {
        for line in window {
            socket.send_event(&line.text).await?;
        }
        for _ in window {
            let (id, verdict) = socket.verdict().await?;
            verdicts.insert(id, verdict);
        }
    }
    Ok(verdicts)
}

/// The lines that must be readable in the end: neither expired, nor deleted by their author, nor beaten by a better version.
fn survivors(lines: &[Line]) -> Vec<&Line> {
    let mut best: BTreeMap<_, &Line> = BTreeMap::new();
    let deleted: BTreeSet<(&str, &str)> = lines
        .iter()
        .filter(|line| line.kind() == 5)
        .flat_map(|line| {
            line.tags("e")
                .map(|id| (id, line.event["pubkey"].as_str().unwrap_or_default()))
        })
        .collect();
    let living = |line: &&Line| {
        let author = line.event["pubkey"].as_str().unwrap_or_default();
        !line.is_expired() && !deleted.contains(&(line.id(), author))
    };
    for line in lines.iter().filter(living) {
        let key = line
            .address()
            .unwrap_or_else(|| (line.id().to_owned(), 0, String::new()));
        let slot = best.entry(key).or_insert(line);
        if line.rank() > slot.rank() {
            *slot = line;
        }
    }
    best.into_values().collect()
}

fn is_right(line: &Line, verdict: &Verdict, survives: bool) -> bool {
    match verdict.reason.split(':').next() {
        _ if verdict.accepted => !line.is_expired(),
        Some("invalid") => line.is_expired(),
        Some("duplicate" | "blocked") => !survives,
        _ => false,
    }
}

#[tokio::test]
async fn real_events_are_judged_rightly_and_read_back_byte_for_byte() -> Result<()> {
    let Some(texts) = real_events()? else {
        nostr_fleet_e2e::left_out("EVENTS names no file of real events");
        return Ok(());
    };
    let lines = texts
        .into_iter()
        .map(|text| {
            Ok(Line {
                event: serde_json::from_str(&text)?,
                text,
            })
        })
        .collect::<Result<Vec<Line>>>()?;
    scene("real", async |scene| {
        let relay = scene.relay("town", "").await?;
        let mut socket = relay.dial().await?;
        let verdicts = publish_all(&mut socket, &lines).await?;
        let survivors = survivors(&lines);
        let surviving: BTreeSet<&str> = survivors.iter().map(|line| line.id()).collect();
        for line in &lines {
            let verdict = &verdicts[line.id()];
            ensure!(
                is_right(line, verdict, surviving.contains(line.id())),
                "{verdict:?} for {}",
                line.text
            );
        }
        for chunk in survivors.chunks(200) {
            let ids: Vec<&str> = chunk.iter().map(|line| line.id()).collect();
            let found: BTreeSet<String> = socket
                .stored(&json!({"ids": ids}))
                .await?
                .into_iter()
                .collect();
            let expected: BTreeSet<String> = chunk.iter().map(|line| line.text.clone()).collect();
            ensure!(
                found == expected,
                "stored and sent differ: {:?}",
                found.symmetric_difference(&expected).next()
            );
        }
        eprintln!(
            "{} of {} real events are stored, the others refused for the right reason",
            survivors.len(),
            lines.len()
        );
        Ok(())
    })
    .await
}
