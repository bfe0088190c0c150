//! A pod that is asked to go says goodbye.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    events::{keys, note},
    scene::scene,
    socket::Frame,
};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_drained_pod_closes_subscriptions_and_then_the_connection_with_1012() -> Result<()> {
    scene("drain", async |scene| {
        let relay = scene.relay("town", "").await?;
        let mut socket = relay.dial_pod().await?;
        socket.send(&json!(["REQ", "one", {"kinds": [1]}])).await?;
        ensure!(socket.message().await?[0] == "EOSE");
        let began = Instant::now();
        scene.delete_pod(&relay.pod()).await?;
        // readers keep reading while the endpoints change: it may take the whole grace period, never longer
        let said = tokio::time::timeout(Duration::from_secs(90), async {
            loop {
                match socket.next().await {
                    Ok(Frame::Text(text)) => return Ok(text),
                    Ok(Frame::Closed(code, reason)) => {
                        anyhow::bail!("closed with {code} {reason} before CLOSED")
                    }
                    Err(_) => {} // patience: the pre-stop pause is silent
                }
            }
        })
        .await??;
        ensure!(
            said == r#"["CLOSED","one","error: shutting down"]"#,
            "{said}"
        );
        let Frame::Closed(code, _) = socket.next().await? else {
            anyhow::bail!("a text after the goodbye");
        };
        ensure!(code == 1012, "closed with {code}");
        eprintln!("goodbye after {:.1} s", began.elapsed().as_secs_f32());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_published_before_a_drain_is_there_after_it() -> Result<()> {
    scene("rollout", async |scene| {
        let relay = scene.relay("town", "").await?;
        let event = note(&keys(7), "before the drain");
        ensure!(relay.dial().await?.publish(&event).await?.accepted);
        let gone = scene.delete_pod(&relay.pod()).await?;
        scene.wait_for_successor(&relay.pod(), &gone).await?;
        relay.wait_until_ready().await?;
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
