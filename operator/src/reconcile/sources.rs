//! Reads the ConfigMaps that lists come from, and remembers which resource read which, so that a change of one leads to
//! the resources that it concerns, also when it no longer bears the label that selected it.

use super::{
    Context,
    allowlist::{self, Map, Maps, SELECTED, Sources},
    error::Error,
    last_good::Written,
    memory::{ByResource, Key},
};
use crate::{api::access::Selector, kinds::Kind, names};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt, api::ListParams, core::ObjectList};
use relay_config::names::{CONFIG_FILE, shard};
use std::collections::BTreeSet;

/// Which ConfigMaps each resource read at its last visit, by the resource's key.
#[derive(Debug, Default)]
pub struct Readers {
    read: ByResource<BTreeSet<String>>,
}

impl Readers {
    fn remember(&self, object: &Key, maps: &Maps) {
        if maps.is_empty() {
            self.read.forget(object);
        } else {
            let names = maps.keys().cloned().collect();
            self.read.with(|read| read.insert(object.clone(), names));
        }
    }

    /// Did this resource read this ConfigMap?
    pub fn has_read(&self, object: &Key, map: &str) -> bool {
        self.any(object, |read| read == map)
    }

    /// Did this resource read such a ConfigMap?
    pub fn any(&self, object: &Key, is: impl Fn(&str) -> bool) -> bool {
        let any = |names: &BTreeSet<String>| names.iter().any(|name| is(name));
        self.read.with(|read| read.get(object).is_some_and(any))
    }

    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.read.forget(object);
    }
}

/// Does a change of a ConfigMap with this name and these labels concern the resource's spec?
pub fn concerns<K: Kind>(object: &K, map: &ConfigMapMeta) -> bool {
    let common = object.common();
    let sources = allowlist::sources(common.access, common.addresses);
    sources.into_iter().any(|source| {
        let named = source.config_map.as_ref();
        let selector = source.selector.as_ref();
        named.is_some_and(|named| named.name == map.name_any())
            || selector.is_some_and(|selector| selector.selects(map.labels()))
    })
}

/// All that a watch of ConfigMaps carries.
pub type ConfigMapMeta = kube::core::PartialObjectMeta<ConfigMap>;

/// Reads the ConfigMaps that a resource's lists come from.
pub async fn read<K: Kind>(context: &Context, object: &K) -> Result<Sources, Error> {
    let common = object.common();
    let sources = allowlist::sources(common.access, common.addresses);
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut selectors: Vec<&Selector> = Vec::new();
    for source in sources {
        wanted.extend(source.config_map.as_ref().map(|one| one.name.as_str()));
        let new = |selector: &&Selector| !selectors.contains(selector);
        selectors.extend(source.selector.as_ref().filter(new));
    }
    let api = api(context, object);
    let one = |name| {
        let api = api.clone();
        async move {
            let map = api.get_opt(name).await;
            map.map_err(Error::of("get", format!("configmaps {name}")))
        }
    };
    let all = |selector: &Selector| {
        let (api, asked) = (api.clone(), of(selector));
        async move {
            let list = api.list(&asked).await;
            list.map_err(Error::of("list", "configmaps"))
        }
    };
    let (named, selected) = tokio::try_join!(
        try_join_all(wanted.into_iter().map(one)),
        try_join_all(selectors.iter().copied().map(all)),
    )?;
    let cut = selectors.iter().zip(&selected);
    let cut = cut.filter(|(_, list)| is_cut(list));
    let cut = cut.map(|(selector, _)| (*selector).clone()).collect();
    let theirs = |map: &ConfigMap| {
        let manager = map.labels().get(names::LABEL_MANAGED_BY);
        manager.is_none_or(|manager| manager != names::MANAGER)
    };
    let selected = selected.into_iter().flat_map(|list| list.items);
    let maps = named.into_iter().flatten().chain(selected.filter(theirs));
    let maps: Maps = maps.map(texts).collect();
    let key = Key::of::<K>(object.meta());
    context.memory.readers.remember(&key, &maps);
    Ok(Sources { maps, cut })
}

fn is_cut(list: &ObjectList<ConfigMap>) -> bool {
    let more = list.metadata.continue_.as_deref();
    more.is_some_and(|token| !token.is_empty())
}

fn of(selector: &Selector) -> ListParams {
    ListParams::default()
        .labels(&selector.text())
        .limit(SELECTED)
}

fn api<K: Kind>(context: &Context, object: &K) -> Api<ConfigMap> {
    let namespace = object.namespace().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}

fn texts(map: ConfigMap) -> (String, Map) {
    let name = map.name_any();
    let map = Map {
        labels: map.metadata.labels.unwrap_or_default(),
        values: map.data.unwrap_or_default(),
        binary: map
            .binary_data
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .collect(),
    };
    (name, map)
}

/// Reads back what our own ConfigMaps hold: needed only when new lists cannot be used.
pub async fn written<K: Kind>(context: &Context, object: &K) -> Result<Written, Error> {
    let name = object.name_any();
    let api = api(context, object);
    let text = |map: String, key: String| {
        let api = api.clone();
        async move {
            let there = api.get_opt(&map).await;
            let there = there.map_err(Error::of("get", format!("configmaps {map}")))?;
            Ok::<_, Error>(there.and_then(|map| map.data?.remove(&key)))
        }
    };
    let shards = (0..relay_config::lists::SHARDS)
        .map(|number| text(names::shard(&name, number), shard(number)));
    let (config, shards) = tokio::try_join!(
        text(names::config(&name), CONFIG_FILE.to_owned()),
        try_join_all(shards),
    )?;
    let mut written = Written {
        config,
        ..Written::default()
    };
    for (place, shard) in written.shards.iter_mut().zip(shards) {
        *place = shard;
    }
    Ok(written)
}
