//! An operator that is told which namespaces are its own, by the chart's `watchNamespaces`.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    operator::with_value,
    relay::{API_VERSION, KIND},
    scene::{Scene, scene},
};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test]
async fn an_operator_of_one_namespace_serves_it_and_leaves_the_others_alone() -> Result<()> {
    scene("watched", async |watched| {
        let other = watched.beside("unwatched").await?;
        let outcome = only_one_is_watched(watched, &other).await;
        other.close().await?;
        outcome
    })
    .await
}

async fn only_one_is_watched(watched: &Scene, other: &Scene) -> Result<()> {
    let value = format!("watchNamespaces={{{}}}", watched.namespace);
    with_value(&watched.cluster, &value, async || {
        other.declare("town", "").await?;
        watched.relay("town", "").await?;
        sleep(Duration::from_secs(3)).await;
        let left_alone = other.api(API_VERSION, KIND)?.get("town").await?;
        ensure!(left_alone.data["status"].is_null(), "{left_alone:?}");
        let made = other.api("apps/v1", "StatefulSet")?.get_opt("town").await?;
        ensure!(made.is_none(), "{made:?}");
        Ok(())
    })
    .await?;
    // Of all namespaces again: what waited is served.
    other
        .existing_relay("town")
        .wait_until_ready()
        .await
        .map(drop)
}
