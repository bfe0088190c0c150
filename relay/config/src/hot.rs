//! Settings that swap in place when the file changes.

use crate::{Access, Auth, Cidr, Info, Limits, access::Addresses, value};
use serde::{Deserialize, Serialize};

/// Settings that swap in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Hot {
    /// What clients type: `ws://` or `wss://`, host, optional port and path. Logins (NIP-42) and requests to vanish (NIP-62) name it.
    pub url: Option<String>,
    /// The relay information document's texts (NIP-11).
    pub info: Info,
    /// What one client may ask.
    pub limits: Limits,
    /// Who may read and write.
    pub access: Access,
    /// When clients must say who they are (NIP-42).
    pub auth: Auth,
    /// From where clients may come.
    pub addresses: Addresses,
    /// Addresses of proxies whose `X-Forwarded-For` or PROXY header names the client.
    pub trusted_proxies: Vec<Cidr>,
    /// The least important log lines that are written.
    pub log_level: LogLevel,
    /// The volume.
    pub storage: Storage,
}

impl Default for Hot {
    fn default() -> Self {
        Self {
            url: None,
            info: Info::default(),
            limits: Limits::default(),
            access: Access::default(),
            auth: Auth::default(),
            addresses: Addresses::default(),
            trusted_proxies: Vec::new(),
            log_level: LogLevel::Info,
            storage: Storage::default(),
        }
    }
}

/// What the store may use and how soon deleted text leaves the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Storage {
    /// Size of the claim, where the file system does not tell: the smaller of both counts; at least 256Mi.
    pub size: Option<value::Size>,
    /// Text of deleted and vanished events is gone from the files after this time at the latest; at least 10m.
    pub erase_within: value::Duration,
}

impl Storage {
    /// Log segments, index and reserve need as much. The custom resource has the same rule from here.
    pub const SIZE_LEAST: value::Size = value::Size::mebibytes(256);
    /// Shorter ones would have files rewritten without pause as long as anybody deletes.
    pub const ERASE_WITHIN_LEAST: value::Duration = value::Duration::seconds(10 * 60);
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: None,
            erase_within: value::Duration::seconds(24 * 3600),
        }
    }
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}
