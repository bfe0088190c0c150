//! The pipeline, one resource at a time: gather → validate → build → apply → report. gather, apply, the nudges in its midst
//! and the writes at the end talk to the cluster, the rest is pure. Nothing here sleeps, polls or waits. The files, by what
//! they are for:
//!
//! - the steps: `gather`, `validate`, (`crate::build`), `apply`, `report`; `judge/` has a condition a file
//! - what is there: `known` (from the watches), `inventory` (whose is it), `workload` (how pods fare), `mounts` (what they lack)
//! - lists: `sources` (read), `room` (few large ones at once), `allowlist` (merged), `last_good` (read back), `standing` (which of both), `shelf` (written)
//! - once they are written: `nudge` (so that pods have them in a second); at the end: `news` (status and events)
//! - failures: `error` (its class), `backoff` (how long), `failure` (what is said), `malformed` (what cannot be read)
//! - from visit to visit: `queue` (who waits), `schedule` (who is visited uncalled), `memory` (what is remembered)

pub mod allowlist;
pub mod apply;
pub mod backoff;
pub mod error;
pub mod failure;
pub mod gather;
pub mod inventory;
pub mod judge;
pub mod known;
pub mod last_good;
mod malformed;
pub mod memory;
pub mod mounts;
mod news;
pub mod nudge;
pub mod queue;
pub mod report;
pub mod room;
mod schedule;
pub mod shelf;
pub mod sources;
pub mod standing;
pub mod validate;
pub mod workload;

use crate::{
    build::{self, Applied, Children, Plan, Shards},
    kinds::Kind,
    metrics::Metrics,
    names,
    settings::Settings,
};
use error::{Class, Error};
use failure::Failure;
use gather::Gathered;
use k8s_openapi::jiff::Timestamp;
use known::Known;
use kube::{
    Client, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        controller::{self, Action},
        events::Recorder,
    },
};
use last_good::Written;
use memory::{Key, Memory};
use nudge::{Delivery, News};
use queue::Queue;
pub use schedule::after_failure;
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
    /// Who waits for a visit.
    pub queue: Queue,
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

    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.memory.forget(object);
        self.queue.forget(object);
    }
}

/// How far this visit came.
#[derive(Debug)]
pub enum Outcome {
    /// Everything is written.
    Applied(Arc<Plan>, Box<Applied>),
    /// Nothing is written, because the spec cannot be.
    Refused(Refusal),
    /// Nothing is written, because somebody said so.
    Paused,
    /// It failed; with the plan whose lists and configuration are written all the same, if it came so far.
    Failed(Option<Arc<Plan>>),
}

impl Outcome {
    /// The plan whose lists and configuration are written whole, if that is known.
    pub fn written(&self) -> Option<&Plan> {
        match self {
            Self::Applied(plan, _) | Self::Failed(Some(plan)) => Some(plan),
            Self::Refused(_) | Self::Paused | Self::Failed(None) => None,
        }
    }
}

/// What a visit found and wrote before it failed or its time was up.
#[derive(Default)]
struct Progress {
    gathered: Option<Gathered>,
    written: Option<Arc<Plan>>,
}

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
            Err(invalid) => Box::pin(malformed::report::<K>(&context, invalid)).await,
        }
    };
    let result = in_time(PATIENCE + PATIENCE / 2, visit).await;
    let failure = result.as_ref().err().map(Error::class);
    context.metrics.visited(K::APP, failure, started.elapsed());
    if result.is_ok() {
        let key = Key::of::<K>(object.meta());
        context.memory.backoff.forget(&key);
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
    let mut progress = Progress::default();
    let ended = in_time(PATIENCE, Box::pin(work(object, context, &mut progress))).await;
    let gathered = match progress.gathered {
        Some(gathered) => gathered,
        None => gather::seen::<K>(context, object.meta()).await,
    };
    match ended {
        Ok(outcome) => {
            let status = report::report(object, &gathered, &outcome, Timestamp::now());
            news::write(object, context, status).await?;
            Ok(Action::requeue(schedule::next_visit(&gathered, &outcome)))
        }
        Err(error) => {
            let failure = Failure {
                error,
                gathered,
                outcome: Outcome::Failed(progress.written),
            };
            Err(Box::pin(failed(object, context, failure)).await)
        }
    }
}

/// Says in the status what failed, and what is in force all the same.
async fn failed<K: Kind>(object: &K, context: &Context, failure: Failure) -> Error {
    let written = match failure.status(object, Timestamp::now()) {
        Some(status) => news::write(object, context, status).await,
        None => Ok(()),
    };
    let again = schedule::next_look(&failure.gathered, &failure.outcome);
    match written {
        // What waits for a change must have been told, or it is never heard of.
        Err(unwritten) if failure.error.class() == Class::Invalid => unwritten,
        // Otherwise the failure itself is what must be heard of.
        _ => Error {
            again,
            ..failure.error
        },
    }
}

async fn work<K: Kind>(
    object: &K,
    context: &Context,
    progress: &mut Progress,
) -> Result<Outcome, Error> {
    let (key, began) = (Key::of::<K>(object.meta()), Instant::now());
    let mut gathered = Box::pin(gather::gather(context, object)).await?;
    let seat = gathered.seat.take();
    let gathered = progress.gathered.insert(gathered);
    if object
        .annotations()
        .get(names::ANNOTATION_PAUSED)
        .is_some_and(|value| value == "true")
    {
        return Ok(Outcome::Paused);
    }
    let mut plan = match validate::validate(object, gathered, &context.settings) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    let children = build::children(&plan);
    // The children hold the lists now, which may be large.
    plan.allowlist.shards = Shards::None;
    (gathered.asked, gathered.written) = (None, Written::default());
    let (plan, gathered) = (Arc::new(plan), &*gathered);
    let writer = apply::Writer::new(context, &key, gathered, &children);
    let Children { door, house } = children;
    let behind = Box::pin(writer.door(door)).await?;
    drop(seat); // others wait for it, and what follows may take long
    progress.written = Some(plan.clone());
    let delivery = Delivery {
        key: &key,
        gathered,
        plan: &plan,
        news: News {
            wanted: workload::wanted(&plan),
            rotates: report::rotates(object.status(), &plan),
            began,
        },
    };
    // Before the rest: that may be refused, and lists that are written should not wait for it.
    Box::pin(delivery.send(context)).await;
    let applied = Box::pin(behind.house(house)).await?;
    Ok(Outcome::Applied(plan, Box::new(applied)))
}

/// A controller looked for an object and did not find it: it is deleted.
pub fn deleted<K: Kind, W: std::error::Error + 'static>(
    error: &controller::Error<Error, W>,
) -> Option<Key> {
    match error {
        controller::Error::ObjectNotFound(gone) => {
            Some(Key::named::<K>(gone.namespace.as_deref(), &gone.name))
        }
        _ => None,
    }
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
            let key = Key::named::<NostrRelay>(Some("here"), name);
            memory.backoff.failed(&key, Class::Transient, 0.5).as_secs()
        };
        assert_eq!((fails("town"), fails("town"), fails("city")), (1, 2, 1));
        let gone = ObjectRef::<NostrRelay>::new("town").within("here").erase();
        let error: controller::Error<Error, watcher::Error> =
            controller::Error::ObjectNotFound(Box::new(gone));
        memory.forget(&deleted::<NostrRelay, _>(&error).unwrap());
        assert_eq!((fails("town"), fails("city")), (1, 2));
    }
}
