//! Objects that passed the API server but cannot be read: an older definition let them in, or a newer one knows more.
//! Their pods stay as they are; their status says what is wrong.

use super::{
    Context, Outcome,
    error::Error,
    failure::{amended, unknown_lists},
    gather::{self, Gathered},
    judge::Judgement,
    news::publish,
    report, schedule,
};
use crate::{
    api::status::{ConditionType, Reason, Status},
    events,
    kinds::Kind,
    names,
};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Resource,
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
    let gathered = gather::seen::<K>(context, &invalid.metadata).await;
    let status = status(&old, invalid, &gathered, Timestamp::now());
    if !report::same(Some(&old), &status) {
        let body: Value = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"name": name}, "status": status,
        });
        let force = PatchParams::apply(names::MANAGER).force();
        let written = api.patch_status(&name, &force, &Patch::Apply(&body)).await;
        written.map_err(wrap("patch"))?;
        let told = events::transitions(Some(&old), &status);
        publish(context, &told, &object.object_ref(&resource)).await;
    }
    Ok(Action::requeue(schedule::STEADY)) // what the pods say may change
}

fn status(old: &Status, invalid: &InvalidObject, gathered: &Gathered, now: Timestamp) -> Status {
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
        unknown_lists("the spec cannot be read, so nothing is written: what the pods have stays"),
    ];
    let lists = old.allowlist.clone();
    let generation = invalid.metadata.generation;
    Status {
        observed_generation: generation,
        allowlist: lists.map(|lists| report::recounted(gathered, lists)),
        ..amended(
            old,
            gathered,
            &Outcome::Failed(None),
            judgements,
            generation,
            now,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::ObjectMeta;

    #[test]
    fn a_first_status_names_every_lasting_condition_and_later_ones_keep_what_was_known() {
        let invalid = InvalidObject {
            metadata: ObjectMeta::default(),
            error: "queryTime: too long".to_owned(),
        };
        let now = Timestamp::UNIX_EPOCH;
        let nothing = Gathered::default();
        let first = status(&Status::default(), &invalid, &nothing, now);
        let answers: Vec<(&str, &str)> = first
            .conditions
            .iter()
            .map(|it| (it.type_.as_str(), it.status.as_str()))
            .collect();
        let wanted = [
            ("AllowlistApplied", "Unknown"),
            ("Available", "False"),
            ("ConfigurationValid", "False"),
            ("Degraded", "Unknown"),
            ("Ready", "False"),
            ("Stalled", "True"),
            ("StorageReady", "Unknown"),
        ];
        assert_eq!(answers, wanted);
        let mut served = first.clone();
        for condition in &mut served.conditions {
            "True".clone_into(&mut condition.status);
        }
        let later = status(&served, &invalid, &nothing, now);
        assert!(later.is(ConditionType::Degraded) && !later.is(ConditionType::Ready));
        assert!(!later.is(ConditionType::Available), "there is no pod");
        let lists = later.condition(ConditionType::AllowlistApplied).unwrap();
        assert_eq!(lists.status, "Unknown", "nothing is written");
        let told = events::transitions(Some(&served), &later);
        let about: Vec<_> = told.iter().filter_map(|it| it.note.as_deref()).collect();
        assert!(
            about.len() == 2 && about[0].contains("queryTime: too long"),
            "{about:?}"
        );
    }
}
