//! What `GET /status` on the ops port answers. The operator builds `status` from it; people read it with curl.

use crate::Role;
use serde::{Deserialize, Serialize};

/// The status document. Fields may be added, never removed or given another meaning: an operator reads older pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Role of the process.
    pub role: Role,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Does it take traffic?
    pub ready: bool,
    /// Why it is not ready, in words; empty when it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub not_ready: String,
    /// Is it saying goodbye?
    pub draining: bool,
    /// Open client connections.
    pub connections: u64,
    /// Open subscriptions.
    pub subscriptions: u64,
    /// The configuration in force.
    pub configuration: ConfigurationStatus,
    /// Who may read and write, as it is in force.
    #[serde(default)]
    pub access: AccessStatus,
    /// The certificate in force; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStatus>,
    /// The store.
    pub store: StoreStatus,
}

/// Who gets in: which lists are in force, on which terms, and why newer ones are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessStatus {
    /// The generation in force ([`crate::Lists::generation`]); empty while none is known and nobody is served, and for the
    /// moment in which a new one is being kept in the volume: what is told here outlives the process.
    pub hash: String,
    /// Entries of all lists together.
    pub entries: u64,
    /// Why newer modes and lists are not in force; empty when they are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Which certificate is in force, and why a newer one is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsStatus {
    /// SHA-256 of the leaf certificate in hex.
    pub fingerprint: String,
    /// Why the newest pair of files is not in force; empty when it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Which configuration is in force, and why a newer one is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigurationStatus {
    /// SHA-256 of the file's bytes that is in force, hex; empty without a file.
    pub hash: String,
    /// Why the newest file is not in force; empty when it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Cold keys that changed since the start and wait for a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for_restart: Vec<String>,
}

/// What the store holds and how it fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StoreStatus {
    /// Identity of this store, made once.
    pub store_id: String,
    /// Format of the files.
    pub format: u32,
    /// Number of the last commit.
    pub committed: u64,
    /// Events in the view.
    pub events: u64,
    /// Bytes that the store's files take on disk.
    pub used_bytes: u64,
    /// Bytes that the store may use: the claim or the file system, whichever is smaller.
    pub capacity_bytes: u64,
    /// Log bytes of events that are still in the view.
    pub log_live_bytes: u64,
    /// Log bytes that compaction would free.
    pub log_dead_bytes: u64,
    /// Is the volume too full to take events? Deletions still work.
    pub full: bool,
    /// Damaged segments that were set aside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantine>,
    /// What the last start had to do: `Empty`, `Clean`, `Replayed` or `Rebuilt`.
    pub start: String,
}

/// A damaged segment that was set aside, its readable entries kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quarantine {
    /// The file that was set aside.
    pub file: String,
    /// First and last number of each lost run, both included.
    pub lost: Vec<(u64, u64)>,
    /// When it was set aside, in Unix seconds.
    pub set_aside_at: u64,
    /// When the file is erased, as it may hold text that was deleted, in Unix seconds; absent: it is erased, and this note is what is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase_at: Option<u64>,
}

impl Quarantine {
    /// The lost numbers for people: `8-8, 12-40`, or `none`.
    pub fn numbers(&self) -> String {
        if self.lost.is_empty() {
            return "none".to_owned();
        }
        let runs = self.lost.iter().map(|(from, to)| format!("{from}-{to}"));
        runs.collect::<Vec<_>>().join(", ")
    }
}
