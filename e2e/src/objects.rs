//! Apply YAML, read objects, wait for conditions.

use crate::scene::Scene;
use anyhow::{Context, Result, bail};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::{GroupVersionKind, TypeMeta},
};
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Our own field manager: a user's `kubectl apply`.
pub const FIELD_MANAGER: &str = "nostr-fleet-e2e";

/// How long a pod may take to start, end or become ready.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The objects of a YAML text with any number of documents.
pub fn read_yaml(text: &str) -> Result<Vec<DynamicObject>> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| {
            let value = Value::deserialize(document)?;
            Ok(serde_json::from_value(value)?)
        })
        .collect()
}

fn resource_of(types: &TypeMeta) -> Result<ApiResource> {
    Ok(ApiResource::from_gvk(&GroupVersionKind::try_from(types)?))
}

impl Scene {
    /// The API of one kind in this scene's namespace, such as `("nostrfleet.io/v1alpha1", "NostrRelay")`.
    pub fn api(&self, api_version: &str, kind: &str) -> Result<Api<DynamicObject>> {
        let types = TypeMeta {
            api_version: api_version.into(),
            kind: kind.into(),
        };
        let resource = resource_of(&types)?;
        Ok(Api::namespaced_with(
            self.cluster.client.clone(),
            &self.namespace,
            &resource,
        ))
    }

    /// Applies every document of `yaml` as a user would, server-side.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.patch(yaml, PatchParams::apply(FIELD_MANAGER).force())
            .await
    }

    /// Asks the API server to judge `yaml` strictly, without keeping it.
    pub async fn dry_run(&self, yaml: &str) -> Result<()> {
        let mut how = PatchParams::apply(FIELD_MANAGER).force().dry_run();
        how.field_validation = Some(kube::api::ValidationDirective::Strict);
        self.patch(yaml, how).await
    }

    async fn patch(&self, yaml: &str, how: PatchParams) -> Result<()> {
        for object in read_yaml(yaml)? {
            let types = object
                .types
                .clone()
                .context("a document without apiVersion and kind")?;
            let name = object
                .metadata
                .name
                .clone()
                .context("a document without a name")?;
            self.api(&types.api_version, &types.kind)?
                .patch(&name, &how, &Patch::Apply(&object))
                .await
                .with_context(|| format!("applying {} {name}", types.kind))?;
        }
        Ok(())
    }
}

/// Tries `look` until it finds something; says what was awaited and the last error when the time is over.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    look_each(Duration::from_millis(200), what, within, look).await
}

/// Likewise, looking often enough to measure by it.
pub async fn look_often<T>(
    what: &str,
    within: Duration,
    look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    look_each(Duration::from_millis(40), what, within, look).await
}

async fn look_each<T>(
    pause: Duration,
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        let last = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => String::new(),
            Err(error) => format!(" (last error: {error:#})"),
        };
        if Instant::now() >= end {
            bail!("waited {} s for {what}{last}", within.as_secs());
        }
        sleep(pause).await;
    }
}
