//! What the relay counts, under the names that operators' dashboards know (docs/relay.md, "The ops port").
//!
//! The registry is a value: whoever counts is handed an [`Metrics`]. Every label comes from an enum or a fixed set, so no
//! client can make a new time series. Nothing here may block or allocate per event beyond a label look-up.

mod labels;
mod process;

pub use labels::{AuthFailure, Limited, Reloaded, kind_label};

use crate::wire::{Prefix, Verdict};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use relay_config::status::StoreStatus;

/// How the names of our own metrics begin.
const PREFIX: &str = "nostr_relay";

/// Media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// One label: its name and its value, both from this program.
type Label = [(&'static str, &'static str); 1];

/// Counters that differ in one label.
type Counters = Family<Label, Counter>;

/// All counters, gauges and histograms of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Open client connections (WebSocket sessions).
    pub active_connections: Gauge,
    /// Client connections since the start.
    pub connections: Counter,
    received: Counters,
    stored: Counters,
    rejected: Counters,
    /// Events that were known already.
    pub duplicates: Counter,
    /// Open subscriptions of all connections.
    pub active_subscriptions: Gauge,
    /// Seconds from REQ or COUNT to its last stored row.
    pub query_duration: Histogram,
    /// Seconds from a group's first event to its commit, `fdatasync` included.
    pub commit_duration: Histogram,
    /// Live events put into outboxes.
    pub deliveries: Counter,
    /// Ephemeral events that a subscription did not get because too much waited for it.
    pub ephemeral_lost: Counter,
    /// Connections closed because they did not read.
    pub slow_readers_dropped: Counter,
    limited: Counters,
    auth_failures: Counters,
    reloads: Counters,
    allowlists: Counters,
    allowlist_entries: Gauge,
    storage_bytes: Gauge,
    event_count: Gauge,
    log_bytes: Family<Label, Gauge>,
}

impl Metrics {
    /// A new registry with everything at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            active_connections: Gauge::default(),
            connections: Counter::default(),
            received: Family::default(),
            stored: Family::default(),
            rejected: Family::default(),
            duplicates: Counter::default(),
            active_subscriptions: Gauge::default(),
            query_duration: Histogram::new(BUCKETS),
            commit_duration: Histogram::new(BUCKETS),
            deliveries: Counter::default(),
            ephemeral_lost: Counter::default(),
            slow_readers_dropped: Counter::default(),
            limited: Family::default(),
            auth_failures: Family::default(),
            reloads: Family::default(),
            allowlists: Family::default(),
            allowlist_entries: Gauge::default(),
            storage_bytes: Gauge::default(),
            event_count: Gauge::default(),
            log_bytes: Family::default(),
        };
        metrics.register_traffic();
        metrics.register_work();
        metrics.register_state();
        metrics
    }

    /// Counts an EVENT frame whose event could be read.
    pub fn received(&self, kind: u16) {
        count(&self.received, ("kind", kind_label(kind)));
    }

    /// Counts an event that was committed.
    pub fn stored(&self, kind: u16) {
        count(&self.stored, ("kind", kind_label(kind)));
    }

    /// Counts an event that was not taken, by the first word of the verdict that its author got.
    pub fn rejected(&self, verdict: &Verdict) {
        let reason = verdict.prefix.unwrap_or(Prefix::Invalid);
        count(&self.rejected, ("reason", reason.as_str()));
    }

    /// Counts a client that ran into a bound.
    pub fn limited(&self, limit: Limited) {
        count(&self.limited, ("type", limit.as_str()));
    }

    /// Counts an AUTH that proved nothing.
    pub fn auth_failed(&self, failure: AuthFailure) {
        count(&self.auth_failures, ("reason", failure.as_str()));
    }

    /// Counts a changed configuration file.
    pub fn reloaded(&self, result: Reloaded) {
        count(&self.reloads, ("result", result.as_str()));
    }

    /// Counts modes and lists that were found beside a changed configuration, and says how many entries are in force.
    pub fn allowlist(&self, result: Reloaded, entries: u64) {
        count(&self.allowlists, ("result", result.as_str()));
        self.allowlist_entries.set(gauge(entries));
    }

    /// The OpenMetrics text, with the store's figures of this moment.
    pub fn render(&self, store: &StoreStatus) -> String {
        self.storage_bytes.set(gauge(store.used_bytes));
        self.event_count.set(gauge(store.events));
        for (state, bytes) in [
            ("live", store.log_live_bytes),
            ("dead", store.log_dead_bytes),
        ] {
            let label = [("state", state)];
            self.log_bytes.get_or_create(&label).set(gauge(bytes));
        }
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a String takes every text");
        out
    }

    fn register_traffic(&mut self) {
        let to = self.registry.sub_registry_with_prefix(PREFIX);
        to.register(
            "active_connections",
            "Open client connections",
            self.active_connections.clone(),
        );
        to.register(
            "connections",
            "Client connections since the start",
            self.connections.clone(),
        );
        to.register(
            "events_received",
            "Readable events received, by kind",
            self.received.clone(),
        );
        to.register(
            "events_stored",
            "Events committed, by kind",
            self.stored.clone(),
        );
        to.register(
            "events_rejected",
            "Events not taken, by reason",
            self.rejected.clone(),
        );
        to.register(
            "duplicates",
            "Events that were known already",
            self.duplicates.clone(),
        );
        to.register(
            "active_subscriptions",
            "Open subscriptions",
            self.active_subscriptions.clone(),
        );
        to.register(
            "deliveries",
            "Live events put into outboxes",
            self.deliveries.clone(),
        );
    }

    fn register_work(&mut self) {
        let to = self.registry.sub_registry_with_prefix(PREFIX);
        to.register(
            "query_duration_seconds",
            "From REQ or COUNT to its last stored row",
            self.query_duration.clone(),
        );
        to.register(
            "commit_duration_seconds",
            "Duration of a group commit",
            self.commit_duration.clone(),
        );
        to.register(
            "ephemeral_lost",
            "Live ephemeral events that a subscription did not get because too much waited for it",
            self.ephemeral_lost.clone(),
        );
        to.register(
            "slow_readers_dropped",
            "Connections closed because they did not read",
            self.slow_readers_dropped.clone(),
        );
        to.register(
            "rate_limit_hits",
            "Refusals because of a limit, by its type",
            self.limited.clone(),
        );
        to.register(
            "auth_failures",
            "AUTHs that proved nothing, by reason",
            self.auth_failures.clone(),
        );
        to.register(
            "config_reloads",
            "Changed configuration files, by result",
            self.reloads.clone(),
        );
        to.register(
            "allowlist_reloads",
            "Changed modes and lists of public keys, by result",
            self.allowlists.clone(),
        );
    }

    fn register_state(&mut self) {
        let to = self.registry.sub_registry_with_prefix(PREFIX);
        to.register(
            "storage_bytes",
            "Bytes that the store takes on disk",
            self.storage_bytes.clone(),
        );
        to.register(
            "event_count",
            "Events in the store",
            self.event_count.clone(),
        );
        to.register(
            "log_bytes",
            "Bytes of the log, by state",
            self.log_bytes.clone(),
        );
        to.register(
            "allowlist_entries",
            "Entries of the lists of public keys in force",
            self.allowlist_entries.clone(),
        );
        self.registry.register_collector(Box::new(process::Process));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn count(family: &Counters, label: (&'static str, &'static str)) {
    family.get_or_create(&[label]).inc();
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
