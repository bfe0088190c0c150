//! Two authors on one open connection, for the demo: each publishes again and again, and every change of a verdict becomes a line.

use crate::{
    events::{keys, note},
    socket::Socket,
    tls::dial_trusting,
};
use anyhow::{Context, Result};
use nostr::prelude::Keys;
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::sleep;

/// Between two notes of one author.
const PAUSE: Duration = Duration::from_millis(50);

/// Who they are.
const NAMES: [&str; 2] = ["resident", "guest"];

struct Author {
    name: &'static str,
    keys: Keys,
    last: Option<String>,
}

fn authors() -> [Author; 2] {
    [1, 2].map(|number| Author {
        name: NAMES[usize::from(number) - 1],
        keys: keys(number),
        last: None,
    })
}

/// Their names and public keys, one a line.
pub fn public_keys() -> String {
    let line = |author: &Author| format!("{} {}\n", author.name, author.keys.public_key().to_hex());
    authors().iter().map(line).collect()
}

/// Publishes over one connection to the relay at `wss://HOST:PORT` until it ends, which is an error. A line: the time in milliseconds since 1970, the
/// author, `OK` or the relay's words.
pub async fn publish(url: &str, ca: &Path) -> Result<()> {
    let place = url.strip_prefix("wss://").context("not a wss:// URL")?;
    let (host, _) = place.rsplit_once(':').context("no port in the URL")?;
    let (mut socket, _) = dial_trusting(ca, host, place).await?;
    let mut authors = authors();
    for number in 0_u64.. {
        for author in &mut authors {
            author.publish(&mut socket, number).await?;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

impl Author {
    async fn publish(&mut self, socket: &mut Socket, number: u64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let event = note(
            &self.keys,
            &format!("{} writes note {number} at {now}", self.name),
        );
        let verdict = socket.publish(&event).await?;
        let words = if verdict.accepted {
            "OK".into()
        } else {
            verdict.reason
        };
        if self.last.as_ref() != Some(&words) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
            println!("{now} {} {words}", self.name);
            self.last = Some(words);
        }
        Ok(())
    }
}
