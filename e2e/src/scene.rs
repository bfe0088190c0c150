//! One test's namespace.

use crate::cluster::Cluster;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, LogParams, PostParams},
};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// A namespace that enforces restricted Pod Security, in a cluster with the operator.
pub struct Scene {
    /// Where it is.
    pub cluster: Cluster,
    /// Its namespace.
    pub namespace: String,
}

/// Makes a namespace named after `title`, lets `act` play in it and deletes it, whatever came out. A failure is told with the pods and events that stood there.
pub async fn scene(title: &str, act: impl AsyncFnOnce(&Scene) -> Result<()>) -> Result<()> {
    let scene = Scene::open(title).await?;
    let outcome = act(&scene).await;
    if outcome.is_err() {
        scene.describe().await;
    }
    scene.close().await?;
    outcome
}

impl Scene {
    async fn open(title: &str) -> Result<Self> {
        let cluster = Cluster::connect().await?;
        let namespace = create_namespace(&cluster, title).await?;
        Ok(Self { cluster, namespace })
    }

    /// A second namespace of the same test, for strangers. The caller closes it.
    pub async fn beside(&self, title: &str) -> Result<Self> {
        let namespace = create_namespace(&self.cluster, title).await?;
        Ok(Self {
            cluster: self.cluster.clone(),
            namespace,
        })
    }

    /// Deletes the namespace and all that is in it, without waiting.
    pub async fn close(&self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.cluster.client.clone());
        api.delete(&self.namespace, &DeleteParams::background())
            .await?;
        Ok(())
    }

    async fn describe(&self) {
        eprintln!("--- what stood in {}", self.namespace);
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        for pod in pods
            .list(&ListParams::default())
            .await
            .into_iter()
            .flatten()
        {
            let name = pod.metadata.name.unwrap_or_default();
            let states = pod
                .status
                .map(|status| json!([status.phase, status.container_statuses]));
            eprintln!("pod {name}: {}", states.unwrap_or_default());
            eprintln!(
                "{}",
                pods.logs(&name, &LogParams::default())
                    .await
                    .unwrap_or_default()
            );
        }
        let events: Api<Event> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        for event in events
            .list(&ListParams::default())
            .await
            .into_iter()
            .flatten()
        {
            let about = event.involved_object.name.unwrap_or_default();
            eprintln!(
                "event {about}: {} {}",
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default()
            );
        }
    }
}

async fn create_namespace(cluster: &Cluster, title: &str) -> Result<String> {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let name = format!("e2e-{title}-{:x}", nanos & 0xffff_ffff);
    let namespace: Namespace = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted",
            "nostr-fleet/test": "", // for e2e/cluster/up.sh, if nobody comes to delete it
        }},
    }))?;
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    api.create(&PostParams::default(), &namespace)
        .await
        .context("creating a namespace")?;
    Ok(name)
}
