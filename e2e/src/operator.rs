//! The installed operator, when a test needs it gone for a while.

use crate::{
    cluster::Cluster,
    objects::{PATIENCE, eventually},
};
use anyhow::{Context, Result};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use nostr_fleet_operator::names;
use serde_json::json;

/// Where it is installed, and its name.
const NAMESPACE: &str = "nostr-fleet-system";
const NAME: &str = "nostr-fleet-operator";

/// Lets `act` play while no operator runs, and starts it again whatever came out. For tests that have the cluster to themselves.
pub async fn without_operator<T>(
    cluster: &Cluster,
    act: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let replicas = deployments
        .get_scale(NAME)
        .await?
        .spec
        .and_then(|spec| spec.replicas);
    scale(&deployments, 0).await?;
    let outcome = match until_gone(cluster).await {
        Ok(()) => act().await,
        Err(error) => Err(error),
    };
    scale(&deployments, replicas.unwrap_or(1)).await?;
    outcome
}

async fn scale(deployments: &Api<Deployment>, replicas: i32) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let scaled = deployments
        .patch_scale(NAME, &PatchParams::default(), &patch)
        .await;
    scaled.map(drop).context("scaling the operator")
}

async fn until_gone(cluster: &Cluster) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let its = ListParams::default().labels(&format!("{}={NAME}", names::LABEL_NAME));
    eventually("the operator's pods to be gone", PATIENCE, async || {
        Ok(pods.list(&its).await?.items.is_empty().then_some(()))
    })
    .await
}
