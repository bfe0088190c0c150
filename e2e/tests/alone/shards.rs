//! Shards of two generations in one mount: the last good list stays.

use anyhow::{Context, Result, ensure};
use kube::api::{Patch, PatchParams};
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::{Club, expected},
    events::keys,
    objects::look_often,
    operator::without_operator,
    relay::Relay,
    scene::{Scene, scene},
};
use relay_config::{Status, names::shard};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// A kubelet that nobody nudges looks at its mounts about once a minute.
const KUBELET: Duration = Duration::from_secs(100);

#[tokio::test]
async fn one_old_shard_among_new_ones_keeps_the_last_good_list_even_through_a_restart() -> Result<()>
{
    scene("shards", async |scene| {
        let (member, stranger) = (keys(60), keys(61));
        let club = scene.club(&[&member]).await?;
        let hash = expected(&[&member]);
        without_operator(&scene.cluster, async || {
            make_older(scene, 3).await?;
            scene.nudge(&club.relay.pod()).await?;
            let status = until_it_complains(&club.relay).await?;
            ensure!(status.access.hash == hash, "{status:?}");
            ensure!(status.access.error.contains("shard 3"), "{status:?}");
            judged_as_before(&club, &member, &stranger).await?;
            let killed = scene.kill_pod(&club.relay.pod()).await?;
            scene.wait_for_successor(&club.relay.pod(), &killed).await?;
            ensure!(club.relay.pod_status().await?.access.hash == hash);
            judged_as_before(&club, &member, &stranger).await
        })
        .await?;
        until_undone(scene, 3, &hash).await?;
        scene.nudge(&club.relay.pod()).await?; // nobody else does: the pod has the right list in force
        look_often("the shards to agree again", PATIENCE, async || {
            let status = club.relay.pod_status().await?;
            Ok(status.access.error.is_empty().then_some(()))
        })
        .await?;
        club.until_applied(&hash, PATIENCE).await?;
        judged_as_before(&club, &member, &stranger).await
    })
    .await
}

/// Gives one shard's ConfigMap the first line of another generation.
async fn make_older(scene: &Scene, number: usize) -> Result<()> {
    let (_, entries) = read_shard(scene, number).await?;
    let older = format!("{}\n{entries}", "0".repeat(64));
    let patch = Patch::Merge(json!({"data": {shard(number): older}}));
    let maps = scene.api("v1", "ConfigMap")?;
    let name = format!("town-{}", shard(number));
    maps.patch(&name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Its generation, and its entries.
async fn read_shard(scene: &Scene, number: usize) -> Result<(String, String)> {
    let file = shard(number);
    let map = scene
        .api("v1", "ConfigMap")?
        .get(&format!("town-{file}"))
        .await?;
    let text = map.data["data"][&file].as_str().unwrap_or_default();
    let (generation, entries) = text.split_once('\n').context("no shard")?;
    Ok((generation.into(), entries.into()))
}

/// The operator is back, and changes back what was changed by hand.
async fn until_undone(scene: &Scene, number: usize, hash: &str) -> Result<()> {
    look_often("the operator to undo the change", KUBELET, async || {
        let (generation, _) = read_shard(scene, number).await?;
        Ok((generation == hash).then_some(()))
    })
    .await
}

async fn until_it_complains(relay: &Relay<'_>) -> Result<Status> {
    look_often(
        "the pod to say that the shards differ",
        KUBELET,
        async || {
            let status = relay.pod_status().await?;
            Ok((!status.access.error.is_empty()).then_some(status))
        },
    )
    .await
}

async fn judged_as_before(club: &Club<'_>, member: &Keys, stranger: &Keys) -> Result<()> {
    club.enter(member).await?.is_judged(true).await?;
    club.enter(stranger).await?.is_judged(false).await
}
