//! Which objects exist that are ours or bear the name of one of ours. Pruning and the ownership rule read it.

use super::{Context, allowlist, error::Error, known::Whose};
use crate::{build::shard_names, kinds::Kind, names};
use futures::future::try_join_all;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ObjectMeta},
};

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Has it our labels?
    pub labelled: bool,
    /// Who controls it.
    pub controller: Option<String>,
}

/// The kinds of all children, with the names that they have.
fn kinds(name: &str, has_lists: bool) -> Vec<(ApiResource, Vec<String>)> {
    let own = || vec![name.to_owned()];
    let mut maps = vec![names::config(name)];
    if has_lists {
        maps.extend(shard_names(name));
    }
    vec![
        (ApiResource::erase::<ServiceAccount>(&()), own()),
        (ApiResource::erase::<ConfigMap>(&()), maps),
        (
            ApiResource::erase::<Service>(&()),
            vec![name.to_owned(), names::headless(name)],
        ),
        (ApiResource::erase::<NetworkPolicy>(&()), own()),
        (ApiResource::erase::<PodDisruptionBudget>(&()), own()),
        (ApiResource::erase::<StatefulSet>(&()), own()),
    ]
}

/// All kinds of children.
pub fn resources() -> impl Iterator<Item = ApiResource> {
    kinds("", false).into_iter().map(|(resource, _)| resource)
}

/// The interface of a kind of child, by its name.
pub fn api(context: &Context, namespace: &str, kind: &str) -> Option<Api<DynamicObject>> {
    let (resource, _) = kinds("", false)
        .into_iter()
        .find(|(resource, _)| resource.kind == kind)?;
    Some(Api::namespaced_with(
        context.client.clone(),
        namespace,
        &resource,
    ))
}

/// What the watches know to have our labels; then what has not is looked up by name: only when something is missing, or
/// taken.
pub async fn look<K: Kind>(
    context: &Context,
    object: &K,
    whose: &Whose<'_>,
) -> Result<Vec<Found>, Error> {
    let has_lists = allowlist::has_lists(object.common().access);
    let looks = kinds(whose.name, has_lists)
        .into_iter()
        .map(|(resource, wanted)| look_at(context, resource, wanted, whose));
    Ok(try_join_all(looks).await?.concat())
}

async fn look_at(
    context: &Context,
    resource: ApiResource,
    wanted: Vec<String>,
    whose: &Whose<'_>,
) -> Result<Vec<Found>, Error> {
    let known = context.known(whose.namespace);
    let list = known.map_or_else(Vec::new, |known| known.metadata(&resource.kind, whose));
    let mut found: Vec<Found> = list
        .iter()
        .map(|metadata| of(&resource, metadata, true))
        .collect();
    let client = context.client.clone();
    let api = Api::<DynamicObject>::namespaced_with(client, whose.namespace, &resource);
    for name in wanted {
        if found.iter().any(|known| known.name == name) {
            continue;
        }
        let other = api.get_metadata_opt(&name).await;
        let other = other.map_err(Error::of("get", format!("{} {name}", resource.plural)))?;
        found.extend(
            other
                .iter()
                .map(|item| of(&resource, &item.metadata, false)),
        );
    }
    Ok(found)
}

fn of(resource: &ApiResource, metadata: &ObjectMeta, labelled: bool) -> Found {
    Found {
        kind: resource.kind.clone(),
        name: metadata.name.clone().unwrap_or_default(),
        version: metadata.resource_version.clone().unwrap_or_default(),
        labelled,
        controller: controller(metadata),
    }
}

/// The uid of whom an object belongs to.
pub fn controller(metadata: &ObjectMeta) -> Option<String> {
    let mut owners = metadata.owner_references.iter().flatten();
    let controller = owners.find(|owner| owner.controller == Some(true))?;
    Some(controller.uid.clone())
}
