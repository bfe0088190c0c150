//! Reads what a resource points at and what is there of it: from the watches what they tell, the rest from the API server.
//! Decides nothing.

use super::{
    Context,
    allowlist::Asked,
    error::{Class, Error},
    inventory::{self, Found},
    key_of,
    known::Whose,
    last_good::Written,
    mounts::{self, Unmounted},
    sources,
};
use crate::{kinds::Kind, pods};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Pod},
    storage::v1::StorageClass,
};
use kube::{Api, ResourceExt, runtime::reflector::ObjectRef};
use std::{collections::BTreeMap, sync::Arc};

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
    let whose = Whose {
        app: K::APP,
        namespace: &namespace,
        name: &name,
    };
    let known = context.known(&namespace);
    let pods = owned(known.map(|known| whose.among(&known.pods)));
    let claims = owned(known.map(|known| whose.among(&known.claims)));
    let set = ObjectRef::new(&name).within(&namespace);
    let stateful_set = known.and_then(|known| known.sets.get(&set));
    let (class_missing, found, maps) = tokio::try_join!(
        class_missing(context, object),
        inventory::look(context, object, &whose),
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
        unmounted: mounts::look(context, &pods).await?,
        nudges: context.memory.nudges.count(&key_of(object)),
        stateful_set: stateful_set.map(|set| set.as_ref().clone()),
        claims,
        answers: pods::ask_all(&pods).await,
        pods,
        class_missing,
        found,
    })
}

fn owned<R: Clone>(objects: Option<Vec<Arc<R>>>) -> Vec<R> {
    let objects = objects.into_iter().flatten();
    objects.map(|object| object.as_ref().clone()).collect()
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
