//! Counters of the operator. Labels come from enums and constants only.

use crate::reconcile::error::Class;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
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
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("nostr_fleet_operator");
        let visits = Family::<Labels, Counter>::default();
        let seconds = Histogram::new(exponential_buckets(0.005, 2.0, 12));
        registry.register("reconciles", "Visits by kind and result", visits.clone());
        registry.register("reconcile_seconds", "Duration of visits", seconds.clone());
        Self {
            registry: Arc::new(registry),
            visits,
            seconds,
        }
    }
}

impl Metrics {
    /// One visit ended.
    pub fn visited(&self, app: &'static str, failure: Option<Class>, took: Duration) {
        let result = failure.map_or("ok", Class::label);
        let labels = vec![("kind", app), ("result", result)];
        self.visits.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// All metrics in the text format of Prometheus.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
