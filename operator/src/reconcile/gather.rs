//! Reads what a resource points at and what is there of it: from the watches what they tell, the rest from the API server.
//! Decides nothing, but merges the lists: whether the last good ones must be read back depends on it.

use super::{
    Context,
    allowlist::{Asked, Sources},
    error::{Class, Error},
    inventory::{self, Found},
    known::Whose,
    last_good::Written,
    memory::Key,
    mounts::{self, Unmounted},
    nudge::Nudged,
    room::Seat,
    sources,
};
use crate::{
    build,
    kinds::{Common, Kind},
    pods,
};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Pod},
    networking::v1::{NetworkPolicy, NetworkPolicyPeer},
    storage::v1::StorageClass,
};
use kube::{Api, ResourceExt, core::ObjectMeta, runtime::reflector::ObjectRef};
use std::{collections::BTreeMap, panic::resume_unwind, sync::Arc};
use tokio::task::{JoinError, spawn_blocking};

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
    /// Who may reach the public port by the NetworkPolicy that is there; read only then, too.
    pub reachable: Option<Vec<NetworkPolicyPeer>>,
    /// What pods cannot mount.
    pub unmounted: Vec<Unmounted>,
    /// Held until they are written where lists are large.
    pub seat: Option<Seat>,
    /// How far the newest configuration was on its way before this visit.
    pub nudged: Nudged,
}

/// Entries that are read back without a seat.
const FEW: u64 = 10_000;

/// Reads everything that the pure steps need.
pub async fn gather<K: Kind>(context: &Context, object: &K) -> Result<Gathered, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let whose = Whose {
        app: K::APP,
        namespace: &namespace,
        name: &name,
    };
    let watched = watched::<K>(context, &whose);
    let pods = &watched.pods;
    let (class_missing, found, (sources, seat)) = tokio::try_join!(
        class_missing(context, object),
        inventory::look(context, object, &whose),
        sources::read(context, object),
    )?;
    let asked = merged(object.common(), sources).await;
    let (written, reachable, seat) = if asked.is_good() {
        (Written::default(), None, seat)
    } else {
        let lists = object.status().and_then(|status| status.allowlist.as_ref());
        let (room, many) = (
            &context.memory.room,
            lists.is_some_and(|lists| lists.entries > FEW),
        );
        let seat = room.seat_if(many, seat).await;
        let (written, reachable) = tokio::try_join!(
            sources::written(context, object),
            reachable(context, object),
        )?;
        let seat = room.seat_if(written.bytes() > sources::SMALL, seat).await;
        (written, reachable, seat)
    };
    Ok(Gathered {
        asked: Some(asked),
        seat,
        written,
        reachable,
        unmounted: mounts::look(context, object, pods).await?,
        answers: pods::ask_all(pods).await,
        class_missing,
        found,
        ..watched
    })
}

/// What is known without the API server: from the watches, and from the pods themselves.
pub async fn seen<K: Kind>(context: &Context, object: &ObjectMeta) -> Gathered {
    let whose = Whose {
        app: K::APP,
        namespace: object.namespace.as_deref().unwrap_or_default(),
        name: object.name.as_deref().unwrap_or_default(),
    };
    let watched = watched::<K>(context, &whose);
    Gathered {
        answers: pods::ask_all(&watched.pods).await,
        ..watched
    }
}

fn watched<K: Kind>(context: &Context, whose: &Whose) -> Gathered {
    let known = context.known(whose.namespace);
    let set = ObjectRef::new(whose.name).within(whose.namespace);
    let stateful_set = known.and_then(|known| known.sets.get(&set));
    let key = Key::named::<K>(Some(whose.namespace), whose.name);
    Gathered {
        stateful_set: stateful_set.map(|set| set.as_ref().clone()),
        pods: owned(known.map(|known| whose.among(&known.pods))),
        claims: owned(known.map(|known| whose.among(&known.claims))),
        nudged: context.memory.nudges.so_far(&key),
        ..Gathered::default()
    }
}

/// Who may reach the public port by our NetworkPolicy.
async fn reachable<K: Kind>(
    context: &Context,
    object: &K,
) -> Result<Option<Vec<NetworkPolicyPeer>>, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let policies = Api::<NetworkPolicy>::namespaced(context.client.clone(), &namespace);
    let name = object.name_any();
    let found = policies.get_opt(&name).await;
    let found = found.map_err(Error::of("get", format!("networkpolicies {name}")))?;
    let ours = found.filter(|policy| inventory::controller(&policy.metadata) == object.uid());
    Ok(ours.map(|policy| build::public_peers(&policy)))
}

/// Merging 100,000 keys takes a tenth of a second, in which the Lease must be renewed all the same.
async fn merged(common: Common<'_>, sources: Sources) -> Asked {
    let (access, auth) = (common.access.clone(), common.auth.clone());
    let addresses = common.addresses.clone();
    let merge = spawn_blocking(move || Asked::of(&access, &auth, &addresses, &sources));
    match merge.await.map_err(JoinError::try_into_panic) {
        Ok(asked) => asked,
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => std::future::pending().await, // the runtime ends
    }
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
