//! Find, kill, delete pods; read their logs.

use crate::{
    objects::{PATIENCE, eventually},
    scene::Scene,
    script::script,
};
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::time::sleep;

impl Scene {
    /// The pods of this namespace.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// Which life the pod is in: a restart or a successor has another one.
    pub async fn life(&self, name: &str) -> Result<Life> {
        Life::of(&self.pods().get(name).await?)
    }

    /// Ends the pod's process by SIGKILL, as the OOM killer would, and says which life of the pod that was. On a cluster whose node is not ours a
    /// forced delete must do: a SIGTERM with two seconds.
    pub async fn kill_pod(&self, name: &str) -> Result<Life> {
        let life = self.life(name).await?;
        if self.cluster.local {
            script("cluster/kill-container.sh", &[&self.namespace, name]).await?;
        } else {
            let at_once = DeleteParams::default().grace_period(0);
            self.pods().delete(name, &at_once).await?;
        }
        Ok(life)
    }

    /// Asks the pod to go, as a rollout or a node drain does.
    pub async fn delete_pod(&self, name: &str) -> Result<Life> {
        let life = self.life(name).await?;
        self.pods().delete(name, &DeleteParams::default()).await?;
        Ok(life)
    }

    /// Makes the kubelet look at the pod's mounts now instead of within a minute and a half, as the operator does for lists. Three times, because its
    /// cache may lag behind the objects.
    pub async fn nudge(&self, name: &str) -> Result<()> {
        for number in 0..3 {
            let annotations = json!({"e2e/nudge": format!("{number} {:?}", Instant::now())});
            let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
            let patched = self
                .pods()
                .patch(name, &PatchParams::default(), &patch)
                .await;
            patched.context("annotating the pod")?;
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Waits for a ready pod of this name in another life than `former`.
    pub async fn wait_for_successor(&self, name: &str, former: &Life) -> Result<Pod> {
        eventually(
            &format!("a ready successor of pod {name}"),
            PATIENCE,
            async || {
                let pod = self.pods().get(name).await?;
                Ok((Life::of(&pod)? != *former && is_ready(&pod)).then_some(pod))
            },
        )
        .await
    }

    /// The pod's address.
    pub async fn pod_address(&self, name: &str) -> Result<IpAddr> {
        let pod = self.pods().get(name).await?;
        let ip = pod
            .status
            .and_then(|status| status.pod_ip)
            .context("the pod has no address yet")?;
        Ok(ip.parse()?)
    }

    /// The Service's cluster address.
    pub async fn service_address(&self, name: &str) -> Result<IpAddr> {
        self.cluster_ip(&self.namespace, name).await
    }

    /// Where pods find the API server.
    pub async fn api_server_address(&self) -> Result<SocketAddr> {
        Ok((self.cluster_ip("default", "kubernetes").await?, 443).into())
    }

    async fn cluster_ip(&self, namespace: &str, name: &str) -> Result<IpAddr> {
        let services: Api<Service> = Api::namespaced(self.cluster.client.clone(), namespace);
        let spec = services.get(name).await?.spec;
        let ip = spec
            .and_then(|spec| spec.cluster_ip)
            .context("the Service has no address")?;
        Ok(ip.parse()?)
    }

    /// What the pod has printed.
    pub async fn logs(&self, name: &str) -> Result<String> {
        Ok(self
            .pods()
            .logs(name, &kube::api::LogParams::default())
            .await?)
    }
}

/// One run of a pod's container.
#[derive(Debug, PartialEq, Eq)]
pub struct Life {
    uid: String,
    restarts: i32,
}

impl Life {
    fn of(pod: &Pod) -> Result<Self> {
        let statuses = pod
            .status
            .as_ref()
            .and_then(|status| status.container_statuses.as_deref());
        let restarts = statuses.unwrap_or_default().first();
        Ok(Self {
            uid: pod.metadata.uid.clone().context("a pod without uid")?,
            restarts: restarts.map_or(0, |status| status.restart_count),
        })
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
