//! Writes the children in order, then removes what is no longer wanted. One field manager, always with force.

use super::{Context, error::Error, gather::Gathered, inventory};
use crate::{
    build::{Applied, Children, Prepared},
    names,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, marker::PhantomData};

/// Writes one resource's children into their namespace.
pub struct Writer<'a> {
    context: &'a Context,
    namespace: String,
    wanted: Vec<(String, String)>,
}

/// Writes everything, in the order of the fields, then prunes.
pub async fn apply(
    context: &Context,
    children: Children<Prepared>,
    gathered: &Gathered,
) -> Result<Children<Applied>, Error> {
    let Children {
        service_account,
        shards,
        untouched,
        config,
        service,
        headless,
        policy,
        disruption,
        stateful_set,
        phase: PhantomData,
    } = children;
    let mut write = Writer {
        context,
        namespace: stateful_set.namespace().unwrap_or_default(),
        wanted: Vec::new(),
    };
    let applied = Children {
        service_account: write.object(service_account).await?,
        shards: write.objects(shards).await?,
        untouched: write.leave(untouched),
        config: write.object(config).await?,
        service: write.object(service).await?,
        headless: write.object(headless).await?,
        policy: match policy {
            Some(policy) => Some(write.object(policy).await?),
            None => None,
        },
        disruption: write.object(disruption).await?,
        stateful_set: write.object(stateful_set).await?,
        phase: PhantomData,
    };
    write.prune(gathered).await?;
    Ok(applied)
}

impl Writer<'_> {
    async fn object<K>(&mut self, object: K) -> Result<K, Error>
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
        self.wanted.push((K::kind(&()).into_owned(), name.clone()));
        api.patch(&name, &force, &Patch::Apply(&object))
            .await
            .map_err(Error::of("patch", format!("{} {name}", K::plural(&()))))
    }

    /// Several of one kind at once.
    async fn objects(&mut self, maps: Vec<ConfigMap>) -> Result<Vec<ConfigMap>, Error> {
        let mut written = Vec::with_capacity(maps.len());
        for map in maps {
            written.push(self.object(map).await?);
        }
        Ok(written)
    }

    /// ConfigMaps that are neither written nor removed.
    fn leave(&mut self, names: Vec<String>) -> Vec<String> {
        let kind = ConfigMap::kind(&()).into_owned();
        let leave = names.iter().map(|name| (kind.clone(), name.clone()));
        self.wanted.extend(leave);
        names
    }

    /// Objects with our labels that nobody asks for any more. Never claims: they are not even listed.
    async fn prune(&self, gathered: &Gathered) -> Result<(), Error> {
        for found in gathered.found.iter().filter(|found| found.labelled) {
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
