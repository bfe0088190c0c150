//! Metrics of the operator. Labels come from enums and constants only; docs/operator.md lists them, and a test compares.

use crate::reconcile::error::Class;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{sync::Arc, time::Duration};

type Labels = Vec<(&'static str, &'static str)>;

/// Handles of all metrics; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    visits: Family<Labels, Counter>,
    seconds: Histogram,
    running: Gauge,
    retrying: Gauge,
    rotation: Histogram,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("nostr_fleet_operator");
        let metrics = Self {
            registry: Arc::default(),
            visits: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.005, 2.0, 12)),
            running: Gauge::default(),
            retrying: Gauge::default(),
            rotation: Histogram::new(exponential_buckets(0.1, 2.0, 12)),
            leader: Gauge::default(),
        };
        registry.register(
            "reconciles",
            "Visits to resources by kind and by result: `ok` or the class of the error",
            metrics.visits.clone(),
        );
        registry.register(
            "reconcile_seconds",
            "Duration of a visit",
            metrics.seconds.clone(),
        );
        registry.register(
            "visits_running",
            "Visits that have begun and not ended",
            metrics.running.clone(),
        );
        registry.register(
            "resources_retrying",
            "Resources whose last visit failed and that wait for the next",
            metrics.retrying.clone(),
        );
        registry.register(
            "rotation_seconds",
            "From seeing a changed list to all pods having it in force",
            metrics.rotation.clone(),
        );
        registry.register(
            "leader",
            "1 while this operator works, 0 while it stands by",
            metrics.leader.clone(),
        );
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }
}

/// A visit that has begun; dropped, it has ended, however that came.
pub struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// One visit begins.
    #[must_use]
    pub fn visiting(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    /// One visit ended.
    pub fn visited(&self, app: &'static str, failure: Option<Class>, took: Duration) {
        let result = failure.map_or("ok", Class::label);
        let labels = vec![("kind", app), ("result", result)];
        self.visits.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// So many resources wait for another attempt.
    pub fn retrying(&self, resources: usize) {
        self.retrying
            .set(i64::try_from(resources).unwrap_or(i64::MAX));
    }

    /// A changed list is in force on all pods, so long after it was seen.
    pub fn rotated(&self, took: Duration) {
        self.rotation.observe(took.as_secs_f64());
    }

    /// Do we work, or stand by?
    pub fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All metrics in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
