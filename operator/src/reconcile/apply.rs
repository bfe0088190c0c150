//! Writes the children in order, then removes what is no longer wanted. One field manager, always with force. In two halves:
//! lists and configuration are in force once they are written, whatever becomes of the children behind them.

use super::{
    Context,
    error::Error,
    gather::Gathered,
    inventory::{self, Found},
    memory::Key,
    shelf::Shard,
};
use crate::{
    build::{Applied, Children, Door, House},
    names,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug};

/// Writes one resource's children into their namespace.
pub struct Writer<'a> {
    context: &'a Context,
    namespace: String,
    key: &'a Key,
    gathered: &'a Gathered,
    /// The resource's uid.
    owner: String,
    wanted: Vec<(String, String)>,
}

impl<'a> Writer<'a> {
    /// For the children of a plan.
    pub fn new(
        context: &'a Context,
        key: &'a Key,
        gathered: &'a Gathered,
        children: &Children,
    ) -> Self {
        let any = &children.house.stateful_set;
        Self {
            context,
            namespace: any.namespace().unwrap_or_default(),
            key,
            gathered,
            owner: owner_of(any).to_owned(),
            wanted: Vec::new(),
        }
    }

    /// Writes the first half, in the order of the fields.
    pub async fn door(mut self, door: Door) -> Result<Behind<'a>, Error> {
        let Door {
            shards,
            untouched,
            config,
        } = door;
        self.shards(shards).await?;
        self.leave(&untouched);
        self.object(config).await?;
        Ok(Behind(self))
    }

    async fn object<K>(&mut self, object: K) -> Result<K, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        self.wanted
            .push((K::kind(&()).into_owned(), object.name_any()));
        self.write(&object).await
    }

    async fn write<K>(&self, object: &K) -> Result<K, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let name = object.name_any();
        let api = Api::<K>::namespaced(self.context.client.clone(), &self.namespace);
        let force = PatchParams::apply(names::MANAGER).force();
        api.patch(&name, &force, &Patch::Apply(object))
            .await
            .map_err(Error::of("patch", format!("{} {name}", K::plural(&()))))
    }

    /// The shards of the lists, at once: they hold only together. Those that hold already what they should are left out. Each may
    /// be large, and is let go of once it is written.
    async fn shards(&mut self, shards: Vec<ConfigMap>) -> Result<(), Error> {
        let kind = ConfigMap::kind(&()).into_owned();
        let names = shards.iter().map(|shard| (kind.clone(), shard.name_any()));
        self.wanted.extend(names);
        let writes = shards.into_iter().map(|shard| self.shard(shard));
        futures::future::try_join_all(writes).await.map(drop)
    }

    async fn shard(&self, shard: ConfigMap) -> Result<(), Error> {
        let (name, content) = (shard.name_any(), content(&shard));
        let holds = |there: &&Found| there.kind == ConfigMap::kind(&()) && there.name == name;
        let found = self.gathered.found.iter().find(holds);
        let version = found.map(|there| there.version.clone());
        let of = |version| Shard {
            content: content.clone(),
            version,
        };
        let shelf = &self.context.memory.shelf;
        if version.is_some_and(|version| shelf.holds(self.key, &name, &of(version))) {
            return Ok(());
        }
        let written = self.write(&shard).await?;
        let version = written.resource_version().unwrap_or_default();
        shelf.put(self.key, &name, of(version));
        Ok(())
    }

    /// ConfigMaps that are neither written nor removed.
    fn leave(&mut self, names: &[String]) {
        let kind = ConfigMap::kind(&()).into_owned();
        let leave = names.iter().map(|name| (kind.clone(), name.clone()));
        self.wanted.extend(leave);
    }

    /// Objects of this resource, with our labels, that nobody asks for any more. Never claims: they are not even listed; and
    /// never what somebody made with copied labels.
    async fn prune(&self) -> Result<(), Error> {
        let ours =
            |found: &&Found| found.labelled && found.controller.as_ref() == Some(&self.owner);
        for found in self.gathered.found.iter().filter(ours) {
            let wanted =
                |(kind, name): &(String, String)| *kind == found.kind && *name == found.name;
            if self.wanted.iter().any(wanted) {
                continue;
            }
            let Some(api) = inventory::api(self.context, &self.namespace, &found.kind) else {
                continue;
            };
            tracing::info!(
                namespace = self.namespace,
                kind = found.kind,
                name = found.name,
                "pruned"
            );
            match api.delete(&found.name, &DeleteParams::background()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                other => {
                    other.map_err(Error::of(
                        "delete",
                        format!("{} {}", found.kind, found.name),
                    ))?;
                }
            }
        }
        Ok(())
    }
}

/// A writer whose door is written. Only behind it comes the rest, with what is no longer wanted.
pub struct Behind<'a>(Writer<'a>);

impl Behind<'_> {
    /// Writes the second half, in the order of the fields, then prunes.
    pub async fn house(self, house: House) -> Result<Applied, Error> {
        let House {
            service_account,
            service,
            headless,
            policy,
            disruption,
            stateful_set,
        } = house;
        let Self(mut writer) = self;
        writer.object(service_account).await?;
        writer.object(service).await?;
        writer.object(headless).await?;
        if let Some(policy) = policy {
            writer.object(policy).await?;
        }
        writer.object(disruption).await?;
        let stateful_set = writer.object(stateful_set).await?;
        writer.prune().await?;
        Ok(Applied { stateful_set })
    }
}

/// What tells a shard from others of its name: whose it is, and the generation in its first line.
fn content(shard: &ConfigMap) -> String {
    let text = shard.data.iter().flat_map(BTreeMap::values).next();
    let generation = text.and_then(|text| text.lines().next());
    format!("{} {}", owner_of(shard), generation.unwrap_or_default())
}

/// The uid of the resource that a child belongs to.
fn owner_of<K: Resource>(child: &K) -> &str {
    let owner = child.owner_references().first();
    owner.map_or("", |owner| &owner.uid)
}
