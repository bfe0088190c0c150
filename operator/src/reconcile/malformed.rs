//! Objects that passed the API server but cannot be read: an older definition let them in, or a newer one knows more.
//! Their pods stay as they are; their status says what is wrong.

use super::{Context, error::Error, judge::Judgement, report};
use crate::{
    api::status::{ConditionType, Reason, Status},
    kinds::Kind,
    names,
};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::error_boundary::InvalidObject,
    runtime::controller::Action,
};
use serde_json::{Value, json};

/// Says in the object's status that it cannot be read.
pub async fn report<K: Kind>(context: &Context, invalid: &InvalidObject) -> Result<Action, Error> {
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let resource = ApiResource::erase::<K>(&());
    let api = Api::<DynamicObject>::namespaced_with(context.client.clone(), &namespace, &resource);
    let wrap = |verb| Error::of(verb, format!("{} {name}", resource.plural));
    let Some(object) = api.get_opt(&name).await.map_err(wrap("get"))? else {
        return Ok(Action::await_change());
    };
    let old = serde_json::from_value(object.data["status"].clone()).unwrap_or_default();
    let status = status(&old, invalid, Timestamp::now());
    if !report::same(Some(&old), &status) {
        let body: Value = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"name": name}, "status": status,
        });
        let force = PatchParams::apply(names::MANAGER).force();
        let written = api.patch_status(&name, &force, &Patch::Apply(&body)).await;
        written.map_err(wrap("patch"))?;
    }
    Ok(Action::await_change())
}

fn status(old: &Status, invalid: &InvalidObject, now: Timestamp) -> Status {
    let message = format!("the spec cannot be read: {}", invalid.error);
    let judge = |type_, holds| Judgement {
        type_,
        holds: Some(holds),
        reason: Reason::InvalidSpec,
        message: message.clone(),
    };
    let judgements = vec![
        judge(ConditionType::Ready, false),
        judge(ConditionType::Stalled, true),
        judge(ConditionType::ConfigurationValid, false),
    ];
    let generation = invalid.metadata.generation;
    Status {
        observed_generation: generation,
        conditions: report::conditions(judgements, old, generation, now),
        ..old.clone()
    }
}
