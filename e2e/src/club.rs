//! A relay for members only: who may read and write stands in one ConfigMap, `members`.

use crate::{
    events::note,
    lists::{hash, lines},
    objects::PATIENCE,
    relay::Relay,
    scene::Scene,
    socket::{Socket, Verdict},
};
use anyhow::{Result, ensure};
use nostr::prelude::Keys;
use relay_config::{
    access::{Mode, WriteBy},
    lists::{List, Modes},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// A kind that nobody publishes, so that a subscription to it stays silent.
const SILENT_KIND: u16 = 7777;
const SPEC: &str = "
  access:
    read: {mode: Allow, from: [{configMap: {name: members}}]}
    write: {mode: Allow, from: [{configMap: {name: members}}]}
  limits: {connectionsPerAddress: 1000}
";
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The relay and what its clients call it.
pub struct Club<'a> {
    scene: &'a Scene,
    /// The relay `town`.
    pub relay: Relay<'a>,
    url: String,
}

/// Somebody with an open connection on which the keys are proved.
pub struct Visitor {
    /// Who.
    pub keys: Keys,
    /// The connection.
    pub socket: Socket,
}

impl Scene {
    /// A club of `members`, ready.
    pub async fn club(&self, members: &[&Keys]) -> Result<Club<'_>> {
        self.list("members", &lines(members)).await?;
        let relay = self.relay("town", SPEC).await?;
        let url = relay.url().await?;
        let club = Club {
            scene: self,
            relay,
            url,
        };
        club.until_applied(&expected(members), PATIENCE).await?;
        Ok(club)
    }
}

/// The hash that a club of `members` must have.
pub fn expected(members: &[&Keys]) -> String {
    let modes = Modes {
        read: Mode::Allow,
        write: Mode::Allow,
        by: WriteBy::Author,
    };
    hash(modes, &[List::Read, List::Write], members)
}

impl Club<'_> {
    /// Applies the list of `members`; the hash that it must get.
    pub async fn admit(&self, members: &[&Keys]) -> Result<String> {
        self.scene.list("members", &lines(members)).await?;
        Ok(expected(members))
    }

    /// Waits until the status says that every pod has the list of this hash.
    pub async fn until_applied(&self, hash: &str, within: Duration) -> Result<Value> {
        let applied = |status: &Value| {
            let list = &status["allowlist"];
            list["hash"] == hash && list["applied"] == "1/1"
        };
        let what = format!("allowlist {hash} to be applied 1/1");
        self.relay.until(&what, within, applied).await
    }

    /// Connects past the Service and proves `keys`.
    pub async fn enter(&self, keys: &Keys) -> Result<Visitor> {
        let mut socket = self.relay.dial_pod().await?;
        socket.authenticate(keys, &self.url).await?;
        Ok(Visitor {
            keys: keys.clone(),
            socket,
        })
    }
}

impl Visitor {
    /// Publishes a note that nobody has published before.
    pub async fn publish(&mut self) -> Result<Verdict> {
        self.publish_text("note").await
    }

    /// Publishes a note with this text and a number.
    pub async fn publish_text(&mut self, text: &str) -> Result<Verdict> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let note = note(&self.keys, &format!("{text} {number}"));
        self.socket.publish(&note).await
    }

    /// Publishes until the verdict is as `accepted`; whatever refuses must say `restricted:`.
    pub async fn publish_until(&mut self, accepted: bool, within: Duration) -> Result<()> {
        let trial = async {
            loop {
                let verdict = self.publish().await?;
                ensure!(
                    verdict.accepted || verdict.reason.starts_with("restricted: "),
                    "{verdict:?}"
                );
                if verdict.accepted == accepted {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, trial).await?
    }

    /// Opens a subscription that stays silent.
    pub async fn subscribe(&mut self) -> Result<()> {
        let filter = json!({"kinds": [SILENT_KIND], "limit": 0});
        self.socket.send(&json!(["REQ", "silent", filter])).await?;
        let answer = self.socket.message().await?;
        ensure!(answer[0] == "EOSE", "{answer:?}");
        Ok(())
    }

    /// The next message closes that subscription as `restricted:`.
    pub async fn hears_that_it_is_closed(&mut self) -> Result<()> {
        let heard = self.socket.message().await?;
        let reason = heard[2].as_str().unwrap_or_default();
        ensure!(
            heard[0] == "CLOSED" && heard[1] == "silent" && reason.starts_with("restricted: "),
            "{heard:?}"
        );
        Ok(())
    }

    /// Its next verdict is this one.
    pub async fn is_judged(&mut self, accepted: bool) -> Result<()> {
        let verdict = self.publish().await?;
        let prefix = if accepted { "" } else { "restricted: " };
        ensure!(
            verdict.accepted == accepted && verdict.reason.starts_with(prefix),
            "{verdict:?} for {}",
            self.keys.public_key()
        );
        Ok(())
    }
}
