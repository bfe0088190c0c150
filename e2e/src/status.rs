//! What a resource's status says, and what its pod says on the ops port.

use crate::{
    objects::look_often,
    relay::{API_VERSION, KIND, Relay},
};
use anyhow::{Context, Result, ensure};
use kube::api::DynamicObject;
use relay_config::names::{PATH_STATUS, PORT_OPS};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

impl Relay<'_> {
    /// The whole `status`.
    pub async fn status(&self) -> Result<Value> {
        let object = self.scene.api(API_VERSION, KIND)?.get(self.name).await?;
        Ok(object.data["status"].clone())
    }

    /// What clients type, as `status.url` has it.
    pub async fn url(&self) -> Result<String> {
        let url = self.status().await?["url"].as_str().map(str::to_owned);
        url.context("no url in the status")
    }

    /// Waits until the status is about the newest generation and as `wanted`; a failure tells the last one.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let object = self.until_object(what, within, wanted).await?;
        Ok(object.data["status"].clone())
    }

    /// Likewise; the whole object.
    pub async fn until_object(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<DynamicObject> {
        look_often(what, within, async || {
            let object = self.scene.api(API_VERSION, KIND)?.get(self.name).await?;
            let status = &object.data["status"];
            ensure!(is_new(&object) && wanted(status), "{status}");
            Ok(Some(object))
        })
        .await
    }

    /// Waits until a condition is as wanted, for the newest generation; its message.
    pub async fn until_condition(&self, kind: &str, is: &str, within: Duration) -> Result<String> {
        let wanted = |status: &Value| condition(status, kind)["status"] == is;
        let what = format!("{kind} to be {is}");
        let status = self.until(&what, within, wanted).await?;
        Ok(message(&status, kind))
    }

    /// Waits until a condition has this reason; its message.
    pub async fn until_reason(&self, kind: &str, is: &str, within: Duration) -> Result<String> {
        let wanted = |status: &Value| condition(status, kind)["reason"] == is;
        let what = format!("{kind} to be so because of {is}");
        let status = self.until(&what, within, wanted).await?;
        Ok(message(&status, kind))
    }

    /// What the pod itself answers on `/status`. No policy lets this host at the ops port: the API server forwards it.
    pub async fn pod_status(&self) -> Result<relay_config::Status> {
        let mut forwarder = self
            .scene
            .pods()
            .portforward(&self.pod(), &[PORT_OPS])
            .await?;
        let mut stream = forwarder.take_stream(PORT_OPS).context("no stream")?;
        let request =
            format!("GET {PATH_STATUS} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").context("no HTTP answer")?.1;
        serde_json::from_str(body).with_context(|| answer.clone())
    }
}

/// Is the status about the newest generation? All of it is written at once.
fn is_new(object: &DynamicObject) -> bool {
    object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
}

/// A condition of a status; `null` if it has none of that type.
pub fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|found| found["type"] == kind);
    found.unwrap_or(&Value::Null)
}

fn message(status: &Value, kind: &str) -> String {
    let message = &condition(status, kind)["message"];
    message.as_str().unwrap_or_default().to_owned()
}
