//! Reads the ConfigMaps that lists come from, and remembers which resource read which, so that a change of one leads to
//! the resources that it concerns, also when it no longer bears the label that selected it.

use super::{
    Context,
    allowlist::{self, Map, SELECTED, SOURCES_BYTES, Sources},
    error::Error,
    last_good::Written,
    memory::{ByResource, Key},
    room::{Room, Seat},
};
use crate::{api::access::Selector, kinds::Kind, names};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Client, Resource, ResourceExt,
    api::{GetParams, ListParams, ObjectList},
    core::{Request, request},
};
use relay_config::names::{CONFIG_FILE, shard};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// Which ConfigMaps each resource read at its last visit, by the resource's key.
#[derive(Debug, Default)]
pub struct Readers {
    read: ByResource<BTreeSet<String>>,
}

impl Readers {
    fn remember(&self, object: &Key, names: BTreeSet<String>) {
        if names.is_empty() {
            self.read.forget(object);
        } else {
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

/// Reads the ConfigMaps that a resource's lists come from, a few at a time, and a seat if they are large.
pub async fn read<K: Kind>(
    context: &Context,
    object: &K,
) -> Result<(Sources, Option<Seat>), Error> {
    let common = object.common();
    let sources = allowlist::sources(common.access, common.addresses);
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut selectors: Vec<&Selector> = Vec::new();
    for source in sources {
        wanted.extend(source.config_map.as_ref().map(|one| one.name.as_str()));
        let new = |selector: &&Selector| !selectors.contains(selector);
        selectors.extend(source.selector.as_ref().filter(new));
    }
    let mut reading = Reading {
        maps: ConfigMaps::of(context, object),
        read: Read::default(),
        seat: None,
    };
    for name in wanted {
        reading.named(name).await?;
    }
    for selector in selectors {
        reading.selected(selector).await?;
    }
    reading.sit().await;
    let Reading { read, seat, .. } = reading;
    let key = Key::of::<K>(object.meta());
    context.memory.readers.remember(&key, read.names);
    Ok((read.sources, seat))
}

/// ConfigMaps of a selector that are asked for at once: each may be a megabyte and a half.
const PAGE: u32 = 2;
/// Bytes that are held without a seat.
pub const SMALL: usize = 1_000_000;

/// A visit that reads its sources.
struct Reading<'a> {
    maps: ConfigMaps<'a>,
    read: Read,
    seat: Option<Seat>,
}

impl Reading<'_> {
    async fn named(&mut self, name: &str) -> Result<(), Error> {
        self.sit().await;
        if !self.read.sources.too_large
            && let Some(map) = self.maps.get(name).await?
        {
            self.read.keep(map);
        }
        Ok(())
    }

    async fn selected(&mut self, selector: &Selector) -> Result<(), Error> {
        let (mut count, mut next) = (0, None);
        while !self.read.sources.too_large {
            self.sit().await;
            let asked = ListParams {
                limit: Some(PAGE),
                continue_token: next,
                ..ListParams::default().labels(&selector.text())
            };
            let list = self.maps.list(&asked).await?;
            count += list.items.len();
            for map in list.items.into_iter().filter(is_theirs) {
                self.read.keep(map);
            }
            if count > SELECTED {
                self.read.sources.cut.push(selector.clone());
                break;
            }
            next = list.metadata.continue_.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Takes a seat as soon as what is held is large.
    async fn sit(&mut self) {
        let held = self.seat.take();
        self.seat = self.maps.room.seat_if(self.read.is_large(), held).await;
    }
}

/// What was read of the sources so far.
#[derive(Debug, Default)]
struct Read {
    sources: Sources,
    names: BTreeSet<String>,
    bytes: usize,
}

impl Read {
    /// Counts a ConfigMap once, and keeps none when they are too much.
    fn keep(&mut self, map: ConfigMap) {
        let (name, map) = texts(map);
        if !self.names.insert(name.clone()) || self.sources.too_large {
            return;
        }
        self.bytes += map.bytes();
        self.sources.maps.insert(name, map);
        if self.bytes > SOURCES_BYTES {
            self.sources.too_large = true;
            self.sources.maps.clear();
        }
    }

    fn is_large(&self) -> bool {
        self.bytes > SMALL
    }
}

fn is_theirs(map: &ConfigMap) -> bool {
    let manager = map.labels().get(names::LABEL_MANAGED_BY);
    manager.is_none_or(|manager| manager != names::MANAGER)
}

/// The ConfigMaps of a namespace, read a few at a time.
struct ConfigMaps<'a> {
    client: &'a Client,
    path: Request,
    room: &'a Room,
}

impl<'a> ConfigMaps<'a> {
    /// Of the namespace in which a resource is.
    fn of<K: Kind>(context: &'a Context, object: &K) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        Self {
            client: &context.client,
            path: Request::new(ConfigMap::url_path(&(), Some(&namespace))),
            room: &context.memory.room,
        }
    }

    async fn get(&self, name: &str) -> Result<Option<ConfigMap>, Error> {
        let question = self.path.get(name, &GetParams::default());
        match self.ask(question).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
            map => map
                .map(Some)
                .map_err(Error::of("get", format!("configmaps {name}"))),
        }
    }

    async fn list(&self, asked: &ListParams) -> Result<ObjectList<ConfigMap>, Error> {
        let list = self.ask(self.path.list(asked)).await;
        list.map_err(Error::of("list", "configmaps"))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        question: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> kube::Result<T> {
        let question = question.map_err(kube::Error::BuildRequest)?;
        self.room.ask(self.client, question).await
    }
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
    let maps = ConfigMaps::of(context, object);
    let text = async |map: String, key: String| {
        let there = maps.get(&map).await?;
        Ok::<_, Error>(there.and_then(|map| map.data?.remove(&key)))
    };
    let mut written = Written {
        config: text(names::config(&name), CONFIG_FILE.to_owned()).await?,
        ..Written::default()
    };
    for (number, place) in written.shards.iter_mut().enumerate() {
        *place = text(names::shard(&name, number), shard(number)).await?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A ConfigMap of so many bytes.
    fn map(name: &str, bytes: usize) -> ConfigMap {
        serde_json::from_value(json!({
            "metadata": {"name": name}, "data": {"list": " ".repeat(bytes - 4 - 64)},
        }))
        .unwrap()
    }

    #[test]
    fn keys_and_labels_count_too_and_empty_texts() {
        let long = |number: usize| format!("{number:0>253}");
        let keys: serde_json::Map<_, _> = (0..2800).map(|key| (long(key), json!(""))).collect();
        let of = |field: &str| {
            let map = json!({"metadata": {"name": "m"}, field: keys});
            texts(serde_json::from_value(map).unwrap()).1.bytes()
        };
        assert!(of("data") > 2800 * 253 && of("binaryData") > 2800 * 253);
    }

    #[test]
    fn sources_are_kept_up_to_a_bound_and_none_beyond_it() {
        for (more, kept) in [(0, 16), (1, 0)] {
            let mut read = Read::default();
            for number in 0..15 {
                read.keep(map(&format!("m{number}"), SOURCES_BYTES / 16));
            }
            read.keep(map("m0", SOURCES_BYTES)); // selected and named, or selected twice
            assert!(!read.sources.too_large && read.is_large());
            read.keep(map("last", SOURCES_BYTES / 16 + more));
            assert_eq!(read.sources.maps.len(), kept, "{more}");
            assert_eq!(read.sources.too_large, kept == 0);
            assert!(read.names.contains("last"), "a change of it is heard of");
        }
    }
}
