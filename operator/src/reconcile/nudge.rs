//! Mounted ConfigMaps reach a pod at the kubelet's next look, up to 90 seconds later; a change of the pod's annotations makes
//! it look at once. So pods that say that they have something else are nudged, again and again until they have it. A nudge is
//! a courtesy: no visit fails for one.

use super::{
    Context,
    error::Error,
    gather::Gathered,
    memory::{ByResource, Key},
    workload,
};
use crate::{build::Plan, names};
use futures::future::join_all;
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Waits between nudges; the last one repeats. The kubelet's own copy of a ConfigMap may lag behind the first.
const GAPS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

/// Nudges after which a pod that says why it has something else is believed to refuse.
pub const PATIENCE: u32 = 4;

/// How long the API server may take for one nudge.
const ONE: Duration = Duration::from_secs(5);

/// What is on its way to the pods of each resource.
#[derive(Debug, Default)]
pub struct Nudges {
    rounds: ByResource<Round>,
}

#[derive(Debug)]
struct Round {
    news: News,
    nudges: u32,
    last: Instant,
}

/// What pods should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The hash of their configuration file.
    pub wanted: String,
    /// Does it bring other lists than before?
    pub rotates: bool,
    /// When the visit began that wrote it.
    pub began: Instant,
}

/// How far the newest configuration is on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nudged {
    /// Its hash; empty when the pods had all of it.
    pub wanted: String,
    /// How often the pods were nudged for it.
    pub times: u32,
}

impl Nudged {
    /// Is a pod that says why it has not the configuration of this hash believed to refuse it?
    pub fn enough(&self, wanted: &str) -> bool {
        self.wanted == wanted && self.times > PATIENCE
    }
}

impl Nudges {
    /// Must the pods of a resource be nudged now? Counts it as done.
    pub fn due(&self, object: &Key, news: News, now: Instant) -> bool {
        let fresh = |news| Round {
            news,
            nudges: 0,
            last: now,
        };
        self.rounds.with(|rounds| {
            let round = rounds
                .entry(object.clone())
                .or_insert_with(|| fresh(news.clone()));
            if round.news.wanted != news.wanted {
                *round = fresh(news.after(&round.news));
            }
            round.is_due(now)
        })
    }

    /// How often the pods were nudged, and for what.
    pub fn so_far(&self, object: &Key) -> Nudged {
        let nudged = |round: &Round| Nudged {
            wanted: round.news.wanted.clone(),
            times: round.nudges,
        };
        self.rounds
            .with(|rounds| rounds.get(object).map(nudged).unwrap_or_default())
    }

    /// The pods have what is wanted: what it was, if it was news.
    pub fn arrived(&self, object: &Key) -> Option<News> {
        self.rounds.forget(object).map(|round| round.news)
    }

    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.rounds.forget(object);
    }
}

impl Round {
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.nudges.checked_sub(1).is_none_or(|done| {
            let gap = GAPS.get(done as usize).unwrap_or(&GAPS[GAPS.len() - 1]);
            now.saturating_duration_since(self.last) >= *gap
        });
        if due {
            self.nudges = self.nudges.saturating_add(1);
            self.last = now;
        }
        due
    }
}

impl News {
    /// Lists that were on their way when something else changed still are, since then.
    fn after(self, old: &Self) -> Self {
        if self.rotates || !old.rotates {
            return self;
        }
        let wanted = self.wanted;
        Self {
            wanted,
            ..old.clone()
        }
    }
}

/// What a visit wrote, and for whom.
pub struct Delivery<'a> {
    /// The resource.
    pub key: &'a Key,
    /// What its pods said before.
    pub gathered: &'a Gathered,
    /// What was written.
    pub plan: &'a Plan,
    /// The same, for the pods.
    pub news: News,
}

impl Delivery<'_> {
    /// Nudges the pods that have something else than what is written by now, or notes that it has arrived.
    pub async fn send(self, context: &Context) {
        let (nudges, key) = (&context.memory.nudges, self.key);
        let behind = workload::behind(self.gathered, self.plan);
        if behind.is_empty() {
            if workload::has_arrived(self.gathered, self.plan) {
                note(context, key, nudges.arrived(key));
            }
            return;
        }
        let wanted = self.news.wanted[..12].to_owned();
        if nudges.due(key, self.news, Instant::now()) {
            join_all(behind.into_iter().map(|pod| nudge(context, pod, &wanted))).await;
        }
    }
}

fn note(context: &Context, key: &Key, arrived: Option<News>) {
    let Some(news) = arrived else { return };
    let took = news.began.elapsed();
    tracing::info!(object = %key, ?took, lists = news.rotates, "the pods have the newest configuration");
    if news.rotates {
        context.metrics.rotated(took);
    }
}

/// Changes the annotation of a pod. One that is gone needs none.
async fn nudge(context: &Context, pod: &Pod, wanted: &str) {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    // The time: the kubelet looks only when something changed.
    let value = format!("{wanted} {}", Timestamp::now());
    let patch = serde_json::json!({
        "metadata": {"annotations": {names::ANNOTATION_CONFIGURATION: value}},
    });
    let pods = Api::<Pod>::namespaced(context.client.clone(), namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let patched = match timeout(ONE, pods.patch(name, &params, &patch)).await {
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        Ok(patched) => patched.map(drop),
        Err(_) => Err(kube::Error::Service(
            format!("not done within {ONE:?}").into(),
        )),
    };
    let failed = patched
        .map_err(Error::of("patch", format!("pods {name}")))
        .err();
    context.metrics.nudged(failed.as_ref().map(Error::class));
    if let Some(error) = failed {
        tracing::warn!(namespace, %error, "a pod is not nudged: its kubelet looks by itself within 90 seconds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NostrRelay;

    fn key(name: &str) -> Key {
        Key::named::<NostrRelay>(Some("here"), name)
    }

    fn news(wanted: &str, began: Instant) -> News {
        News {
            wanted: wanted.to_owned(),
            rotates: false,
            began,
        }
    }

    #[test]
    fn pods_are_nudged_at_once_then_after_1_2_4_and_every_10_seconds() {
        let (nudges, start) = (Nudges::default(), Instant::now());
        let due = |tenths: u64| {
            let now = start + Duration::from_millis(tenths * 100);
            nudges.due(&key("town"), news("a", start), now)
        };
        let seen: Vec<u64> = (0..400).filter(|tenths| due(*tenths)).collect();
        assert_eq!(seen, [0, 10, 30, 70, 170, 270, 370]);
        assert_eq!(nudges.so_far(&key("town")).times, 7);
    }

    #[test]
    fn something_newer_starts_over_and_what_arrived_is_told_once() {
        let (nudges, start) = (Nudges::default(), Instant::now());
        let due = |name, wanted| nudges.due(&key(name), news(wanted, start), start);
        assert!(due("town", "a"));
        assert!(!due("town", "a"));
        assert!(due("town", "b"));
        assert!(due("city", "b"));
        let nudged = nudges.so_far(&key("town"));
        assert_eq!((nudged.wanted.as_str(), nudged.times), ("b", 1));
        assert_eq!(nudges.arrived(&key("town")), Some(news("b", start)));
        assert_eq!(nudges.arrived(&key("town")), None);
        let left = ["town", "city"].map(|name| nudges.so_far(&key(name)).times);
        assert_eq!(left, [0, 1]);
    }

    #[test]
    fn lists_on_their_way_are_timed_from_their_own_visit_whatever_else_changes_meanwhile() {
        let (nudges, start) = (Nudges::default(), Instant::now());
        let later = start + Duration::from_secs(3);
        let rotation = |wanted, began| News {
            rotates: true,
            ..news(wanted, began)
        };
        nudges.due(&key("town"), rotation("a", start), start);
        nudges.due(&key("town"), news("b", later), later);
        assert_eq!(nudges.arrived(&key("town")), Some(rotation("b", start)));
        nudges.due(&key("town"), rotation("c", start), start);
        nudges.due(&key("town"), rotation("d", later), later);
        assert_eq!(nudges.arrived(&key("town")), Some(rotation("d", later)));
    }

    #[test]
    fn a_pod_that_complains_is_believed_after_five_nudges_for_the_same_file() {
        let nudged = |times| Nudged {
            wanted: "a".to_owned(),
            times,
        };
        assert!(!nudged(PATIENCE).enough("a"));
        assert!(nudged(PATIENCE + 1).enough("a"));
        assert!(!nudged(PATIENCE + 1).enough("b"));
    }
}
