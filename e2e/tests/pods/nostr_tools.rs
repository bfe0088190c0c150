//! Unmodified nostr-tools from npm, the library that most web clients use.

use anyhow::{Context, Result, ensure};
use nostr_fleet_e2e::{
    cluster::Cluster,
    events::keys,
    lists::lines,
    scene::{Scene, scene},
    tls::Authority,
};
use relay_config::names::{PORT_WS, PORT_WSS};
use std::{path::Path, process::Stdio};
use tokio::process::Command;

const MEMBERS_ONLY: &str = "
  tls: {secretName: town-tls}
  access:
    read: {mode: Allow, from: [{configMap: {name: members}}]}
    write: {mode: Allow, by: Session, from: [{configMap: {name: members}}]}
";

/// Says why on a cluster to whose Services the host has no route.
async fn reachable() -> Result<bool> {
    let local = Cluster::connect().await?.local;
    if !local {
        nostr_fleet_e2e::left_out("nostr-tools dials the Service, and the host has no route to it");
    }
    Ok(local)
}

/// Runs a script of `e2e/nostr-tools` on the URL of relay `town`, whose name this host's resolver does not know.
fn node(script: &str, url: &str, address: &str) -> Command {
    let mut command = Command::new("node");
    command
        .args([script, url, address])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("nostr-tools"))
        .stderr(Stdio::inherit());
    command
}

async fn all_good(mut command: Command) -> Result<()> {
    let output = command
        .output()
        .await
        .context("node is needed: `make test` installs it")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success() && said.trim_end().ends_with("all good"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn nostr_tools_publishes_reads_back_and_hears_live_events() -> Result<()> {
    if !reachable().await? {
        return Ok(());
    }
    scene("npm", async |scene| {
        let relay = scene.relay("town", "").await?;
        relay.through_service(PORT_WS).await?; // from here on it leads to the pod
        let address = scene.service_address("town").await?.to_string();
        all_good(node("session.mjs", &relay.url().await?, &address)).await
    })
    .await
}

#[tokio::test]
async fn nostr_tools_speaks_wss_and_proves_a_key_where_only_members_are_served() -> Result<()> {
    if !reachable().await? {
        return Ok(());
    }
    scene("npm-tls", members_only).await
}

async fn members_only(scene: &Scene) -> Result<()> {
    let authority = Authority::new(&format!("town.{}.svc", scene.namespace))?;
    scene.apply(&authority.secret("town-tls").await?).await?;
    let member = keys(72);
    scene.list("members", &lines(&[&member])).await?;
    let relay = scene.relay("town", MEMBERS_ONLY).await?;
    relay.through_service(PORT_WSS).await?;
    let address = scene.service_address("town").await?.to_string();
    let mut command = node("members.mjs", &relay.url().await?, &address);
    command
        .env("NODE_EXTRA_CA_CERTS", authority.certificate())
        .env("MEMBER", member.secret_key().to_secret_hex());
    all_good(command).await
}
