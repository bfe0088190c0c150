//! Apply → Ready → WebSocket.

use anyhow::{Context, Result, ensure};
use nostr_fleet_e2e::{
    events::{keys, note},
    scene::scene,
};
use serde_json::json;

#[tokio::test]
async fn an_applied_relay_becomes_ready_and_serves_what_it_was_given() -> Result<()> {
    scene("serve", async |scene| {
        let relay = scene.relay("town", "").await?;
        let mut socket = relay.dial().await?;
        let event = note(&keys(1), "hello \u{1f30d}, \"quoted\"\n");
        let verdict = socket.publish(&event).await?;
        ensure!(verdict.accepted, "refused: {}", verdict.reason);
        let found = socket.stored(&json!({"ids": [event.id.to_hex()]})).await?;
        ensure!(found == [event.as_json()], "{found:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_ready_relay_says_url_version_and_storage_in_its_status() -> Result<()> {
    scene("status", async |scene| {
        let relay = scene.relay("town", "").await?;
        let object = relay.wait_until_ready().await?;
        let status = &object.data["status"];
        let url = format!("ws://town.{}.svc:8080", scene.namespace);
        ensure!(status["url"].as_str() == Some(url.as_str()), "{status}");
        ensure!(
            status["version"].as_str() == Some(env!("CARGO_PKG_VERSION")),
            "{status}"
        );
        ensure!(status["storage"]["requested"] == "1Gi", "{status}");
        ensure!(status["readyReplicas"] == 1, "{status}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_live_subscriber_hears_what_another_connection_publishes() -> Result<()> {
    scene("live", async |scene| {
        let relay = scene.relay("town", "").await?;
        let (mut reader, mut writer) = (relay.dial().await?, relay.dial().await?);
        let author = keys(2);
        reader
            .send(&json!(["REQ", "live", {"authors": [author.public_key().to_hex()]}]))
            .await?;
        ensure!(reader.message().await?[0] == "EOSE");
        let event = note(&author, "live");
        ensure!(writer.publish(&event).await?.accepted);
        let heard = reader.message().await?;
        ensure!(heard[0] == "EVENT" && heard[1] == "live", "{heard:?}");
        ensure!(
            heard[2]["id"].as_str() == Some(event.id.to_hex().as_str()),
            "{heard:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_forged_event_is_refused_through_the_whole_path() -> Result<()> {
    scene("forged", async |scene| {
        let relay = scene.relay("town", "").await?;
        let mut socket = relay.dial().await?;
        let forged = note(&keys(3), "mine").as_json().replace("mine", "ours");
        socket.send_event(&forged).await?;
        let (_, verdict) = socket.verdict().await?;
        ensure!(
            !verdict.accepted && verdict.reason.starts_with("invalid: "),
            "{verdict:?}"
        );
        let stored = socket
            .stored(&json!({"authors": [keys(3).public_key().to_hex()]}))
            .await?;
        ensure!(stored.is_empty(), "{stored:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_relay_pod_prints_nothing_of_an_event() -> Result<()> {
    scene("logs", async |scene| {
        let relay = scene.relay("town", "").await?;
        let mut socket = relay.dial().await?;
        let event = note(&keys(4), "nobody-logs-this-text");
        ensure!(socket.publish(&event).await?.accepted);
        let log = scene.logs(&relay.pod()).await.context("logs")?;
        ensure!(!log.is_empty(), "a relay says at least that it serves");
        ensure!(!log.contains("nobody-logs-this-text"), "{log}");
        Ok(())
    })
    .await
}
