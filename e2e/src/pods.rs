//! Find, kill, delete pods; read their logs.

use crate::{
    objects::{PATIENCE, eventually},
    scene::Scene,
};
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, api::DeleteParams};
use std::net::{IpAddr, SocketAddr};

impl Scene {
    /// The pods of this namespace.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// Ends the pod's processes at once, as a lost node or the OOM killer would, and says which pod it was.
    pub async fn kill_pod(&self, name: &str) -> Result<String> {
        let uid = uid(&self.pods().get(name).await?)?;
        self.pods()
            .delete(name, &DeleteParams::default().grace_period(0))
            .await?;
        Ok(uid)
    }

    /// Asks the pod to go, as a rollout or a node drain does.
    pub async fn delete_pod(&self, name: &str) -> Result<String> {
        let uid = uid(&self.pods().get(name).await?)?;
        self.pods().delete(name, &DeleteParams::default()).await?;
        Ok(uid)
    }

    /// Waits for a ready pod of this name that is not the one with `former_uid`.
    pub async fn wait_for_successor(&self, name: &str, former_uid: &str) -> Result<Pod> {
        eventually(
            &format!("a ready successor of pod {name}"),
            PATIENCE,
            async || {
                let pod = self.pods().get(name).await?;
                Ok((uid(&pod)? != former_uid && is_ready(&pod)).then_some(pod))
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

fn uid(pod: &Pod) -> Result<String> {
    pod.metadata.uid.clone().context("a pod without uid")
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
