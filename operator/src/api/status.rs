//! What the operator says about a resource. Condition types and reasons are enums here and strings nowhere else.

use super::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The status of every kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true about the resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that serve.
    pub ready_replicas: i32,
    /// Selects the pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub selector: String,
    /// What clients type.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub url: String,
    /// The version that the pods say they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// The volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageStatus>,
    /// The lists of keys that are in force, or are about to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowlist: Option<AllowlistStatus>,
}

/// Modes and lists, as one thing: they change together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowlistStatus {
    /// SHA-256, in hex, of all that says who gets in: entries, modes, kinds, logins and addresses; empty while there never was a good list.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Entries of all lists together.
    #[schemars(with = "i64", range(min = 0))] // Kubernetes knows no uint64
    pub entries: u64,
    /// ConfigMaps that they come from, and one more if the spec holds some itself.
    #[schemars(with = "i64", range(min = 0))] // Kubernetes knows no uint64
    pub sources: u64,
    /// Pods that have it in force, of those that serve: `1/1`.
    #[schemars(length(max = 16))]
    pub applied: String,
    /// When the operator took this list for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 64))]
    pub rotated_at: Option<Time>,
}

/// The volume, in quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageStatus {
    /// What the spec asks for.
    #[schemars(length(max = 32))]
    pub requested: String,
    /// What the volume has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub capacity: Option<String>,
    /// What the store's files take, two digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub used: Option<String>,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The latest generation is in effect and the endpoint serves.
    Ready,
    /// Work is in progress; present only while True (kstatus).
    Reconciling,
    /// Nothing will move without a human; present only while True (kstatus).
    Stalled,
    /// At least one pod serves.
    Available,
    /// It serves, but less than was asked.
    Degraded,
    /// The spec and what it points at make sense.
    ConfigurationValid,
    /// Every pod that serves has the wanted modes and lists in force.
    AllowlistApplied,
    /// The volume is there and its data whole.
    StorageReady,
    /// The operator keeps its hands off; present only while True.
    Paused,
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not known yet.
    Pending,
    /// The endpoint serves.
    Serving,
    /// Pods are being replaced or started.
    RolloutInProgress,
    /// No pod serves.
    PodsUnavailable,
    /// `operation: Stopped`.
    Stopped,
    /// Pods have not taken the newest hot configuration yet.
    ConfigurationPropagating,
    /// A request to the API server failed and is repeated.
    Retrying,
    /// The spec breaks a rule.
    InvalidSpec,
    /// The spec asks for a change that a volume or a StatefulSet cannot make.
    ImmutableChange,
    /// An object of that name belongs to somebody else.
    NameTaken,
    /// The operator may not do what it must.
    Forbidden,
    /// The installed definitions do not fit this operator.
    CrdOutdated,
    /// Fewer pods serve than were asked for.
    ReplicaMissing,
    /// The volume has little room left.
    DiskAlmostFull,
    /// All is as the spec says.
    AsSpecified,
    /// Something that the spec names is not there.
    MissingReference,
    /// The pods refuse the configuration, the lists or the certificate.
    Rejected,
    /// A list has a line that is no entry, or is empty or too large: the last good lists stay.
    BadKey,
    /// The last good lists are in force, because newer ones cannot be.
    ListRejected,
    /// The wanted lists are in force.
    Applied,
    /// The wanted lists are on their way to the pods.
    Propagating,
    /// The spec makes sense.
    Valid,
    /// The claim waits for a volume.
    ClaimPending,
    /// The claim lost its volume.
    ClaimLost,
    /// The claim has a volume.
    Bound,
    /// Damaged segments were set aside.
    Quarantined,
    /// The annotation `nostrfleet.io/paused` is set.
    AnnotationSet,
}

impl ConditionType {
    /// All that the operator writes; others belong to others.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::Available,
        Self::Degraded,
        Self::ConfigurationValid,
        Self::AllowlistApplied,
        Self::StorageReady,
        Self::Paused,
    ];

    /// Is it there from the first status on? The others are present only while True.
    pub fn is_lasting(self) -> bool {
        !matches!(self, Self::Reconciling | Self::Stalled | Self::Paused)
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Status {
    /// The condition of a type.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        let name = type_.to_string();
        self.conditions
            .iter()
            .find(|condition| condition.type_ == name)
    }

    /// Is a condition True?
    pub fn is(&self, type_: ConditionType) -> bool {
        self.condition(type_)
            .is_some_and(|condition| condition.status == "True")
    }
}
