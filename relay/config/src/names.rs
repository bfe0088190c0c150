//! Ports, paths and file names that the operator writes and the relay serves.

/// Public port without TLS.
pub const PORT_WS: u16 = 8080;
/// Public port with TLS.
pub const PORT_WSS: u16 = 8443;
/// Ops port: `/livez /readyz /metrics /status`. Never public.
pub const PORT_OPS: u16 = 9090;

/// Liveness: the event loop's heartbeat only.
pub const PATH_LIVEZ: &str = "/livez";
/// Readiness: store writable, not draining.
pub const PATH_READYZ: &str = "/readyz";
/// Prometheus metrics.
pub const PATH_METRICS: &str = "/metrics";
/// The [`crate::Status`] document.
pub const PATH_STATUS: &str = "/status";
/// Rewrites what holds deleted text at once (POST).
pub const PATH_COMPACT: &str = "/compact";
/// Public health: status, version, uptime.
pub const PATH_HEALTH: &str = "/health";

/// The configuration file's name in its ConfigMap and mount.
pub const CONFIG_FILE: &str = "relay.yaml";
/// Where the ConfigMap is mounted in the pod.
pub const CONFIG_DIR: &str = "/etc/nostr-fleet";
/// Where the volume is mounted in the pod.
pub const DATA_DIR: &str = "/data";
/// A tmpfs that lives as long as the pod: the store's run token stands there.
pub const RUNTIME_DIR: &str = "/run/nostr-fleet";
/// Where a TLS Secret is mounted in the pod.
pub const TLS_DIR: &str = "/etc/nostr-fleet-tls";
/// The certificate chain in a `kubernetes.io/tls` Secret, leaf first.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// The private key in a `kubernetes.io/tls` Secret.
pub const TLS_KEY: &str = "tls.key";

/// Name of a shard of the allowlist, beside the configuration file; also the suffix of its ConfigMap.
pub fn shard(number: usize) -> String {
    format!("allowlist-{number:02}")
}
