//! Who was called for and not visited yet. kube's own queue tells nobody how long it is.

use super::memory::{ByResource, Key};
use crate::metrics::Metrics;
use std::time::Instant;

/// When each resource was called for that no visit has begun for since; counted in the metrics.
pub struct Queue {
    calls: ByResource<Instant>,
    metrics: Metrics,
}

impl Queue {
    /// An empty one.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            calls: ByResource::default(),
            metrics,
        }
    }

    /// Something concerns a resource. One visit answers all calls that came before it.
    pub fn called(&self, object: Key, now: Instant) {
        let is_new = self.calls.with(|calls| {
            let before = calls.len();
            calls.entry(object).or_insert(now);
            calls.len() > before
        });
        if is_new {
            self.metrics.waiting(1);
        }
    }

    /// A visit begins. One that nobody called for but its own schedule has not waited.
    pub fn begun(&self, object: &Key, now: Instant) {
        if let Some(called) = self.leave(object) {
            let waited = now.saturating_duration_since(called);
            self.metrics.waited(waited);
        }
    }

    /// A resource is gone, or never was.
    pub fn forget(&self, object: &Key) {
        self.leave(object);
    }

    fn leave(&self, object: &Key) -> Option<Instant> {
        let called = self.calls.forget(object)?;
        self.metrics.waiting(-1);
        Some(called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NostrRelay;
    use std::time::Duration;

    #[test]
    fn a_resource_waits_once_from_its_first_call_until_its_visit_begins() {
        let (metrics, start) = (Metrics::default(), Instant::now());
        let queue = Queue::new(metrics.clone());
        let key = |name| Key::named::<NostrRelay>(Some("here"), name);
        let says = |line: &str| {
            let line = format!("nostr_fleet_operator_{line}");
            assert!(metrics.text().lines().any(|have| have == line), "{line}");
        };
        queue.called(key("town"), start);
        queue.called(key("town"), start + Duration::from_secs(1));
        queue.called(key("city"), start);
        says("visits_waiting 2");
        queue.begun(&key("town"), start + Duration::from_secs(2));
        says("visits_waiting 1");
        says("visit_wait_seconds_sum 2.0");
        queue.begun(&key("town"), start + Duration::from_secs(9));
        says("visit_wait_seconds_count 1");
        queue.forget(&key("city"));
        queue.forget(&key("city"));
        says("visits_waiting 0");
        says("visit_wait_seconds_count 1");
    }
}
