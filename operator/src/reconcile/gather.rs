//! Reads what a resource points at and what is there of it. Decides nothing.

use super::{
    Context,
    allowlist::{Asked, Written},
    error::{Class, Error},
    inventory::{self, Found},
    key_of,
    mounts::{self, Unmounted},
    sources,
};
use crate::{build::selector_text, kinds::Kind, pods};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Pod},
    storage::v1::StorageClass,
};
use kube::{Api, ResourceExt, api::ListParams};
use std::collections::BTreeMap;

/// What is there.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The StatefulSet as it is, even if nothing is applied this time.
    pub stateful_set: Option<StatefulSet>,
    /// The pods.
    pub pods: Vec<Pod>,
    /// The claims, also those that an earlier resource of the name left behind.
    pub claims: Vec<PersistentVolumeClaim>,
    /// What running pods answered, by pod.
    pub answers: BTreeMap<String, relay_config::Status>,
    /// Does the StorageClass that the spec names exist?
    pub class_missing: bool,
    /// Objects that carry our labels, and others that have the names of our children.
    pub found: Vec<Found>,
    /// What the lists of the spec and their sources come to; nothing was read without it.
    pub asked: Option<Asked>,
    /// What our own ConfigMaps hold; read only if what is asked for cannot be used.
    pub written: Written,
    /// What pods cannot mount.
    pub unmounted: Vec<Unmounted>,
    /// How often the pods were nudged since something newer was written.
    pub nudges: u32,
}

/// Reads everything that the pure steps need.
pub async fn gather<K: Kind>(context: &Context, object: &K) -> Result<Gathered, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let client = || context.client.clone();
    let ours = ListParams::default().labels(&selector_text(K::APP, &name));

    let pods = Api::<Pod>::namespaced(client(), &namespace);
    let claims = Api::<PersistentVolumeClaim>::namespaced(client(), &namespace);
    let sets = Api::<StatefulSet>::namespaced(client(), &namespace);
    let (pods, claims, stateful_set, class_missing, found, maps) = tokio::try_join!(
        async { pods.list(&ours).await.map_err(Error::of("list", "pods")) },
        async {
            let list = claims.list(&ours).await;
            list.map_err(Error::of("list", "persistentvolumeclaims"))
        },
        async {
            let set = sets.get_opt(&name).await;
            set.map_err(Error::of("get", format!("statefulsets {name}")))
        },
        class_missing(context, object),
        inventory::look(context, object),
        sources::read(context, object),
    )?;
    let common = object.common();
    let asked = Asked::of(common.access, common.addresses, &maps);
    let written = if asked.is_good() {
        Written::default()
    } else {
        sources::written(context, object).await?
    };
    Ok(Gathered {
        asked: Some(asked),
        written,
        unmounted: mounts::look(context, &pods.items).await?,
        nudges: context.memory.nudges.count(&key_of(object)),
        stateful_set,
        claims: claims.items,
        answers: pods::ask_all(&pods.items).await,
        pods: pods.items,
        class_missing,
        found,
    })
}

/// A class is named but not there. May we not read classes, we do not complain about them.
async fn class_missing<K: Kind>(context: &Context, object: &K) -> Result<bool, Error> {
    let Some(class) = object.common().storage.storage_class_name.as_deref() else {
        return Ok(false);
    };
    if class.is_empty() {
        return Ok(false);
    }
    let classes = Api::<StorageClass>::all(context.client.clone());
    match classes.get_opt(class).await {
        Ok(found) => Ok(found.is_none()),
        Err(source) => {
            let error = Error::of("get", format!("storageclasses {class}"))(source);
            match error.class() {
                Class::Forbidden => Ok(false),
                _ => Err(error),
            }
        }
    }
}
