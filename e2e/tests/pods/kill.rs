//! A killed pod loses nothing that was OK'd.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    events::{keys, note},
    relay::Relay,
    scene::scene,
    socket::{Frame, Socket},
};
use serde_json::json;
use std::collections::BTreeSet;

/// Publishes without waiting until the connection breaks; returns the ids that were OK'd.
async fn publish_until_it_breaks(mut socket: Socket) -> Result<BTreeSet<String>> {
    let author = keys(5);
    let mut promised = BTreeSet::new();
    for number in 0.. {
        if socket
            .send_event(&note(&author, &format!("note {number}")).as_json())
            .await
            .is_err()
        {
            break;
        }
        match socket.next().await? {
            Frame::Text(text) => {
                let answer: Vec<serde_json::Value> = serde_json::from_str(&text)?;
                ensure!(answer[0] == "OK" && answer[2] == true, "{text}");
                promised.extend(answer[1].as_str().map(str::to_owned));
            }
            Frame::Closed(..) => break,
        }
    }
    Ok(promised)
}

async fn missing(relay: &Relay<'_>, promised: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut socket = relay.dial().await?;
    let promised: Vec<&String> = promised.iter().collect();
    let mut missing = Vec::new();
    for ids in promised.chunks(200) {
        let found = socket.stored(&json!({"ids": ids})).await?.concat();
        missing.extend(
            ids.iter()
                .filter(|id| !found.contains(id.as_str()))
                .map(|id| (*id).clone()),
        );
    }
    Ok(missing)
}

#[tokio::test]
async fn a_pod_killed_while_it_writes_has_every_promised_event_afterwards() -> Result<()> {
    scene("kill", async |scene| {
        let relay = scene.relay("town", "").await?;
        for round in 0..2 {
            let writer = publish_until_it_breaks(relay.dial_pod().await?);
            let killer = async {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                scene.kill_pod(&relay.pod()).await
            };
            let (promised, killed) = tokio::join!(writer, killer);
            let promised = promised?;
            ensure!(
                promised.len() > 20,
                "only {} events were OK'd in round {round}",
                promised.len()
            );
            scene.wait_for_successor(&relay.pod(), &killed?).await?;
            if scene.cluster.local {
                let logs = scene.logs(&relay.pod()).await?;
                ensure!(
                    logs.contains(r#""start":"Replayed""#),
                    "round {round}: the log's tail was not replayed, so nothing was killed: {logs}"
                );
            }
            let missing = missing(&relay, &promised).await?;
            ensure!(
                missing.is_empty(),
                "round {round}: {} of {} are gone",
                missing.len(),
                promised.len()
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_relay_that_is_made_again_under_its_name_finds_its_events() -> Result<()> {
    scene("again", async |scene| {
        let event = note(&keys(6), "kept");
        let relay = scene.relay("town", "").await?;
        ensure!(relay.dial().await?.publish(&event).await?.accepted);
        relay.delete().await?;
        let relay = scene.relay("town", "").await?;
        let found = relay
            .dial()
            .await?
            .stored(&json!({"ids": [event.id.to_hex()]}))
            .await?;
        ensure!(found == [event.as_json()], "{found:?}");
        Ok(())
    })
    .await
}
