//! One `NostrRelay` and the way to its socket.

use crate::{
    objects::{PATIENCE, eventually},
    scene::Scene,
    socket::{Socket, Wire},
    status::condition,
};
use anyhow::{Context, Result};
use kube::api::{DeleteParams, DynamicObject};
use relay_config::names::{PORT_OPS, PORT_WS};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// API version of our resources.
pub const API_VERSION: &str = "nostrfleet.io/v1alpha1";
/// Kind of a relay.
pub const KIND: &str = "NostrRelay";

/// A relay in a scene.
pub struct Relay<'a> {
    pub(crate) scene: &'a Scene,
    /// Name of the resource.
    pub name: &'static str,
}

impl Scene {
    /// Applies a `NostrRelay` named `name` with what `spec` adds (YAML, indented by two), and waits until it is Ready.
    pub async fn relay(&self, name: &'static str, spec: &str) -> Result<Relay<'_>> {
        let relay = self.declare(name, spec).await?;
        relay.wait_until_ready().await?;
        Ok(relay)
    }

    /// Likewise, without waiting for anything.
    pub async fn declare(&self, name: &'static str, spec: &str) -> Result<Relay<'_>> {
        self.apply(&format!(
            "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: {name}}}\nspec:\n  storage: {{size: 1Gi}}\n{spec}"
        ))
        .await?;
        Ok(self.existing_relay(name))
    }

    /// A `NostrRelay` that is there already, ready or not.
    pub fn existing_relay(&self, name: &'static str) -> Relay<'_> {
        Relay { scene: self, name }
    }
}

impl Relay<'_> {
    /// Waits until the operator says Ready for the newest generation.
    pub async fn wait_until_ready(&self) -> Result<DynamicObject> {
        let ready = |status: &Value| condition(status, "Ready")["status"] == "True";
        self.until_object("Ready to be True", PATIENCE, ready).await
    }

    /// Deletes the resource and waits until its pod is gone.
    pub async fn delete(self) -> Result<()> {
        self.scene
            .api(API_VERSION, KIND)?
            .delete(self.name, &DeleteParams::default())
            .await?;
        let pod = self.pod();
        eventually(&format!("pod {pod} to be gone"), PATIENCE, async || {
            Ok(self
                .scene
                .pods()
                .get_opt(&pod)
                .await?
                .is_none()
                .then_some(()))
        })
        .await
    }

    /// Name of its first pod.
    pub fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    /// The pod's public port.
    pub async fn public_address(&self) -> Result<SocketAddr> {
        Ok((self.scene.pod_address(&self.pod()).await?, PORT_WS).into())
    }

    /// The pod's ops port.
    pub async fn ops_address(&self) -> Result<SocketAddr> {
        Ok((self.scene.pod_address(&self.pod()).await?, PORT_OPS).into())
    }

    /// A connection to the pod, past the Service.
    pub async fn dial_pod(&self) -> Result<Socket> {
        let wire: Box<dyn Wire> = if self.scene.cluster.local {
            Box::new(TcpStream::connect(self.public_address().await?).await?)
        } else {
            self.forwarded().await?
        };
        Socket::open(wire).await
    }

    /// A connection through the Service; by port forwarding where the host has no route to it.
    pub async fn dial(&self) -> Result<Socket> {
        let wire: Box<dyn Wire> = if self.scene.cluster.local {
            Box::new(self.through_service(PORT_WS).await?)
        } else {
            self.forwarded().await?
        };
        Socket::open(wire).await
    }

    /// A byte stream through the Service. kube-proxy hears of a ready pod a moment after we do: until then the Service refuses, or swallows, so that
    /// each attempt is short and on a port of its own.
    pub async fn through_service(&self, port: u16) -> Result<TcpStream> {
        let address = (self.scene.service_address(self.name).await?, port);
        eventually("the Service to lead to the pod", PATIENCE, async || {
            let attempt = timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
            Ok(attempt.ok().and_then(Result::ok))
        })
        .await
    }

    async fn forwarded(&self) -> Result<Box<dyn Wire>> {
        let mut forwarder = self
            .scene
            .pods()
            .portforward(&self.pod(), &[PORT_WS])
            .await?;
        Ok(Box::new(
            forwarder
                .take_stream(PORT_WS)
                .context("no stream to the pod")?,
        ))
    }
}
