//! Names, labels, annotation keys and ports: once, for code and tests alike. What the pods must know too stands in
//! `relay_config::names`.

/// Field manager of everything that is applied.
pub const MANAGER: &str = "nostr-fleet-operator";
/// `app.kubernetes.io/part-of` of everything.
pub const PART_OF: &str = "nostr-fleet";

/// Label: which program.
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// Label: which resource.
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
/// Label: what it is within the resource.
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
/// Label: the family.
pub const LABEL_PART_OF: &str = "app.kubernetes.io/part-of";
/// Label: who writes it.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label that every namespace has.
pub const LABEL_NAMESPACE: &str = "kubernetes.io/metadata.name";

/// Annotation of the pod template: SHA-256 of the cold configuration.
pub const ANNOTATION_COLD: &str = "nostrfleet.io/cold-configuration";
/// Annotation of a resource: the operator keeps its hands off while this is `true`.
pub const ANNOTATION_PAUSED: &str = "nostrfleet.io/paused";

/// Annotation of a pod: the configuration that it should have. A change makes the kubelet bring it at once.
pub const ANNOTATION_CONFIGURATION: &str = "nostrfleet.io/configuration";

/// Name of the claim template.
pub const CLAIM: &str = "data";
/// Name of the only container.
pub const CONTAINER: &str = "relay";
/// Name of the public port.
pub const PORT_WS: &str = "ws";
/// Name of the public port with TLS.
pub const PORT_WSS: &str = "wss";
/// Name of the ops port.
pub const PORT_OPS: &str = "ops";

/// Seconds between the start of a pod's deletion and SIGTERM, in which nothing new is routed to it.
pub const PRE_STOP_SECONDS: i64 = 5;
/// Seconds of the grace period that are kept for closing the store.
pub const CLOSE_SECONDS: i64 = 10;

/// The selector of everything that the operator writes.
pub fn managed() -> String {
    format!("{LABEL_MANAGED_BY}={MANAGER}")
}

/// The selector of everything that it does not.
pub fn not_managed() -> String {
    format!("{LABEL_MANAGED_BY}!={MANAGER}")
}

/// The ConfigMap's name.
pub fn config(name: &str) -> String {
    format!("{name}-config")
}

/// The name of the ConfigMap with a shard of the lists.
pub fn shard(name: &str, number: usize) -> String {
    format!("{name}-{}", relay_config::names::shard(number))
}

/// The headless Service's name.
pub fn headless(name: &str) -> String {
    format!("{name}-headless")
}
