//! When a resource is visited again though nobody calls for it.

use super::{
    Context, Outcome,
    backoff::spread,
    error::{Class, Error},
    gather::Gathered,
    judge,
    memory::Key,
    mounts, workload,
};
use crate::{api::status::Reason, kinds::Kind};
use kube::{Resource, core::DeserializeGuard, runtime::controller::Action};
use std::time::Duration;

/// Without news an object is looked at again after this time: a safety net for lost watches.
pub const STEADY: Duration = Duration::from_secs(600);
/// Pods are nudged, and it takes about a second.
const ARRIVING: Duration = Duration::from_millis(500);
/// It takes longer than that.
const LATE: Duration = Duration::from_secs(5);
/// Events about mounts are not watched.
const MOUNTING: Duration = Duration::from_secs(5);
/// Nobody tells us when somebody else's object goes.
const NAME_TAKEN: Duration = Duration::from_secs(10);
/// A pod that refuses its configuration may take the next one.
const REFUSING: Duration = Duration::from_secs(20);
/// Storage classes are not watched.
const CLASS_MISSING: Duration = Duration::from_secs(30);
/// A pod that serves and says nothing about itself may say something.
const SILENT: Duration = Duration::from_secs(60);
/// What a running pod lacks may be back.
const UNMOUNTED: Duration = Duration::from_secs(60);

/// What no watch would tell is looked at soon, everything else rarely.
pub fn next_visit(gathered: &Gathered, outcome: &Outcome) -> Duration {
    let wait = soon(gathered, outcome).unwrap_or(STEADY);
    spread(wait, 0.1, rand::random())
}

/// The same after a visit that failed when lists and configuration were written, and with them all that pods wait for.
pub fn next_look(gathered: &Gathered, outcome: &Outcome) -> Option<Duration> {
    outcome.written()?;
    let wait = soon(gathered, outcome)?;
    Some(spread(wait, 0.1, rand::random()))
}

fn soon(gathered: &Gathered, outcome: &Outcome) -> Option<Duration> {
    let wait = match (outcome, arriving(gathered, outcome)) {
        (_, Some(wait)) => wait,
        (Outcome::Refused(refusal), _) if refusal.reason == Reason::NameTaken => NAME_TAKEN,
        _ if gathered.pods.iter().any(mounts::waits) => MOUNTING,
        _ if judge::refused(gathered).is_some() => REFUSING,
        _ if judge::certificate_refused(gathered).is_some() => REFUSING,
        _ if gathered.class_missing => CLASS_MISSING,
        _ if workload::has_silent_pods(gathered) => SILENT,
        _ if !gathered.unmounted.is_empty() => UNMOUNTED,
        _ => return None,
    };
    Some(wait)
}

/// What is written and not on all pods yet.
fn arriving(gathered: &Gathered, outcome: &Outcome) -> Option<Duration> {
    let plan = outcome.written()?;
    let slow = gathered.nudged.enough(&workload::wanted(plan));
    let behind = !workload::behind(gathered, plan).is_empty();
    behind.then_some(if slow { LATE } else { ARRIVING })
}

/// After a failure: by class, per object.
pub fn after_failure<K: Kind>(
    object: &DeserializeGuard<K>,
    error: &Error,
    context: &Context,
) -> Action {
    let key = Key::of::<K>(object.meta());
    let backoff = &context.memory.backoff;
    let wait = backoff.failed(&key, error.class(), rand::random());
    let sooner = error.again.filter(|again| *again < wait);
    if sooner.is_some() {
        backoff.uncount(&key);
    }
    let wait = sooner.unwrap_or(wait);
    context.metrics.retrying(backoff.failing());
    let wait = error.retry_after().map_or(wait, |asked| asked.max(wait));
    if error.class() == Class::Conflict || error.is_moot() || sooner.is_some() {
        tracing::debug!(object = %key, %error, ?wait, "again");
    } else {
        tracing::warn!(object = %key, %error, ?wait, "a visit failed");
    }
    again(error, wait)
}

/// What the API server refuses stays refused until something changes, mostly the resource; but it may be a policy of somebody else,
/// and pods may wait for what was taken.
fn again(error: &Error, wait: Duration) -> Action {
    match error.class() {
        Class::Invalid if error.again.is_none() => Action::requeue(STEADY),
        _ => Action::requeue(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::mounts::Unmounted;
    /// When a resource is visited again whose surroundings are these, in seconds.
    fn next(gathered: &Gathered) -> u64 {
        next_visit(gathered, &Outcome::Paused).as_secs()
    }

    #[test]
    fn what_no_watch_tells_is_looked_at_soon_and_everything_else_rarely() {
        let class_missing = Gathered {
            class_missing: true,
            ..Gathered::default()
        };
        let lacking = Unmounted {
            pod: "town-0".to_owned(),
            object: "Secret town-tls".to_owned(),
            key: None,
            starts: false,
        };
        let unmounted = Gathered {
            unmounted: vec![lacking],
            ..Gathered::default()
        };
        let mut refusing = Gathered::default();
        let answer = serde_json::from_value(serde_json::json!({
            "version": "1", "role": "relay", "uptimeSeconds": 1, "ready": true, "draining": false, "connections": 0,
            "subscriptions": 0, "configuration": {"hash": "old", "error": "line 3"}, "store": {},
        }));
        refusing
            .answers
            .insert("town-0".to_owned(), answer.unwrap());
        let mut expiring = refusing.clone();
        let answer = expiring.answers.values_mut().next().unwrap();
        answer.configuration.error.clear();
        answer.tls = Some(relay_config::status::TlsStatus {
            error: "tls.key: not its key".to_owned(),
            ..relay_config::status::TlsStatus::default()
        });
        for (what, gathered, seconds) in [
            ("a missing class", class_missing, 30),
            ("a Secret that a running pod lacks", unmounted, 60),
            ("a pod that refuses its configuration", refusing, 20),
            ("a pod that refuses its certificate", expiring, 20),
            ("nothing", Gathered::default(), 600),
        ] {
            let next = next(&gathered);
            let (least, most) = (seconds * 9 / 10 - 1, seconds * 11 / 10);
            assert!((least..=most).contains(&next), "{what}: {next}");
        }
    }

    #[test]
    fn what_the_api_server_refuses_waits_for_a_change_or_ten_minutes_and_what_passes_less() {
        let answer = |code| {
            let status = kube::core::Status {
                code,
                ..kube::core::Status::default()
            };
            Error::of("patch", "services town")(kube::Error::Api(Box::new(status)))
        };
        let wait = Duration::from_secs(7);
        for (code, action) in [
            (422, Action::requeue(STEADY)),
            (403, Action::requeue(wait)),
            (503, Action::requeue(wait)),
            (409, Action::requeue(wait)),
        ] {
            assert_eq!(again(&answer(code), wait), action, "{code}");
        }
        let waited_for = Error {
            again: Some(wait),
            ..answer(422)
        };
        assert_eq!(again(&waited_for, wait), Action::requeue(wait));
    }
}
