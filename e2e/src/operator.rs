//! The installed operator: who leads, other values, gone for a while. For tests that have the cluster to themselves.

use crate::{
    cluster::Cluster,
    objects::{PATIENCE, eventually},
    scene::Scene,
    script::script,
};
use anyhow::{Context, Result};
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use nostr_fleet_operator::names;
use serde_json::json;

/// Where it is installed; its name is [`names::MANAGER`].
const NAMESPACE: &str = "nostr-fleet-system";
const NAME: &str = names::MANAGER;

/// Its namespace, as a scene that nobody closes.
pub fn home(cluster: &Cluster) -> Scene {
    Scene {
        cluster: cluster.clone(),
        namespace: NAMESPACE.to_owned(),
    }
}

/// The pod that leads, as the Lease says.
pub async fn leader(home: &Scene) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(home.cluster.client.clone(), &home.namespace);
    let lease = leases.get(NAME).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    holder
        .filter(|holder| !holder.is_empty())
        .context("nobody leads")
}

/// Installs the chart with one more value, lets `act` play, and installs it as it was whatever came out.
pub async fn with_value<T>(
    cluster: &Cluster,
    value: &str,
    act: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    let outcome = match install(cluster, &[&format!("--set={value}")]).await {
        Ok(()) => act().await,
        Err(error) => Err(error),
    };
    install(cluster, &[]).await?;
    outcome
}

/// While no operator runs: one with the old flags would be refused what the new roles do not give.
async fn install(cluster: &Cluster, values: &[&str]) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    scale(&deployments, 0).await?;
    until_gone(cluster).await?;
    script("install.sh", values).await.map(drop)
}

/// Lets `act` play while no operator runs, and starts it again whatever came out.
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
