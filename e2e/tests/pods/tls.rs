//! `wss://` with a certificate from a Secret.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use nostr_fleet_e2e::{
    cluster::Cluster,
    events::{keys, note},
    figures::figure,
    objects::{PATIENCE, look_often},
    relay::Relay,
    scene::{Scene, scene},
    status::condition,
    tls::Authority,
};
use relay_config::names::PORT_WSS;
use serde_json::json;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

const SPEC: &str = "  tls: {secretName: town-tls}\n";
/// By itself a kubelet looks within a minute and a half. The operator may not read Secrets, so that it cannot know when to nudge; a user can.
const KUBELET: Duration = Duration::from_secs(120);

/// Says why on a cluster to whose pods the host has no route.
async fn reachable() -> Result<bool> {
    let local = Cluster::connect().await?.local;
    if !local {
        nostr_fleet_e2e::left_out("the host has no route to the TLS port");
    }
    Ok(local)
}

async fn port(scene: &Scene, relay: &Relay<'_>) -> Result<SocketAddr> {
    Ok((scene.pod_address(&relay.pod()).await?, PORT_WSS).into())
}

fn authority(scene: &Scene) -> Result<Authority> {
    Authority::new(&format!("town.{}.svc", scene.namespace))
}

#[tokio::test]
async fn a_relay_with_a_certificate_serves_wss_to_those_who_trust_its_ca() -> Result<()> {
    if !reachable().await? {
        return Ok(());
    }
    scene("wss", async |scene| {
        let authority = authority(scene)?;
        scene.apply(&authority.secret("town-tls").await?).await?;
        let relay = scene.relay("town", SPEC).await?;
        ensure!(relay.url().await? == format!("wss://town.{}.svc:8443", scene.namespace));
        let (mut socket, _) = authority.dial(port(scene, &relay).await?).await?;
        let event = note(&keys(70), "over TLS");
        ensure!(socket.publish(&event).await?.accepted);
        ensure!(socket.stored(&json!({"ids": [event.id.to_hex()]})).await? == [event.as_json()]);

        let other = self::authority(scene)?;
        other.secret("unused").await?; // makes the other CA
        let refused = other.dial(port(scene, &relay).await?).await.err();
        let words = refused.map(|error| error.to_string()).unwrap_or_default();
        ensure!(
            words.contains("invalid peer certificate"),
            "a client of another CA must not connect: {words}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_swapped_under_open_connections_and_new_ones_see_the_new_one() -> Result<()>
{
    if !reachable().await? {
        return Ok(());
    }
    scene("swap", async |scene| {
        let authority = authority(scene)?;
        scene.apply(&authority.secret("town-tls").await?).await?;
        let relay = scene.relay("town", SPEC).await?;
        let address = port(scene, &relay).await?;
        let life = scene.life(&relay.pod()).await?;
        let mut open = try_join_all((0..20).map(|_| authority.dial(address))).await?;
        let former = open[0].1.clone();

        scene.apply(&authority.secret("town-tls").await?).await?;
        let began = Instant::now();
        let seen = look_often("the new certificate to be shown", KUBELET, async || {
            let (_, shown) = authority.dial(address).await?;
            Ok((shown != former).then(|| began.elapsed()))
        });
        let pod = relay.pod();
        let (seen, ()) = tokio::try_join!(seen, scene.nudge(&pod))?;
        figure(&format!(
            "certificate: kubectl apply of the Secret to the first handshake with it, pod annotated: {:.1} s",
            seen.as_secs_f32()
        ));
        for (number, (socket, _)) in open.iter_mut().enumerate() {
            let event = note(&keys(71), &format!("still open {number}"));
            ensure!(socket.publish(&event).await?.accepted);
        }
        ensure!(
            scene.life(&relay.pod()).await? == life,
            "a new certificate must not restart the pod"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_missing_secret_is_named_and_heals_by_itself() -> Result<()> {
    if !reachable().await? {
        return Ok(());
    }
    scene("no-secret", async |scene| {
        let relay = scene.declare("town", SPEC).await?;
        let status = relay
            .until_reason("ConfigurationValid", "MissingReference", PATIENCE)
            .await?;
        ensure!(status.contains("town-tls"), "{status}");
        let authority = authority(scene)?;
        scene.apply(&authority.secret("town-tls").await?).await?;
        let began = Instant::now();
        relay.wait_until_ready().await?;
        figure(&format!(
            "missing TLS Secret: from its appearance to Ready: {:.1} s",
            began.elapsed().as_secs_f32()
        ));
        relay
            .until_condition("ConfigurationValid", "True", PATIENCE)
            .await?;
        // It stays healed: the next visit finds the event of the missing Secret again, and that it is from before the start.
        let changed = format!("{SPEC}  limits: {{subscriptions: 19}}\n");
        scene.declare("town", &changed).await?;
        let seen = relay.wait_until_ready().await?;
        let valid = condition(&seen.data["status"], "ConfigurationValid");
        ensure!(valid["status"] == "True", "{valid}");
        authority.dial(port(scene, &relay).await?).await?;
        Ok(())
    })
    .await
}
