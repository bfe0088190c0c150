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
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

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

/// What the events of running pods said at the last look, by the pod's uid: a new pod hears nothing of an older one.
#[derive(Debug, Default)]
pub struct Looks {
    seen: ByResource<HashMap<String, (Instant, Told)>>,
}

impl Looks {
    fn recent(&self, object: &Key, pod: &str, now: Instant) -> Option<Told> {
        let seen = |seen: &mut HashMap<Key, HashMap<_, _>>| seen.get(object)?.get(pod).cloned();
        let (at, told) = self.seen.with(seen)?;
        (now.saturating_duration_since(at) < EVERY).then_some(told)
    }

    fn put(&self, object: &Key, pod: String, told: Told, now: Instant) {
        self.seen.with(|all| {
            let seen = all.entry(object.clone()).or_default();
            seen.insert(pod, (now, told));
        });
    }

    /// Only these pods are there.
    fn keep(&self, object: &Key, pods: &[Pod]) {
        let there = |uid: &str| pods.iter().any(|pod| pod.uid().as_deref() == Some(uid));
        self.seen.with(|all| {
            if let Some(seen) = all.get_mut(object) {
                seen.retain(|uid, _| there(uid));
            }
        });
    }

    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.seen.forget(object);
    }
}

/// What the events of a pod say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    /// The newest complaint that something cannot be mounted.
    lacking: Option<(Timestamp, Unmounted)>,
    /// The newest event about anything else.
    other: Option<Timestamp>,
}

/// What pods lack that wait to be started; and those that run, if they have a Secret that may go.
pub async fn look<K: Kind>(
    context: &Context,
    object: &K,
    pods: &[Pod],
) -> Result<Vec<Unmounted>, Error> {
    let key = Key::of::<K>(object.meta());
    context.memory.looks.keep(&key, pods);
    let has_secret = object.common().tls.is_some();
    let doubtful = |pod: &&Pod| waits(pod) || (has_secret && runs(pod));
    let looks = pods.iter().filter(doubtful).map(|pod| async {
        let told = told(context, &key, pod).await?;
        Ok::<_, Error>(lacks(pod, &told, Timestamp::now()))
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// What is judged is always now; only a running pod's events may be a minute old.
async fn told(context: &Context, object: &Key, pod: &Pod) -> Result<Told, Error> {
    let (looks, uid) = (&context.memory.looks, pod.uid().unwrap_or_default());
    if !runs(pod) {
        return ask(context, pod, &uid).await;
    }
    if let Some(told) = looks.recent(object, &uid, Instant::now()) {
        return Ok(told);
    }
    let told = ask(context, pod, &uid).await?;
    looks.put(object, uid, told.clone(), Instant::now());
    Ok(told)
}

async fn ask(context: &Context, pod: &Pod, uid: &str) -> Result<Told, Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let events = Api::<Event>::namespaced(context.client.clone(), &namespace);
    let fields = format!("involvedObject.kind=Pod,involvedObject.uid={uid}");
    let asked = ListParams::default().fields(&fields).limit(EVENTS);
    let list = events.list(&asked).await;
    let list = list.map_err(Error::of("list", "events"))?;
    Ok(told_by(&pod.name_any(), &list.items))
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

/// When a running pod's container was started last: all that it mounts was there then.
fn started(pod: &Pod) -> Option<Timestamp> {
    let containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    let states = containers.flat_map(|container| [&container.state, &container.last_state]);
    let times = states.flatten().flat_map(|state| {
        let running = state.running.as_ref().and_then(|it| it.started_at.as_ref());
        let ended = state.terminated.as_ref();
        [running, ended.and_then(|it| it.started_at.as_ref())]
    });
    times.flatten().map(|time| time.0).max()
}

fn told_by(pod: &str, events: &[Event]) -> Told {
    let failed = |event: &&Event| event.reason.as_deref() == Some(FAILED);
    let lacking = events.iter().filter(failed).filter_map(|event| {
        let lacking = understand(pod, event.message.as_deref()?)?;
        Some((time(event)?, lacking))
    });
    let others = events.iter().filter(|event| !failed(event));
    Told {
        lacking: lacking.max_by_key(|(at, _)| *at),
        other: others.filter_map(time).max(),
    }
}

/// What a pod lacks, by its events. Of a pod that waits the last word counts: once its container is tried nothing is missing
/// any more. A pod that runs hears no other word, so there it must be a young one, and one from after the start.
fn lacks(pod: &Pod, told: &Told, now: Timestamp) -> Option<Unmounted> {
    let (at, lacking) = told.lacking.as_ref()?;
    let starts = waits(pod);
    let holds = if starts {
        told.other.is_none_or(|other| other <= *at)
    } else {
        // Both are written in whole seconds. A mount that failed in the second of the start failed before it.
        let later = |start: Timestamp| at.as_second() > start.as_second();
        now.duration_since(*at) < YOUNG && started(pod).is_some_and(later)
    };
    holds.then(|| Unmounted {
        starts,
        ..lacking.clone()
    })
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

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    /// A pod that runs, whose container was started so many seconds ago.
    fn running(ago: i64) -> String {
        state(&format!("state: {{running: {{startedAt: '{}'}}}}", at(ago)))
    }

    fn state(states: &str) -> String {
        format!(
            "{{phase: Running, containerStatuses: [{{name: relay, image: i, imageID: i, ready: true, restartCount: 0, {states}}}]}}"
        )
    }

    fn at(ago: i64) -> Timestamp {
        NOON - SignedDuration::from_secs(ago)
    }

    /// An event so many seconds ago.
    fn event(reason: &str, message: &str, ago: i64) -> Event {
        let at = at(ago);
        serde_json::from_value(serde_json::json!({
            "metadata": {}, "involvedObject": {}, "reason": reason, "message": message, "lastTimestamp": at.to_string(),
        }))
        .unwrap()
    }

    fn said(status: &str, events: &[Event]) -> Option<(String, Option<String>)> {
        let told = told_by("town-0", events);
        let lacking = lacks(&pod(status), &told, NOON)?;
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
            let told = told_by("town-0", &[event(FAILED, GONE, ago)]);
            lacks(&pod(&running(7200)), &told, NOON)
        };
        assert!(lacking(300).is_some_and(|it| !it.starts));
        assert_eq!(lacking(3600), None);
    }

    #[test]
    fn what_a_pod_lacked_before_its_container_was_started_was_there_when_it_was() {
        let ended = format!("terminated: {{exitCode: 2, startedAt: '{}'}}", at(100));
        let waiting = "state: {waiting: {reason: CrashLoopBackOff}}";
        for (status, complained, lacks) in [
            (running(100), 101, false),
            (running(100), 100, false),
            (running(100), 99, true),
            (state(&format!("state: {{{ended}}}")), 101, false),
            (state(&format!("state: {{{ended}}}")), 99, true),
            (
                state(&format!("{waiting}, lastState: {{{ended}}}")),
                101,
                false,
            ),
            (
                state(&format!("{waiting}, lastState: {{{ended}}}")),
                99,
                true,
            ),
            (state(waiting), 1, false),
            ("{phase: Running}".to_owned(), 1, false),
        ] {
            let events = [event(FAILED, GONE, complained)];
            assert_eq!(said(&status, &events).is_some(), lacks, "{status}");
        }
        // A container that was started again since has mounted everything again.
        let again = format!(
            "state: {{running: {{startedAt: '{}'}}}}, lastState: {{{ended}}}",
            at(50)
        );
        assert_eq!(said(&state(&again), &[event(FAILED, GONE, 60)]), None);
        // Microseconds, where there are some, do not make an event later than the start of its second.
        let told = Told {
            lacking: Some((
                at(100) + SignedDuration::from_millis(400),
                understand("town-0", GONE).unwrap(),
            )),
            other: None,
        };
        let pod = pod(&running(100));
        assert_eq!(lacks(&pod, &told, NOON), None);
    }

    #[test]
    fn a_running_pod_s_events_are_read_once_a_minute_and_a_new_pod_s_at_once() {
        use crate::api::NostrRelay;
        let (looks, start) = (Looks::default(), Instant::now());
        let key = Key::named::<NostrRelay>(Some("here"), "town");
        let after = |pod, seconds| looks.recent(&key, pod, start + Duration::from_secs(seconds));
        assert_eq!(after("a", 0), None);
        looks.put(&key, "a".to_owned(), Told::default(), start);
        assert_eq!(after("a", 59), Some(Told::default()));
        assert_eq!(after("a", 61), None);
        assert_eq!(after("b", 1), None);
        looks.keep(&key, &[]);
        assert_eq!(after("a", 1), None);
        looks.put(&key, "a".to_owned(), Told::default(), start);
        looks.forget(&key);
        assert_eq!(after("a", 1), None);
    }
}
