//! Unmodified nostr-tools from npm, the library that most web clients use.

use anyhow::{Context, Result, ensure};
use nostr_fleet_e2e::{cluster::Cluster, scene::scene};
use std::{path::Path, process::Stdio};
use tokio::process::Command;

#[tokio::test]
async fn nostr_tools_publishes_reads_back_and_hears_live_events() -> Result<()> {
    if !Cluster::connect().await?.local {
        nostr_fleet_e2e::left_out("nostr-tools dials the Service, and the host has no route to it");
        return Ok(());
    }
    scene("npm", async |scene| {
        let relay = scene.relay("town", "").await?;
        relay.dial().await?; // from here on the Service leads to the pod
        let url = format!("ws://{}:8080", scene.service_address("town").await?);
        let output = Command::new("node")
            .arg("session.mjs")
            .arg(&url)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("nostr-tools"))
            .stderr(Stdio::inherit())
            .output()
            .await
            .context("node is needed: `make test` installs it")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success() && said.trim_end().ends_with("all good"),
            "{said}"
        );
        Ok(())
    })
    .await
}
