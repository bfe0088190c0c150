//! NostrRelay: a Nostr relay on a volume of its own.

// Print columns repeat keys such as `type_`: each belongs to its own column.
#![allow(clippy::duplicated_attributes)]

use super::{
    access::{Access, Addresses},
    lenient, schema,
    shared::{
        DeletionPolicy, Logging, Network, Operation, PodOptions, Resources, ServiceOptions,
        Storage, Tls,
    },
    status::Status,
};
use kube::CustomResource;
use relay_config::{Auth, Info, Limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a relay URL looks like: a name whose last part begins with a letter or an address, a port from 1 to 65535, a path. The
/// relay's own rule (`Place::of_relay`) takes all of these but addresses in brackets that are none.
const URL_RULE: &str = concat!(
    "self.matches('^wss?://",
    "(([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?[.])*[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?",
    "|((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])",
    "|\\\\[[0-9A-Fa-f:.]+\\\\])",
    "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?",
    "(/[^ ?#]*)?$')",
);

/// What a relay should be. Every field has a default; an empty spec is a relay open to all with 10Gi.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[kube(
    group = "nostrfleet.io",
    version = "v1alpha1",
    kind = "NostrRelay",
    plural = "nostrrelays",
    shortname = "nrelay",
    category = "nostr",
    namespaced,
    doc = "A Nostr relay (NIP-01) that runs in the cluster and keeps its events on a volume.",
    status = "Status",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(
        name = "List",
        type_ = "integer",
        json_path = ".status.allowlist.entries"
    ),
    printcolumn(
        name = "Applied",
        type_ = "string",
        json_path = ".status.allowlist.applied"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        priority = "1"
    ),
    printcolumn(
        name = "Storage",
        type_ = "string",
        json_path = ".status.storage.used",
        priority = "1"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase", default)]
pub struct NostrRelaySpec {
    /// Pods. Each would be a store of its own: more than one needs replication, which does not exist yet.
    #[schemars(range(min = 1, max = 100))]
    #[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
        "self <= 1",
        "replicas must be 1: each pod has a store of its own, and replication between them does not exist yet",
    )])))]
    pub replicas: i32,
    /// Image of the relay; without it the one that the operator was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9._:/@\[\]-]*$")
    )]
    pub image: Option<String>,
    /// What clients type. Without it the in-cluster URL of the Service. Hot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
        URL_RULE,
        "url must be written like wss://relay.example.com or ws://host:8080/path, with a port up to 65535 and without user, query or fragment",
    )])))]
    pub url: Option<String>,
    /// Whether pods run. Hot.
    pub operation: Operation,
    /// What happens to the claims when the resource is deleted. Hot.
    pub deletion_policy: DeletionPolicy,
    /// The volume.
    pub storage: Storage,
    /// TLS on the public port; without it plain WebSockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The public Service.
    pub service: ServiceOptions,
    /// Who may reach the pods.
    pub network: Network,
    /// From where clients may come. Hot.
    pub addresses: Addresses,
    /// Who may read and write, and which kinds are taken. Hot.
    pub access: Access,
    /// When clients must prove a key (NIP-42). Hot.
    #[serde(deserialize_with = "lenient::known")]
    pub auth: Auth,
    /// What one client may ask. Hot.
    #[serde(deserialize_with = "lenient::known")]
    pub limits: Limits,
    /// Log lines.
    pub logging: Logging,
    /// CPU and memory of the pod.
    pub resources: Resources,
    /// Labels, placement and stop of the pods.
    pub pod: PodOptions,
    /// What the relay says about itself (NIP-11). Hot.
    #[serde(deserialize_with = "lenient::known")]
    pub info: Info,
}

impl Default for NostrRelaySpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            image: None,
            url: None,
            operation: Operation::default(),
            deletion_policy: DeletionPolicy::default(),
            storage: Storage::default(),
            tls: None,
            service: ServiceOptions::default(),
            network: Network::default(),
            addresses: Addresses::default(),
            access: Access::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            logging: Logging::default(),
            resources: Resources::default(),
            pod: PodOptions::default(),
            info: Info::default(),
        }
    }
}
