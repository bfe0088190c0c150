//! Mounted ConfigMaps reach a pod at the kubelet's next look, up to 90 seconds later; a change of the pod's annotations makes
//! it look at once. So pods that say that they have something else are nudged, again and again until they have it.

use super::{Context, error::Error};
use crate::names;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Waits between nudges; the last one repeats. The kubelet's own copy of a ConfigMap may lag behind the first.
const GAPS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

/// Nudges after which a pod that says why it has something else is believed to refuse.
pub const PATIENCE: u32 = 4;

/// What is on its way to the pods of each resource.
#[derive(Debug, Default)]
pub struct Nudges {
    rounds: Mutex<HashMap<String, Round>>,
}

#[derive(Debug)]
struct Round {
    wanted: String,
    began: Instant,
    nudges: u32,
    last: Instant,
}

impl Nudges {
    /// Must the pods of a resource be nudged now? Counts it as done. `began` is when this visit did.
    pub fn due(&self, object: &str, wanted: &str, (began, now): (Instant, Instant)) -> bool {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Round {
            wanted: wanted.to_owned(),
            began,
            nudges: 0,
            last: now,
        };
        let round = rounds.entry(object.to_owned()).or_insert_with(fresh);
        if round.wanted != wanted {
            *round = fresh();
        }
        let due = match round.nudges.checked_sub(1) {
            None => true,
            Some(done) => {
                let gap = GAPS.get(done as usize).unwrap_or(&GAPS[GAPS.len() - 1]);
                now.saturating_duration_since(round.last) >= *gap
            }
        };
        if due {
            round.nudges = round.nudges.saturating_add(1);
            round.last = now;
        }
        due
    }

    /// How often the pods were nudged since something newer was written; 0 when they have all of it.
    pub fn count(&self, object: &str) -> u32 {
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.get(object).map_or(0, |round| round.nudges)
    }

    /// The pods have what is wanted: how long ago it was written, if it was news.
    pub fn arrived(&self, object: &str, now: Instant) -> Option<Duration> {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let round = rounds.remove(object)?;
        Some(now.saturating_duration_since(round.began))
    }

    /// A resource is gone.
    pub fn forget(&self, object: &str) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.remove(object);
    }
}

/// Changes the annotation of a pod. One that is gone needs none.
pub async fn nudge(context: &Context, pod: &Pod, wanted: &str) -> Result<(), Error> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    // The time: the kubelet looks only when something changed.
    let value = format!("{wanted} {}", Timestamp::now());
    let patch = serde_json::json!({
        "metadata": {"annotations": {names::ANNOTATION_CONFIGURATION: value}},
    });
    let pods = Api::<Pod>::namespaced(context.client.clone(), namespace);
    let patched = pods
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    match patched {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other
            .map(drop)
            .map_err(Error::of("patch", format!("pods {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_nudged_at_once_then_after_1_2_4_and_every_10_seconds() {
        let (nudges, start) = (Nudges::default(), Instant::now());
        let due = |tenths: u64| {
            let now = start + Duration::from_millis(tenths * 100);
            nudges.due("town", "a", (start, now))
        };
        let seen: Vec<u64> = (0..400).filter(|tenths| due(*tenths)).collect();
        assert_eq!(seen, [0, 10, 30, 70, 170, 270, 370]);
        assert_eq!(nudges.count("town"), 7);
    }

    #[test]
    fn something_newer_starts_over_and_what_arrived_is_timed_once() {
        let (nudges, start) = (Nudges::default(), Instant::now());
        let at = |seconds| (start, start + Duration::from_secs(seconds));
        assert!(nudges.due("town", "a", at(0)));
        assert!(!nudges.due("town", "a", at(0)));
        assert!(nudges.due("town", "b", at(0)));
        assert!(nudges.due("city", "b", at(0)));
        assert_eq!(nudges.count("town"), 1);
        let took = nudges.arrived("town", at(3).1);
        assert_eq!(took, Some(Duration::from_secs(3)));
        assert_eq!(nudges.arrived("town", at(4).1), None);
        assert_eq!((nudges.count("town"), nudges.count("city")), (0, 1));
    }
}
