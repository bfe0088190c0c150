//! A list of 100,000 keys.

use anyhow::{Result, ensure};
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::Visitor,
    events::keys,
    figures::figure,
    lists::lines,
    relay::Relay,
    scene::{Scene, scene},
};
use serde_json::Value;
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

const KEYS: usize = 100_000;
const CONFIG_MAPS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(60);
const SPEC: &str = "
  access:
    write: {mode: Allow, from: [{selector: {matchLabels: {town/list: citizens}}}]}
";

/// The lines of ConfigMap `number`: made-up keys, spread over all shards.
fn citizens(number: usize) -> String {
    let mut text = String::new();
    for index in (number..KEYS - 1).step_by(CONFIG_MAPS) {
        let spread = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let _ = writeln!(text, "{spread:016x}{index:048x}");
    }
    text
}

fn is_applied(status: &Value, entries: usize) -> bool {
    let list = &status["allowlist"];
    list["entries"] == entries && list["applied"] == "1/1"
}

#[tokio::test]
async fn a_list_of_100000_keys_is_applied_and_one_key_of_it_rotates() -> Result<()> {
    scene("size", async |scene| {
        let last = keys(40);
        scene
            .labelled_list("citizens-0", "citizens", &lines(&[&last]))
            .await?;
        let relay = scene.relay("town", SPEC).await?;
        for number in 1..CONFIG_MAPS {
            let name = format!("citizens-{number}");
            scene
                .labelled_list(&name, "citizens", &citizens(number))
                .await?;
        }
        fill(scene, &relay, &last).await?;
        take_one_out(scene, &relay, last).await
    })
    .await
}

async fn fill(scene: &Scene, relay: &Relay<'_>, last: &Keys) -> Result<()> {
    let began = Instant::now();
    let text = citizens(0) + &lines(&[last]);
    scene.labelled_list("citizens-0", "citizens", &text).await?;
    let full = |status: &Value| is_applied(status, KEYS);
    let status = relay
        .until("100,000 keys to be applied", PATIENCE, full)
        .await?;
    ensure!(status["allowlist"]["sources"] == CONFIG_MAPS, "{status}");
    let took = began.elapsed().as_secs_f32();
    figure(&format!(
        "rotation of 14,286 keys of 100,000 to applied 1/1: {took:.2} s"
    ));
    Ok(())
}

async fn take_one_out(scene: &Scene, relay: &Relay<'_>, last: Keys) -> Result<()> {
    let mut goes = Visitor {
        keys: last,
        socket: relay.dial_pod().await?,
    };
    goes.is_judged(true).await?;
    let began = Instant::now();
    scene
        .labelled_list("citizens-0", "citizens", &citizens(0))
        .await?;
    let refusal = async {
        goes.publish_until(false, PATIENCE).await?;
        anyhow::Ok(began.elapsed())
    };
    let without = |status: &Value| is_applied(status, KEYS - 1);
    let applied = async {
        relay
            .until("99,999 keys to be applied", PATIENCE, without)
            .await?;
        anyhow::Ok(began.elapsed())
    };
    let (refusal, applied) = tokio::try_join!(refusal, applied)?;
    figure(&format!(
        "rotation of one key of 100,000: first refusal after {:.2} s, applied 1/1 after {:.2} s",
        refusal.as_secs_f32(),
        applied.as_secs_f32()
    ));
    Ok(())
}
