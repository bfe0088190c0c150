//! Settings that need a restart: the operator hashes them into the pod template.

use crate::{names, value};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

/// Settings that need a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Cold {
    /// What this process is.
    pub role: Role,
    /// Public address: WebSocket and HTTP.
    #[serde(deserialize_with = "value::socket_address")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub listen: SocketAddr,
    /// Address of `/livez /readyz /metrics /status`.
    #[serde(deserialize_with = "value::socket_address")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub ops: SocketAddr,
    /// The store's directory.
    pub data: PathBuf,
    /// A tmpfs that lives as long as the pod or the boot; default `$XDG_RUNTIME_DIR`, else `/dev/shm`.
    pub runtime_dir: Option<PathBuf>,
    /// How long a stop may take to say goodbye to its clients.
    pub grace: value::Duration,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// TLS on the public port; without it plain WebSockets.
    pub tls: Option<Tls>,
    /// Proxies in `hot.trustedProxies` send a PROXY protocol header (v1 or v2) before everything else; any other address is
    /// closed.
    pub proxy_protocol: bool,
}

impl Default for Cold {
    fn default() -> Self {
        Self {
            role: Role::Relay,
            listen: SocketAddr::from(([127, 0, 0, 1], names::PORT_WS)),
            ops: SocketAddr::from(([127, 0, 0, 1], names::PORT_OPS)),
            data: PathBuf::from("./data"),
            runtime_dir: None,
            grace: value::Duration::seconds(2),
            log_format: LogFormat::Text,
            tls: None,
            proxy_protocol: false,
        }
    }
}

/// The certificate of the public port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "a mapping of keys"
)]
pub struct Tls {
    /// Directory with `tls.crt` (the chain, leaf first) and `tls.key`, as a `kubernetes.io/tls` Secret is mounted. Both are read again when
    /// they change; a pair that does not fit together leaves the one in force.
    pub directory: PathBuf,
}

/// The role of a relay process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A Nostr relay.
    Relay,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
