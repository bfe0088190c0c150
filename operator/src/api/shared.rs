//! The parts of a spec that all kinds share. Every default stands in the schema and stays constant for ever.

use super::schema;
use k8s_openapi::{
    api::{
        core::v1::{Affinity, LocalObjectReference, Toleration, TopologySpreadConstraint},
        networking::v1::NetworkPolicyPeer,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use relay_config::{Cidr, Duration, Size, cold::LogFormat, hot::LogLevel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Texts by key: labels and annotations.
pub type Texts = BTreeMap<String, String>;

/// Whether pods run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operation {
    /// Pods run.
    #[default]
    Running,
    /// Pods are gone, claims are kept.
    Stopped,
}

/// What happens to the claims when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay; a new resource of the same name takes them over.
    #[default]
    Retain,
    /// They are deleted with the resource.
    Delete,
}

/// The volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
    "has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "storage.storageClassName is fixed: a volume cannot change its class; create another resource and move the events with relay export and relay import",
)])))]
pub struct Storage {
    /// Size of each claim. Fixed after creation.
    #[schemars(extend("x-kubernetes-validations" = schema::rules(&[
        (&size_rule(), &size_words()),
        (
            "self == oldSelf",
            "storage.size is fixed: volumes do not grow or shrink yet; create another resource and move the events with relay export and relay import",
        ),
    ])))]
    pub size: Size,
    /// StorageClass of the claims; without it the cluster's default. Fixed after creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
    /// Text of deleted events is gone from the files after this time at the latest; at least 10m. Hot.
    #[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
        "!self.matches('^([0-9]{1,6}(ms|s|m|h))+$') || duration(self) >= duration('10m')",
        "storage.eraseWithin must be at least 10m: files are rewritten for it",
    )])))]
    pub erase_within: Duration,
}

/// The relay refuses less in its own file too.
const SIZE_LEAST: Size = relay_config::Storage::SIZE_LEAST;

fn size_rule() -> String {
    format!(
        "isQuantity(self) && quantity(self).compareTo(quantity('{SIZE_LEAST}')) >= 0 && quantity(self).compareTo(quantity('1Pi')) <= 0"
    )
}

fn size_words() -> String {
    format!(
        "storage.size must be a quantity from {SIZE_LEAST} to 1Pi: log segments, index and reserve need {SIZE_LEAST}"
    )
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: "10Gi".parse().expect("10Gi is a size"),
            storage_class_name: None,
            erase_within: Duration::seconds(24 * 3600),
        }
    }
}

/// Type of the public Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Reachable in the cluster.
    #[default]
    ClusterIP,
    /// And on a port of every node.
    NodePort,
    /// And through the cloud's load balancer.
    LoadBalancer,
}

/// The public Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
    "self.type == 'LoadBalancer' || !has(self.loadBalancerSourceRanges) || size(self.loadBalancerSourceRanges) == 0",
    "service.loadBalancerSourceRanges needs service.type LoadBalancer",
)])))]
pub struct ServiceOptions {
    /// Type of the Service.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Annotations of the Service, for load balancers and DNS.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::texts::<4096>")]
    pub annotations: Texts,
    /// CIDRs from which the load balancer takes connections; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::cidrs::<64>")]
    pub load_balancer_source_ranges: Vec<String>,
}

/// Whether the operator writes a NetworkPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyMode {
    /// One that lets in what `ingressFrom` names and lets nothing out.
    #[default]
    Managed,
    /// None: somebody else guards the pods.
    None,
}

/// TLS on the public port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// A Secret of type kubernetes.io/tls in the same namespace, as cert-manager writes it. Its content is hot.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// Who may reach the pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
    "!self.proxyProtocol || (has(self.trustedProxies) && size(self.trustedProxies) > 0)",
    "network.proxyProtocol needs network.trustedProxies: without proxies nobody may connect",
)])))]
pub struct Network {
    /// Whether the operator writes a NetworkPolicy.
    pub policy: PolicyMode,
    /// Who may reach the public port (NetworkPolicyPeer). Empty: what the operator was told with `--ingress-from`, and
    /// without that the resource's own namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::peers")]
    pub ingress_from: Vec<NetworkPolicyPeer>,
    /// Addresses of proxies whose X-Forwarded-For or PROXY header names the client. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ranges::<64>")]
    pub trusted_proxies: Vec<Cidr>,
    /// The trusted proxies send a PROXY protocol header (v1 or v2) before everything else; nobody else may connect.
    pub proxy_protocol: bool,
}

/// Log lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Logging {
    /// The least important lines that are written. Hot.
    pub level: LogLevel,
    /// How lines are written.
    pub format: LogFormat,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Json,
        }
    }
}

/// CPU and memory of a pod, as in core/v1. What is not said: memory request and limit by kind, a small CPU request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What the scheduler sets aside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quantities")]
    pub requests: BTreeMap<String, IntOrString>,
    /// What the pod may not exceed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::quantities")]
    pub limits: BTreeMap<String, IntOrString>,
}

/// What may be said about the pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodOptions {
    /// Further labels of the pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::texts::<63>")]
    #[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
        "self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('nostrfleet.io/'))",
        "pod.labels must not name app.kubernetes.io/ or nostrfleet.io/ labels: the operator sets those",
    )])))]
    pub labels: Texts,
    /// Further annotations of the pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::texts::<4096>")]
    #[schemars(extend("x-kubernetes-validations" = schema::rules(&[(
        "self.all(k, !k.startsWith('nostrfleet.io/'))",
        "pod.annotations must not name nostrfleet.io/ annotations: the operator sets those",
    )])))]
    pub annotations: Texts,
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::texts::<63>")]
    pub node_selector: Texts,
    /// Taints that the pods bear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::list_of::<Toleration, 32>")]
    pub tolerations: Vec<Toleration>,
    /// Where pods should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::option_of::<Affinity>")]
    pub affinity: Option<Affinity>,
    /// How pods spread; replaces the operator's own spread over hosts and zones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::list_of::<TopologySpreadConstraint, 16>")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// PriorityClass of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub priority_class_name: Option<String>,
    /// Secrets with which the kubelet pulls the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::list_of::<LocalObjectReference, 16>")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Seconds that a stop may take: 5 until nothing is routed to the pod, 10 for the store, the rest to say goodbye.
    #[schemars(range(min = 10, max = 3600))]
    pub termination_grace_period_seconds: i64,
}

impl Default for PodOptions {
    fn default() -> Self {
        Self {
            labels: Texts::new(),
            annotations: Texts::new(),
            node_selector: Texts::new(),
            tolerations: Vec::new(),
            affinity: None,
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
            image_pull_secrets: Vec::new(),
            termination_grace_period_seconds: 60,
        }
    }
}
