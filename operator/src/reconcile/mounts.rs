//! What a kubelet cannot mount. The operator reads no Secret, so that one is missing is learnt from the pod's events.

use super::{
    Context,
    error::Error,
    memory::{ByResource, Key},
};
use crate::kinds::Kind;
use futures::future::try_join_all;
use k8s_openapi::{
    api::core::v1::{Event, Pod},
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, ResourceExt, api::ListParams};
use std::time::{Duration, Instant};

/// Something that a pod should mount and the kubelet does not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmounted {
    /// The pod that lacks it.
    pub pod: String,
    /// `Secret town-tls`.
    pub object: String,
    /// The key that the object lacks; without it the object itself is not there.
    pub key: Option<String>,
    /// Does the pod wait for it in order to start? Otherwise it runs, and would wait the next time.
    pub starts: bool,
}

/// Events of one pod that are looked at.
const EVENTS: u32 = 100;
/// The reason of the events that matter.
const FAILED: &str = "FailedMount";
/// How long the event of a running pod is believed. The kubelet tries every two minutes, but of something that fails for an
/// hour it writes an event every five.
const YOUNG: SignedDuration = SignedDuration::from_secs(420);
/// Running pods are looked at this often: a list of events costs the API server more than most requests.
const EVERY: Duration = Duration::from_secs(60);

/// What running pods lacked at the last look.
#[derive(Debug, Default)]
pub struct Looks {
    seen: ByResource<(Instant, Vec<Unmounted>)>,
}

impl Looks {
    fn recent(&self, object: &Key, now: Instant) -> Option<Vec<Unmounted>> {
        let (at, found) = self.seen.with(|seen| seen.get(object).cloned())?;
        (now.saturating_duration_since(at) < EVERY).then_some(found)
    }

    fn put(&self, object: &Key, found: Vec<Unmounted>, now: Instant) {
        let seen = (now, found);
        self.seen.with(|all| all.insert(object.clone(), seen));
    }

    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.seen.forget(object);
    }
}

/// What pods lack that wait to be started; and those that run, if they have a Secret that may go.
pub async fn look<K: Kind>(
    context: &Context,
    object: &K,
    pods: &[Pod],
) -> Result<Vec<Unmounted>, Error> {
    let waiting = pods.iter().filter(|pod| waits(pod));
    let mut found = ask(context, waiting.collect()).await?;
    if object.common().tls.is_some() {
        let (looks, key) = (&context.memory.looks, Key::of::<K>(object.meta()));
        if let Some(recent) = looks.recent(&key, Instant::now()) {
            found.extend(recent);
        } else {
            let running = pods.iter().filter(|pod| runs(pod));
            let lacking = ask(context, running.collect()).await?;
            looks.put(&key, lacking.clone(), Instant::now());
            found.extend(lacking);
        }
    }
    Ok(found)
}

async fn ask(context: &Context, pods: Vec<&Pod>) -> Result<Vec<Unmounted>, Error> {
    let looks = pods.into_iter().map(|pod| async move {
        let namespace = pod.namespace().unwrap_or_default();
        let events = Api::<Event>::namespaced(context.client.clone(), &namespace);
        let fields = format!(
            "involvedObject.kind=Pod,involvedObject.uid={}",
            pod.uid().unwrap_or_default()
        );
        let asked = ListParams::default().fields(&fields).limit(EVENTS);
        let list = events.list(&asked).await;
        let list = list.map_err(Error::of("list", "events"))?;
        Ok::<_, Error>(lacks(pod, &list.items, Timestamp::now()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Has a pod a node, and a container that is not made yet?
pub fn waits(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
    let mut reasons = status.container_statuses.iter().flatten().map(|container| {
        container
            .state
            .as_ref()?
            .waiting
            .as_ref()?
            .reason
            .as_deref()
    });
    node.is_some()
        && status.phase.as_deref() == Some("Pending")
        && reasons.all(|reason| reason == Some("ContainerCreating"))
}

fn runs(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    phase == Some("Running")
}

/// What a pod lacks, by its events. Of a pod that waits the last word counts: once its container is tried nothing is missing
/// any more. A pod that runs hears no other word, so there it must be a young one.
fn lacks(pod: &Pod, events: &[Event], now: Timestamp) -> Option<Unmounted> {
    let failed = |event: &&Event| event.reason.as_deref() == Some(FAILED);
    let told = events.iter().filter(failed).filter_map(|event| {
        let lacking = understand(&pod.name_any(), event.message.as_deref()?)?;
        Some((time(event)?, lacking))
    });
    let (at, lacking) = told.max_by_key(|(at, _)| *at)?;
    let starts = waits(pod);
    let others = events.iter().filter(|event| !failed(event));
    let holds = if starts {
        others
            .filter_map(time)
            .max()
            .is_none_or(|other| other <= at)
    } else {
        now.duration_since(at) < YOUNG
    };
    holds.then_some(Unmounted { starts, ..lacking })
}

/// When an event was seen last. Who writes it decides which of three fields says so.
fn time(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|it| it.last_observed_time.as_ref());
    let times = [
        series.map(|time| time.0),
        event.last_timestamp.as_ref().map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
    ];
    times.into_iter().flatten().max()
}

/// `… secret "town-tls" not found`, `… references non-existent secret key: tls.crt`.
fn understand(pod: &str, message: &str) -> Option<Unmounted> {
    let found = |object: String, key| Unmounted {
        pod: pod.to_owned(),
        object,
        key,
        starts: true,
    };
    for (word, kind) in [("secret", "Secret"), ("configmap", "ConfigMap")] {
        let missing = format!("references non-existent {word} key: ");
        if let Some((_, key)) = message.split_once(&missing) {
            let key = key.split_whitespace().next()?.to_owned();
            return Some(found(kind.to_owned(), Some(key)));
        }
        let Some((_, rest)) = message.split_once(&format!("{word} \"")) else {
            continue;
        };
        let (name, rest) = rest.split_once('"')?;
        if rest.trim_start().starts_with("not found") {
            return Some(found(format!("{kind} {name}"), None));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_s_words_name_what_is_missing() {
        let named = |message: &str| {
            let it = understand("town-0", message)?;
            Some((it.object, it.key))
        };
        assert_eq!(
            named("MountVolume.SetUp failed for volume \"tls\" : secret \"town-tls\" not found"),
            Some(("Secret town-tls".to_owned(), None))
        );
        assert_eq!(
            named(
                "MountVolume.SetUp failed for volume \"config\" : configmap \"town-config\" not found"
            ),
            Some(("ConfigMap town-config".to_owned(), None))
        );
        assert_eq!(
            named(
                "MountVolume.SetUp failed for volume \"tls\" : references non-existent secret key: tls.crt"
            ),
            Some(("Secret".to_owned(), Some("tls.crt".to_owned())))
        );
        for other in [
            "Unable to attach or mount volumes: unmounted volumes=[tls]: timed out waiting for the condition",
            "MountVolume.SetUp failed for volume \"tls\" : failed to sync secret cache: timed out waiting for the condition",
            "",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    fn pod(status: &str) -> Pod {
        let text = format!(
            "{{metadata: {{name: town-0}}, spec: {{nodeName: n, containers: []}}, status: {status}}}"
        );
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        serde_json::from_value(value).unwrap()
    }

    const NEW: &str = "{phase: Pending}";
    const CREATING: &str = "{phase: Pending, containerStatuses: [{name: relay, image: i, imageID: i, ready: false, restartCount: 0, state: {waiting: {reason: ContainerCreating}}}]}";
    const PULLING: &str = "{phase: Pending, containerStatuses: [{name: relay, image: i, imageID: i, ready: false, restartCount: 0, state: {waiting: {reason: ImagePullBackOff}}}]}";
    const RUNNING: &str = "{phase: Running}";

    /// An event so many seconds ago.
    fn event(reason: &str, message: &str, ago: i64) -> Event {
        let at = Timestamp::UNIX_EPOCH - SignedDuration::from_secs(ago);
        serde_json::from_value(serde_json::json!({
            "metadata": {}, "involvedObject": {}, "reason": reason, "message": message, "lastTimestamp": at.to_string(),
        }))
        .unwrap()
    }

    fn said(status: &str, events: &[Event]) -> Option<(String, Option<String>)> {
        let lacking = lacks(&pod(status), events, Timestamp::UNIX_EPOCH)?;
        Some((lacking.object, lacking.key))
    }

    const GONE: &str = "secret \"town-tls\" not found";
    const NO_KEY: &str = "references non-existent secret key: tls.crt";

    #[test]
    fn of_several_events_the_newest_is_believed_whatever_their_order() {
        let there = Some(("Secret".to_owned(), Some("tls.crt".to_owned())));
        let mut events = [event(FAILED, GONE, 90), event(FAILED, NO_KEY, 30)];
        assert_eq!(said(CREATING, &events), there);
        events.reverse();
        assert_eq!(said(CREATING, &events), there);
        assert_eq!(said(NEW, &events), there);
    }

    #[test]
    fn what_was_missing_before_the_image_was_pulled_is_no_longer_missing() {
        let (scheduled, gone) = (event("Scheduled", "", 91), event(FAILED, GONE, 90));
        assert!(said(CREATING, &[scheduled.clone(), gone.clone()]).is_some());
        let pulling = event("Pulling", "", 60);
        assert_eq!(said(CREATING, &[scheduled, gone, pulling]), None);
        assert!(!waits(&pod(PULLING)) && waits(&pod(CREATING)) && waits(&pod(NEW)));
    }

    #[test]
    fn a_pod_that_runs_is_believed_to_lack_what_it_lacked_minutes_ago_and_not_an_hour_ago() {
        let lacking = |ago| {
            lacks(
                &pod(RUNNING),
                &[event(FAILED, GONE, ago)],
                Timestamp::UNIX_EPOCH,
            )
        };
        assert!(lacking(300).is_some_and(|it| !it.starts));
        assert_eq!(lacking(3600), None);
    }

    #[test]
    fn a_running_pod_s_events_are_read_once_a_minute() {
        use crate::api::NostrRelay;
        let (looks, start) = (Looks::default(), Instant::now());
        let key = Key::named::<NostrRelay>(Some("here"), "town");
        assert_eq!(looks.recent(&key, start), None);
        looks.put(&key, Vec::new(), start);
        let after = |seconds| looks.recent(&key, start + Duration::from_secs(seconds));
        assert_eq!(after(59), Some(Vec::new()));
        assert_eq!(after(61), None);
        looks.forget(&key);
        assert_eq!(after(1), None);
    }
}
