//! What is watched for one kind, in one namespace or in all: every change becomes a call for a visit.

use crate::{
    kinds::Kind,
    names,
    reconcile::{
        Context,
        backoff::WatchBackoff,
        inventory,
        known::{Known, Meta, follow},
        memory::Key,
        sources::{self, ConfigMapMeta, Readers},
    },
};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ApiResource,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{collections::HashSet, fmt::Debug, hash::Hash, sync::Arc};

/// Whom a change concerns.
type Call<K> = watcher::Result<ObjectRef<DeserializeGuard<K>>>;

/// The watches of one kind.
pub struct Watches<K: Kind> {
    /// The resources.
    pub resources: Store<DeserializeGuard<K>>,
    /// What belongs to them.
    pub known: Arc<Known>,
    /// Calls for visits. Who polls them fills the stores.
    pub calls: SelectAll<BoxStream<'static, Call<K>>>,
    client: Client,
    namespace: Option<String>,
}

impl<K: Kind> Watches<K> {
    /// Of one namespace, or of all. Nothing is asked of the API server before the calls are polled.
    pub fn new(client: &Client, namespace: Option<&String>) -> Self {
        let mut calls = SelectAll::new();
        let writer = Writer::default();
        let resources = writer.as_reader();
        let all = watcher::Config::default();
        let events = events(api::<DeserializeGuard<K>>(client, namespace), all);
        let itself = |object: &DeserializeGuard<K>| Some(ObjectRef::from_obj(object));
        calls.push(follow(writer, events, itself).boxed());
        let known = Known {
            pods: watch(api(client, namespace), &app::<K>(), &mut calls),
            claims: watch(api(client, namespace), &app::<K>(), &mut calls),
            sets: watch(api(client, namespace), &names::managed(), &mut calls),
            children: inventory::resources()
                .map(|resource| {
                    let api = erased(client, namespace, &resource);
                    let store = watch_erased(api, resource.clone(), &mut calls);
                    (resource.kind, store)
                })
                .collect(),
        };
        Self {
            resources,
            known: Arc::new(known),
            calls,
            client: client.clone(),
            namespace: namespace.cloned(),
        }
    }

    /// Lists stand in ConfigMaps of users: only their metadata is watched, and nothing is kept.
    pub fn follow_lists(&mut self, context: &Arc<Context>) {
        let theirs = watcher::Config::default().labels(&names::not_managed());
        let api = api::<ConfigMapMeta>(&self.client, self.namespace.as_ref());
        let (resources, context) = (self.resources.clone(), context.clone());
        let mut listed = Listed::default();
        let readers = events(api, theirs).flat_map(move |event| {
            let concerned = match event {
                Ok(event) => listed.concerned(&event, &resources, &context.memory.readers),
                Err(why) => return stream::iter(vec![Err(why)]),
            };
            stream::iter(concerned.into_iter().map(Ok).collect::<Vec<_>>())
        });
        self.calls.push(readers.boxed());
    }
}

/// The ConfigMaps that a watch lists when it begins anew, by namespace and name. It lists what is there and never tells what
/// went in between: whoever read one that is not listed is concerned.
#[derive(Default)]
struct Listed(HashSet<(Option<String>, String)>);

impl Listed {
    fn concerned<K: Kind>(
        &mut self,
        event: &watcher::Event<ConfigMapMeta>,
        resources: &Store<DeserializeGuard<K>>,
        read: &Readers,
    ) -> Vec<ObjectRef<DeserializeGuard<K>>> {
        match event {
            watcher::Event::Apply(map) | watcher::Event::Delete(map) => {
                readers(resources, |it| reads(it, read, map))
            }
            watcher::Event::Init => {
                self.0.clear();
                Vec::new()
            }
            watcher::Event::InitApply(map) => {
                self.0.insert((map.namespace(), map.name_any()));
                readers(resources, |it| reads(it, read, map))
            }
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.0);
                let gone = |it: &K, map: &str| !listed.contains(&(it.namespace(), map.to_owned()));
                readers(resources, |it: &K| {
                    let key = Key::of::<K>(it.meta());
                    read.any(&key, |map| gone(it, map))
                })
            }
        }
    }
}

/// Pods and claims, also those that an earlier operator left behind.
fn app<K: Kind>() -> String {
    format!("{}={}", names::LABEL_NAME, K::APP)
}

fn watch<K, R>(
    api: Api<R>,
    labels: &str,
    calls: &mut SelectAll<BoxStream<'static, Call<K>>>,
) -> Store<R>
where
    K: Kind,
    R: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let writer = Writer::default();
    let store = writer.as_reader();
    let events = events(api, watcher::Config::default().labels(labels));
    calls.push(follow(writer, events, owner::<K, R>).boxed());
    store
}

fn watch_erased<K: Kind>(
    api: Api<Meta>,
    resource: ApiResource,
    calls: &mut SelectAll<BoxStream<'static, Call<K>>>,
) -> Store<Meta> {
    let writer = Writer::new(resource);
    let store = writer.as_reader();
    let events = events(api, watcher::Config::default().labels(&names::managed()));
    calls.push(follow(writer, events, owner::<K, Meta>).boxed());
    store
}

/// A watch that comes back by itself, each by its own delay, without the fields that only the API server reads.
fn events<R>(
    api: Api<R>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<watcher::Event<R>>> + Send + 'static
where
    R: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    R::DynamicType: Eq + Hash + Clone,
{
    watcher(api, config)
        .backoff(WatchBackoff::default())
        .modify(|object| object.meta_mut().managed_fields = None)
}

/// The resources that read so.
fn readers<K: Kind>(
    resources: &Store<DeserializeGuard<K>>,
    reads: impl Fn(&K) -> bool,
) -> Vec<ObjectRef<DeserializeGuard<K>>> {
    let state = resources.state();
    let concerned = state.iter().filter(|it| it.0.as_ref().is_ok_and(&reads));
    concerned
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

/// Do the resource's lists come from this ConfigMap, or did they before it changed?
fn reads<K: Kind>(object: &K, read: &Readers, map: &ConfigMapMeta) -> bool {
    let has_read = || read.has_read(&Key::of::<K>(object.meta()), &map.name_any());
    object.meta().namespace == map.namespace() && (sources::concerns(object, map) || has_read())
}

fn api<R>(client: &Client, namespace: Option<&String>) -> Api<R>
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn erased(client: &Client, namespace: Option<&String>, resource: &ApiResource) -> Api<Meta> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// The labels of pods, claims and children name the resource; where somebody took them off, the owner reference does.
fn owner<K: Kind, R: Resource>(object: &R) -> Option<ObjectRef<DeserializeGuard<K>>> {
    let labels = object.labels();
    let labelled = labels.get(names::LABEL_INSTANCE).filter(|_| {
        labels
            .get(names::LABEL_NAME)
            .is_some_and(|name| name == K::APP)
    });
    let owners = object.owner_references().iter();
    let mut owners = owners.filter(|owner| owner.kind == K::kind(&()));
    let name = labelled.or_else(|| owners.next().map(|owner| &owner.name))?;
    Some(ObjectRef::new(name).within(&object.namespace()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NostrRelay;
    use k8s_openapi::api::core::v1::Pod;

    #[test]
    fn pods_and_claims_lead_to_their_resource_by_their_labels_or_their_owner() {
        let pod = |name: &str, owner: &str| -> Pod {
            serde_json::from_value(serde_json::json!({"metadata": {
                "name": "town-0", "namespace": "here",
                "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "town"},
                "ownerReferences": [{"apiVersion": "x/v1", "kind": owner, "name": "city", "uid": ""}],
            }}))
            .unwrap()
        };
        let found = |name, kind| owner::<NostrRelay, _>(&pod(name, kind)).map(|found| found.name);
        assert_eq!(found("nostr-relay", "StatefulSet").as_deref(), Some("town"));
        assert_eq!(
            found("something-else", "NostrRelay").as_deref(),
            Some("city")
        );
        assert_eq!(found("something-else", "StatefulSet"), None);
        let found = owner::<NostrRelay, _>(&pod("nostr-relay", "StatefulSet")).unwrap();
        assert_eq!(found.namespace.as_deref(), Some("here"));
    }
}
