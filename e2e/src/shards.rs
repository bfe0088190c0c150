//! What the operator wrote for a relay's lists: the configuration and eight shards, each a ConfigMap. Read, written by hand, or held back, so that the
//! middle of a rotation lasts as long as a test wants.

use crate::{objects::eventually, scene::Scene};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use nostr_fleet_operator::names;
use relay_config::{lists::SHARDS, names::shard};
use serde_json::{Value, json};
use std::time::Duration;

/// The API server may take so long to know of a webhook, or to forget it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nobody answers here (RFC 5737).
const NOWHERE: &str = "https://192.0.2.1/";

/// Configuration and lists as they stand in their ConfigMaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    config: Value,
    shards: Vec<String>,
}

impl Written {
    /// The generation that a shard says it is of.
    pub fn generation(&self, number: usize) -> &str {
        self.shards[number].lines().next().unwrap_or_default()
    }
}

impl Scene {
    /// What is written for the relay `name`.
    pub async fn written(&self, name: &str) -> Result<Written> {
        let maps = self.api("v1", "ConfigMap")?;
        let config = maps.get(&names::config(name)).await?.data["data"].clone();
        let mut shards = Vec::new();
        for number in 0..SHARDS {
            let map = maps.get(&names::shard(name, number)).await?;
            let text = map.data["data"][&shard(number)].as_str();
            shards.push(text.context("a shard without text")?.to_owned());
        }
        Ok(Written { config, shards })
    }

    /// Writes configuration and shards of `what`, all but those that are named, as the operator would.
    pub async fn write_by_hand(&self, name: &str, what: &Written, but: &[usize]) -> Result<()> {
        for number in (0..SHARDS).filter(|number| !but.contains(number)) {
            self.write_shard(name, what, number).await?;
        }
        self.replace_data(&names::config(name), &what.config).await
    }

    /// Writes one shard of `what`.
    pub async fn write_shard(&self, name: &str, what: &Written, number: usize) -> Result<()> {
        let data = json!({shard(number): what.shards[number]});
        self.replace_data(&names::shard(name, number), &data).await
    }

    async fn replace_data(&self, map: &str, data: &Value) -> Result<()> {
        let patch = Patch::Merge(json!({"data": data}));
        let maps = self.api("v1", "ConfigMap")?;
        maps.patch(map, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Lets `act` play while nobody can write the ConfigMap `map`: the API server asks a webhook that never answers, and says 500 a second later.
    pub async fn holding<T>(&self, map: &str, act: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(self.cluster.client.clone());
        let webhook = serde_json::from_value(self.webhook(map))?;
        webhooks.create(&PostParams::default(), &webhook).await?;
        let outcome = match self.until_writable(map, false).await {
            Ok(()) => act().await,
            Err(error) => Err(error),
        };
        webhooks
            .delete(&self.namespace, &DeleteParams::default())
            .await?;
        self.until_writable(map, true).await?;
        outcome
    }

    fn webhook(&self, map: &str) -> Value {
        json!({
            "metadata": {"name": self.namespace},
            "webhooks": [{
                "name": "holding.e2e.nostrfleet.io",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 1,
                "clientConfig": {"url": NOWHERE},
                "namespaceSelector": {"matchLabels": {names::LABEL_NAMESPACE: self.namespace}},
                "matchConditions": [{"name": "held", "expression": format!("object.metadata.name == '{map}'")}],
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["UPDATE"],
                }],
            }],
        })
    }

    async fn until_writable(&self, map: &str, wanted: bool) -> Result<()> {
        let maps = self.api("v1", "ConfigMap")?;
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"e2e/probe": "0"}}}));
        let probe = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let what = format!("{map} to be writable: {wanted}");
        eventually(&what, PATIENCE, async || {
            let tried = maps.patch(map, &probe, &patch).await;
            ensure!(tried.is_ok() == wanted, "{:?}", tried.err());
            Ok(Some(()))
        })
        .await
    }
}
