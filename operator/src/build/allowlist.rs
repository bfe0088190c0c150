//! The lists in eight ConfigMaps, mounted beside the configuration file.

use super::{Plan, Shards};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use relay_config::lists::SHARDS;

/// A ConfigMap for each shard; none where nothing is listed or nothing may be touched.
pub fn config_maps(plan: &Plan) -> Vec<ConfigMap> {
    let Shards::Of(lists) = &plan.allowlist.shards else {
        return Vec::new();
    };
    let shards = lists.shards().into_iter().enumerate();
    shards
        .map(|(number, text)| ConfigMap {
            metadata: plan
                .identity
                .metadata(names::shard(&plan.identity.name, number)),
            data: Some([(relay_config::names::shard(number), text)].into()),
            ..ConfigMap::default()
        })
        .collect()
}

/// Names of the ConfigMaps that stay although they are not written.
pub fn untouched(plan: &Plan) -> Vec<String> {
    match plan.allowlist.shards {
        Shards::Untouched => shard_names(&plan.identity.name),
        Shards::None | Shards::Of(_) => Vec::new(),
    }
}

/// The names of all shards of a resource.
pub fn shard_names(name: &str) -> Vec<String> {
    (0..SHARDS)
        .map(|number| names::shard(name, number))
        .collect()
}
