//! A changed spec: what is hot is in force in the running pod, what is cold replaces it.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{figures::figure, scene::scene};
use serde_json::json;
use std::time::{Duration, Instant};

/// A nudged pod has a new file in about a second; so much is granted to a busy machine.
const NUDGED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_hot_key_is_in_force_on_an_open_connection_and_a_cold_one_replaces_the_pod() -> Result<()>
{
    scene("change", async |scene| {
        let relay = scene.relay("town", "").await?;
        let mut socket = relay.dial_pod().await?;
        let before = scene.life(&relay.pod()).await?;
        // Ready again once the pod confirms the new file. It is nudged: a kubelet left alone takes up to a minute and a half.
        let began = Instant::now();
        scene
            .relay("town", "  limits: {subscriptions: 1}\n")
            .await?;
        let took = began.elapsed();
        figure(&format!(
            "a hot limit, applied to Ready: {:.2} s",
            took.as_secs_f32()
        ));
        ensure!(took < NUDGED, "a hot limit took {took:?}");
        socket.send(&json!(["REQ", "one", {"limit": 0}])).await?;
        ensure!(socket.message().await?[0] == "EOSE");
        socket.send(&json!(["REQ", "two", {"limit": 0}])).await?;
        let refused = socket.message().await?;
        let words = refused[2].as_str().unwrap_or_default();
        ensure!(
            refused[0] == "CLOSED" && words.starts_with("rate-limited: "),
            "{refused:?}"
        );
        ensure!(
            scene.life(&relay.pod()).await? == before,
            "a hot key must not restart the pod"
        );
        scene.relay("town", "  logging: {format: text}\n").await?;
        scene.wait_for_successor(&relay.pod(), &before).await?;
        Ok(())
    })
    .await
}
