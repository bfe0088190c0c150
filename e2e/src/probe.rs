//! Can this pod reach that port?

use crate::{
    cluster::Cluster,
    objects::{PATIENCE, eventually},
    scene::Scene,
};
use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

/// Environment variable that names the image with the binary `probe`.
pub const IMAGE: &str = "PROBE_IMAGE";
/// A probe tries this long before it says no: policies for new pods are in force within a second.
const SECONDS: &str = "5";
static NUMBER: AtomicU32 = AtomicU32::new(0);

fn next_name() -> String {
    format!("probe-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn container(name: &str, arguments: &[&str]) -> Result<Value> {
    Ok(json!({
        "name": name,
        "image": Cluster::image(IMAGE)?,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "securityContext": {
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }))
}

impl Scene {
    /// Does a new pod of this namespace with `labels` reach `target`?
    pub async fn reaches(&self, labels: &Value, target: SocketAddr) -> Result<bool> {
        let name = self
            .start_probe(labels, &["connect", &target.to_string(), SECONDS])
            .await?;
        let code = eventually(&format!("pod {name} to end"), PATIENCE, async || {
            let status = self.pods().get(&name).await?.status;
            Ok(status.and_then(|status| exit_code(status.container_statuses?.first()?)))
        })
        .await?;
        self.pods().delete(&name, &DeleteParams::default()).await?;
        said(code)
    }

    /// A pod of this namespace that accepts connections on `port`; its address.
    pub async fn listener(&self, port: u16) -> Result<SocketAddr> {
        let name = self
            .start_probe(&json!({}), &["listen", &port.to_string()])
            .await?;
        let address = eventually(&format!("pod {name} to run"), PATIENCE, async || {
            let status = self.pods().get(&name).await?.status;
            Ok(status
                .filter(|status| status.phase.as_deref() == Some("Running"))
                .and_then(|status| status.pod_ip))
        })
        .await?;
        Ok((address.parse::<std::net::IpAddr>()?, port).into())
    }

    async fn start_probe(&self, labels: &Value, arguments: &[&str]) -> Result<String> {
        let name = next_name();
        let pod: Pod = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "containers": [container("probe", arguments)?],
            },
        }))?;
        self.pods()
            .create(&PostParams::default(), &pod)
            .await
            .context("creating a probe")?;
        Ok(name)
    }

    /// Does something inside the running pod `pod` reach `target`? An ephemeral container shares the pod's network.
    pub async fn reaches_from_inside(&self, pod: &str, target: SocketAddr) -> Result<bool> {
        let name = next_name();
        let probe = container(&name, &["connect", &target.to_string(), SECONDS])?;
        let pods: Api<Pod> = self.pods();
        let patch = Patch::Strategic(json!({"spec": {"ephemeralContainers": [probe]}}));
        pods.patch_ephemeral_containers(pod, &PatchParams::default(), &patch)
            .await
            .context("adding an ephemeral container")?;
        eventually(
            &format!("{name} in pod {pod} to end"),
            PATIENCE,
            async || {
                let status = pods.get(pod).await?.status;
                let statuses = status
                    .and_then(|status| status.ephemeral_container_statuses)
                    .unwrap_or_default();
                Ok(statuses
                    .iter()
                    .find(|status| status.name == name)
                    .and_then(exit_code))
            },
        )
        .await
        .and_then(said)
    }
}

/// What a probe says with its exit code; any other than these two is not its own.
fn said(code: i32) -> Result<bool> {
    match code {
        0 => Ok(true),
        1 => Ok(false),
        other => bail!("a probe ended with exit code {other}"),
    }
}

fn exit_code(status: &ContainerStatus) -> Option<i32> {
    Some(status.state.as_ref()?.terminated.as_ref()?.exit_code)
}
