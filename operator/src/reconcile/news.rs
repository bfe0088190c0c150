//! What came of a visit goes into the resource's status, and its turns are told as events.

use super::{Context, error::Error, report};
use crate::{api::status::Status, events, kinds::Kind, names};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::events::Event,
};

/// Writes the status if it says anything new, and tells the transitions.
pub async fn write<K: Kind>(object: &K, context: &Context, status: Status) -> Result<(), Error> {
    if report::same(object.status(), &status) {
        return Ok(());
    }
    let name = object.name_any();
    let api = Api::<K>::namespaced(
        context.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name}, "status": status,
    });
    let force = PatchParams::apply(names::MANAGER).force();
    api.patch_status(&name, &force, &Patch::Apply(&body))
        .await
        .map_err(Error::of(
            "patch",
            format!("{}/status {name}", K::plural(&())),
        ))?;
    let told = events::news(object.status(), &status);
    publish(context, &told, &object.object_ref(&())).await;
    Ok(())
}

/// Events are a courtesy: a visit does not fail for them.
pub async fn publish(context: &Context, told: &[Event], about: &ObjectReference) {
    for event in told {
        let published = context.recorder.publish(event, about).await;
        match published.map_err(Error::of("create", "events")) {
            Err(error) if error.is_moot() => {
                tracing::debug!(name = about.name, %error, "nobody reads it");
            }
            Err(error) => {
                tracing::warn!(name = about.name, %error, "an event could not be written");
            }
            Ok(()) => {}
        }
    }
}
