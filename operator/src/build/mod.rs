//! Plan → objects: one plain function per child, no client, no clock.

mod allowlist;
mod config;
mod disruption;
mod identity;
mod plan;
mod pod;
mod policy;
mod service;
mod stateful_set;

pub use allowlist::shard_names;
pub use config::{config_text, hash};
pub use plan::{Access, Allowlist, Identity, Plan, Shards, selector_text};
pub use policy::public_peers;

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};

/// Everything that a resource owns, in the order in which it is written. `apply` takes its halves apart without `..`: a new
/// child cannot be forgotten.
#[derive(Clone, Debug)]
pub struct Children {
    /// All that says who gets in.
    pub door: Door,
    /// What stands around it.
    pub house: House,
}

/// The children that are in force once they are written, whatever becomes of the others.
#[derive(Clone, Debug)]
pub struct Door {
    /// The lists. Before the configuration that names them.
    pub shards: Vec<ConfigMap>,
    /// Names of shards that are neither written nor removed.
    pub untouched: Vec<String>,
    /// The pods' configuration file.
    pub config: ConfigMap,
}

/// The children that make pods, and lead to them.
#[derive(Clone, Debug)]
pub struct House {
    /// Whom the pods run as; its token is never mounted.
    pub service_account: ServiceAccount,
    /// The public Service.
    pub service: Service,
    /// The Service that names each pod.
    pub headless: Service,
    /// Who may talk to the pods and to whom they may talk.
    pub policy: Option<NetworkPolicy>,
    /// How many pods a drain may take at once.
    pub disruption: PodDisruptionBudget,
    /// The pods and their claims.
    pub stateful_set: StatefulSet,
}

/// What the API server answered once all children were written.
#[derive(Clone, Debug)]
pub struct Applied {
    /// With its status.
    pub stateful_set: StatefulSet,
}

/// All objects of a plan.
pub fn children(plan: &Plan) -> Children {
    Children {
        door: Door {
            shards: allowlist::config_maps(plan),
            untouched: allowlist::untouched(plan),
            config: config::config_map(plan),
        },
        house: House {
            service_account: identity::service_account(plan),
            service: service::public(plan),
            headless: service::headless(plan),
            policy: policy::network_policy(plan),
            disruption: disruption::disruption_budget(plan),
            stateful_set: stateful_set::stateful_set(plan),
        },
    }
}
