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
    waiting: Gauge,
    waits: Histogram,
    running: Gauge,
    retrying: Gauge,
    nudges: Family<Labels, Counter>,
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
            waiting: Gauge::default(),
            waits: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
            running: Gauge::default(),
            retrying: Gauge::default(),
            nudges: Family::default(),
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
            "visits_waiting",
            "The queue: resources that were called for and whose visit has not begun",
            metrics.waiting.clone(),
        );
        registry.register(
            "visit_wait_seconds",
            "Time in the queue: from the first call for a resource to the beginning of its visit",
            metrics.waits.clone(),
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
            "nudges",
            "Annotations of pods that make the kubelet bring them a newer configuration at once, by result: `ok` or the class of the error",
            metrics.nudges.clone(),
        );
        registry.register(
            "rotation_seconds",
            "From the beginning of the visit that saw changed lists to the answer of a ready pod that has them in force, when no pod is left that has others",
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

    /// So many more resources wait for their visit, or fewer.
    pub fn waiting(&self, change: i64) {
        self.waiting.inc_by(change);
    }

    /// A visit begins, so long after it was called for.
    pub fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    /// A pod was nudged, or was not.
    pub fn nudged(&self, failure: Option<Class>) {
        let labels = vec![("result", failure.map_or("ok", Class::label))];
        self.nudges.get_or_create(&labels).inc();
    }

    /// So many resources wait for another attempt.
    pub fn retrying(&self, resources: usize) {
        self.retrying
            .set(i64::try_from(resources).unwrap_or(i64::MAX));
    }

    /// Changed lists are in force, so long after the visit began that saw them.
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
