//! The pipeline, one resource at a time: gather → validate → build → apply → report. gather, apply and the two writes at
//! the end talk to the cluster, the rest is pure. Nothing here sleeps, polls or waits.

pub mod allowlist;
pub mod apply;
pub mod backoff;
pub mod error;
pub mod gather;
pub mod inventory;
pub mod judge;
pub mod known;
pub mod last_good;
mod malformed;
pub mod memory;
pub mod mounts;
pub mod nudge;
pub mod report;
pub mod shelf;
pub mod sources;
pub mod standing;
pub mod validate;
pub mod workload;

use crate::{
    api::status::{Reason, Status},
    build::{self, Applied, Children, Plan},
    events,
    kinds::Kind,
    metrics::Metrics,
    names,
    settings::Settings,
};
use backoff::spread;
use error::{Class, Error};
use gather::Gathered;
use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use known::Known;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
    runtime::{
        controller::{self, Action},
        events::{Event, Recorder},
    },
};
use memory::Memory;
use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use validate::Refusal;

/// What all reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the operator was started with.
    pub settings: Settings,
    /// Writes events.
    pub recorder: Recorder,
    /// What is remembered from visit to visit.
    pub memory: Memory,
    /// What the watches have told, by namespace; under the empty name if all are watched at once.
    pub known: BTreeMap<String, Arc<Known>>,
    /// Counters.
    pub metrics: Metrics,
}

impl Context {
    /// What the watches have told of a namespace.
    pub fn known(&self, namespace: &str) -> Option<&Known> {
        let known = self.known.get("").or_else(|| self.known.get(namespace));
        known.map(Arc::as_ref)
    }
}

/// How far this visit came.
#[derive(Debug)]
pub enum Outcome {
    /// Everything is written.
    Applied(Box<Plan>, Box<Children<Applied>>),
    /// Nothing is written, because the spec cannot be.
    Refused(Refusal),
    /// Nothing is written, because somebody said so.
    Paused,
}

/// Without news an object is looked at again after this time: a safety net for lost watches.
const STEADY: Duration = Duration::from_secs(600);
/// How long the work of one visit may take; saying what came of it may take half as long again.
const PATIENCE: Duration = Duration::from_secs(30);

/// One visit.
pub async fn reconcile<K: Kind>(
    object: Arc<DeserializeGuard<K>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let started = Instant::now();
    let _running = context.metrics.visiting();
    let visit = async {
        match &object.0 {
            // Boxed: typed objects make large futures.
            Ok(object) => Box::pin(visit(object, &context)).await,
            Err(invalid) => malformed::report::<K>(&context, invalid).await,
        }
    };
    let result = in_time(PATIENCE + PATIENCE / 2, visit).await;
    let failure = result.as_ref().err().map(Error::class);
    context.metrics.visited(K::APP, failure, started.elapsed());
    if result.is_ok() {
        context.memory.backoff.forget(&key(object.as_ref()));
    }
    context.metrics.retrying(context.memory.backoff.failing());
    result
}

/// A server that takes requests and answers nothing must not hold a visit, and with it the resource, for ever.
async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let source = kube::Error::Service(format!("not done within {limit:?}").into());
        Err(Error::of("finish", "a visit")(source))
    })
}

async fn visit<K: Kind>(object: &K, context: &Context) -> Result<Action, Error> {
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change()); // owner references do the rest
    }
    match in_time(PATIENCE, Box::pin(work(object, context))).await {
        Ok((gathered, outcome)) => {
            let status = report::report(object, &gathered, &outcome, Timestamp::now());
            write_status(object, context, status).await?;
            Ok(Action::requeue(next_visit(&gathered, &outcome)))
        }
        Err(error) => {
            let status = report::failed(object, &error, Timestamp::now());
            let written = match status {
                Some(status) => write_status(object, context, status).await,
                None => Ok(()),
            };
            match written {
                // What waits for a change must have been told, or it is never heard of.
                Err(unwritten) if error.class() == Class::Invalid => Err(unwritten),
                // Otherwise the failure itself is what must be heard of.
                _ => Err(error),
            }
        }
    }
}

async fn work<K: Kind>(object: &K, context: &Context) -> Result<(Gathered, Outcome), Error> {
    let gathered = Box::pin(gather::gather(context, object)).await?;
    if object
        .annotations()
        .get(names::ANNOTATION_PAUSED)
        .is_some_and(|value| value == "true")
    {
        return Ok((gathered, Outcome::Paused));
    }
    let plan = match validate::validate(object, &gathered, &context.settings) {
        Ok(plan) => plan,
        Err(refusal) => return Ok((gathered, Outcome::Refused(refusal))),
    };
    let began = Instant::now();
    let children = build::children(&plan);
    let applied = Box::pin(apply::apply(context, children, &gathered)).await?;
    Box::pin(deliver(context, &key_of(object), (&gathered, &plan), began)).await?;
    Ok((
        gathered,
        Outcome::Applied(Box::new(plan), Box::new(applied)),
    ))
}

/// Nudges the pods that have something else than what is written by now, or notes that none has.
async fn deliver(
    context: &Context,
    object: &str,
    (gathered, plan): (&Gathered, &Plan),
    began: Instant,
) -> Result<(), Error> {
    let behind = workload::behind(gathered, plan);
    if behind.is_empty() {
        if let Some(took) = context.memory.nudges.arrived(object, Instant::now()) {
            tracing::info!(object, ?took, "the pods have the newest configuration");
            context.metrics.rotated(took);
        }
        return Ok(());
    }
    let wanted = &build::hash(&build::config_text(plan))[..12];
    if context
        .memory
        .nudges
        .due(object, wanted, (began, Instant::now()))
    {
        for pod in behind {
            nudge::nudge(context, pod, wanted).await?;
        }
    }
    Ok(())
}

/// Writes the status if it says anything new, and tells the transitions.
async fn write_status<K: Kind>(object: &K, context: &Context, status: Status) -> Result<(), Error> {
    if report::same(object.status(), &status) {
        return Ok(());
    }
    let name = object.name_any();
    let api = Api::<K>::namespaced(
        context.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name}, "status": status,
    });
    let force = PatchParams::apply(names::MANAGER).force();
    api.patch_status(&name, &force, &Patch::Apply(&body))
        .await
        .map_err(Error::of(
            "patch",
            format!("{}/status {name}", K::plural(&())),
        ))?;
    let told = events::news(object.status(), &status);
    publish(context, &told, &object.object_ref(&())).await;
    Ok(())
}

/// Events are a courtesy: a visit does not fail for them.
async fn publish(context: &Context, told: &[Event], about: &ObjectReference) {
    for event in told {
        if let Err(why) = context.recorder.publish(event, about).await {
            tracing::warn!(name = about.name, %why, "an event could not be written");
        }
    }
}

/// What no watch would tell is looked at soon, everything else rarely.
fn next_visit(gathered: &Gathered, outcome: &Outcome) -> Duration {
    let soon = match outcome {
        // Nobody tells us when somebody else's object goes.
        Outcome::Refused(refusal) if refusal.reason == Reason::NameTaken => Duration::from_secs(10),
        Outcome::Applied(plan, _) if !workload::behind(gathered, plan).is_empty() => {
            match gathered.nudges {
                0..=nudge::PATIENCE => Duration::from_millis(500),
                _ => Duration::from_secs(5),
            }
        }
        // Events about mounts are not watched.
        _ if gathered.pods.iter().any(mounts::waits) => Duration::from_secs(5),
        _ if gathered.class_missing => Duration::from_secs(30), // classes are not watched
        _ if workload::has_silent_pods(gathered) => Duration::from_secs(60),
        _ => STEADY,
    };
    spread(soon, 0.1, rand::random())
}

/// After a failure: by class, per object.
pub fn after_failure<K: Kind>(
    object: &DeserializeGuard<K>,
    error: &Error,
    context: &Context,
) -> Action {
    let key = key(object);
    let wait = context
        .memory
        .backoff
        .failed(&key, error.class(), rand::random());
    context.metrics.retrying(context.memory.backoff.failing());
    let wait = error.retry_after().map_or(wait, |asked| asked.max(wait));
    if error.class() == Class::Conflict {
        tracing::debug!(object = key, %error, ?wait, "again");
    } else {
        tracing::warn!(object = key, %error, ?wait, "a visit failed");
    }
    again(error, wait)
}

/// What the API server refuses stays refused until something changes.
fn again(error: &Error, wait: Duration) -> Action {
    match error.class() {
        Class::Invalid => Action::await_change(),
        _ => Action::requeue(wait),
    }
}

/// Forgets all about an object that a controller looked for and did not find: it is deleted.
pub fn forget_deleted<K: Kind, W: std::error::Error + 'static>(
    error: &controller::Error<Error, W>,
    memory: &Memory,
) {
    if let controller::Error::ObjectNotFound(gone) = error {
        memory.forget(&words::<K>(gone.namespace.as_deref(), Some(&gone.name)));
    }
}

/// What an object is called in the operator's memory.
pub fn key_of<K: Kind>(object: &K) -> String {
    let meta = object.meta();
    words::<K>(meta.namespace.as_deref(), meta.name.as_deref())
}

fn key<K: Kind>(object: &DeserializeGuard<K>) -> String {
    let meta = object.meta();
    words::<K>(meta.namespace.as_deref(), meta.name.as_deref())
}

fn words<K: Kind>(namespace: Option<&str>, name: Option<&str>) -> String {
    memory::called(&K::kind(&()), namespace, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NostrRelay;
    use kube::runtime::{reflector::ObjectRef, watcher};

    #[test]
    fn a_deleted_object_s_delays_are_forgotten_and_its_neighbour_s_are_not() {
        let memory = Memory::default();
        let fails = |name: &str| {
            let key = words::<NostrRelay>(Some("here"), Some(name));
            memory.backoff.failed(&key, Class::Transient, 0.5).as_secs()
        };
        assert_eq!((fails("town"), fails("town"), fails("city")), (1, 2, 1));
        let gone = ObjectRef::<NostrRelay>::new("town").within("here").erase();
        let error: controller::Error<Error, watcher::Error> =
            controller::Error::ObjectNotFound(Box::new(gone));
        forget_deleted::<NostrRelay, _>(&error, &memory);
        assert_eq!((fails("town"), fails("city")), (1, 2));
    }

    #[test]
    fn a_missing_class_is_looked_for_every_half_minute() {
        let missing = Gathered {
            class_missing: true,
            ..Gathered::default()
        };
        let seconds = next_visit(&missing, &Outcome::Paused).as_secs();
        assert!((27..=33).contains(&seconds), "{seconds}");
        let seconds = next_visit(&Gathered::default(), &Outcome::Paused).as_secs();
        assert!(seconds > 500, "{seconds}");
    }

    #[test]
    fn what_the_api_server_refuses_waits_for_a_change_and_what_passes_does_not() {
        let answer = |code| {
            let status = kube::core::Status {
                code,
                ..kube::core::Status::default()
            };
            Error::of("patch", "services town")(kube::Error::Api(Box::new(status)))
        };
        let wait = Duration::from_secs(7);
        for (code, action) in [
            (422, Action::await_change()),
            (403, Action::requeue(wait)),
            (503, Action::requeue(wait)),
            (409, Action::requeue(wait)),
        ] {
            assert_eq!(again(&answer(code), wait), action, "{code}");
        }
    }
}
