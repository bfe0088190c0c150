//! Samples with real pods: what they promise in their first lines.

use anyhow::{Context, Result, ensure};
use nostr::prelude::{Keys, SecretKey};
use nostr_fleet_e2e::{
    cluster::Cluster,
    events::{keys, note},
    objects::{PATIENCE, eventually},
    scene::scene,
    socket::Socket,
    tls::Authority,
};
use relay_config::names::PORT_WSS;
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::Path};
use tokio::{io::AsyncWriteExt, net::TcpStream};

fn sample(name: &str) -> Result<String> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples");
    fs::read_to_string(samples.join(name)).with_context(|| name.to_owned())
}

/// The private sample lists the smallest secret keys there are.
fn listed(number: u8) -> Result<Keys> {
    let mut secret = [0; 32];
    secret[31] = number;
    Ok(Keys::new(SecretKey::from_slice(&secret)?))
}

#[tokio::test]
async fn the_private_sample_serves_its_three_lists_and_nobody_else() -> Result<()> {
    scene("private", async |scene| {
        scene.apply(&sample("nostrrelay-private.yaml")?).await?;
        let relay = scene.existing_relay("club");
        relay.wait_until_ready().await?;
        let applied = |status: &Value| {
            let list = &status["allowlist"];
            list["applied"] == "1/1" && list["sources"] == 3 && list["entries"] == 9
        };
        relay
            .until("three lists to be applied", PATIENCE, applied)
            .await?;

        let mut socket = relay.dial_pod().await?;
        socket.send(&json!(["REQ", "all", {}])).await?;
        let refused = socket.message().await?;
        let reason = refused[2].as_str().unwrap_or_default();
        ensure!(
            refused[0] == "CLOSED" && reason.starts_with("auth-required: "),
            "{refused:?}"
        );
        socket.authenticate(&keys(90), &relay.url().await?).await?;
        let verdict = socket.publish(&note(&keys(90), "let me in")).await?;
        ensure!(
            !verdict.accepted && verdict.reason.starts_with("restricted: "),
            "{verdict:?}"
        );
        let (resident, banned) = (listed(2)?, listed(5)?);
        for (keys, accepted, begins) in [(resident, true, ""), (banned, false, "blocked: ")] {
            let mut socket = relay.dial_pod().await?;
            socket.authenticate(&keys, &relay.url().await?).await?;
            let verdict = socket.publish(&note(&keys, "here I am")).await?;
            ensure!(
                verdict.accepted == accepted && verdict.reason.starts_with(begins),
                "{verdict:?}"
            );
        }
        Ok(())
    })
    .await
}

/// Whom the TLS sample trusts.
const BALANCER: &str = "192.0.2.0/28";

async fn through_a_balancer(authority: &Authority, relay: SocketAddr) -> Result<Socket> {
    let mut wire = TcpStream::connect(relay).await?;
    wire.write_all(b"PROXY TCP4 203.0.113.9 198.51.100.1 50000 8443\r\n")
        .await?;
    Ok(authority.over(wire).await?.0)
}

#[tokio::test]
async fn the_tls_sample_serves_wss_to_clients_that_its_balancer_names() -> Result<()> {
    if !Cluster::connect().await?.local {
        nostr_fleet_e2e::left_out("the host has no route to the TLS port");
        return Ok(());
    }
    scene("harbour", async |scene| {
        let authority = Authority::new("relay.harbour.example")?;
        scene.apply(&authority.secret("harbour-tls").await?).await?;
        scene.apply(&sample("nostrrelay-tls.yaml")?).await?;
        let relay = scene.existing_relay("harbour");
        relay.wait_until_ready().await?;
        let address = (scene.pod_address(&relay.pod()).await?, PORT_WSS).into();
        ensure!(
            through_a_balancer(&authority, address).await.is_err(),
            "this host is not the sample's balancer"
        );
        let ours = TcpStream::connect(address).await?.local_addr()?.ip();
        let sample = sample("nostrrelay-tls.yaml")?.replace(BALANCER, &ours.to_string());
        scene.apply(&sample).await?;
        let mut socket = eventually("the balancer to be trusted", PATIENCE, async || {
            through_a_balancer(&authority, address).await.map(Some)
        })
        .await?;
        ensure!(
            socket
                .publish(&note(&keys(91), "by the balancer"))
                .await?
                .accepted
        );
        Ok(())
    })
    .await
}
