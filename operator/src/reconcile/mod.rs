//! The pipeline, one resource at a time: gather → validate → build → apply → report. gather, apply and the two writes at
//! the end talk to the cluster, the rest is pure. Nothing here sleeps, polls or waits.

pub mod apply;
pub mod backoff;
pub mod error;
pub mod gather;
pub mod inventory;
pub mod judge;
mod malformed;
pub mod report;
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
use backoff::{Backoff, spread};
use error::{Class, Error};
use gather::Gathered;
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
    runtime::{controller::Action, events::Recorder},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use validate::Refusal;

/// What all reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the operator was started with.
    pub settings: Settings,
    /// Writes events.
    pub recorder: Recorder,
    /// Delays of objects that fail.
    pub backoff: Backoff,
    /// Counters.
    pub metrics: Metrics,
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

/// One visit.
pub async fn reconcile<K: Kind>(
    object: Arc<DeserializeGuard<K>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let started = Instant::now();
    let result = match &object.0 {
        // Boxed: typed objects make large futures.
        Ok(object) => Box::pin(visit(object, &context)).await,
        Err(invalid) => malformed::report::<K>(&context, invalid).await,
    };
    let failure = result.as_ref().err().map(Error::class);
    context.metrics.visited(K::APP, failure, started.elapsed());
    if result.is_ok() {
        context.backoff.forget(&key(object.as_ref()));
    }
    result
}

async fn visit<K: Kind>(object: &K, context: &Context) -> Result<Action, Error> {
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change()); // owner references do the rest
    }
    match Box::pin(work(object, context)).await {
        Ok((gathered, outcome)) => {
            let status = report::report(object, &gathered, &outcome, Timestamp::now());
            write_status(object, context, status).await?;
            Ok(Action::requeue(next_visit(&gathered, &outcome)))
        }
        Err(error) => {
            let status = report::failed(object, &error, Timestamp::now());
            // The failure itself is what must be heard of, even if the status cannot be written either.
            if let Some(status) = status {
                let _ = write_status(object, context, status).await;
            }
            Err(error)
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
    let children = build::children(&plan);
    let applied = Box::pin(apply::apply(context, children, &gathered)).await?;
    Ok((
        gathered,
        Outcome::Applied(Box::new(plan), Box::new(applied)),
    ))
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
    let reference = object.object_ref(&());
    for event in events::transitions(object.status(), &status) {
        if let Err(why) = context.recorder.publish(&event, &reference).await {
            tracing::warn!(name, %why, "an event could not be written");
        }
    }
    Ok(())
}

/// What no watch would tell is looked at soon, everything else rarely.
fn next_visit(gathered: &Gathered, outcome: &Outcome) -> Duration {
    let soon = match outcome {
        // Nobody tells us when somebody else's object goes.
        Outcome::Refused(refusal) if refusal.reason == Reason::NameTaken => Duration::from_secs(10),
        Outcome::Applied(plan, _) if workload::waits_for_configuration(gathered, plan) => {
            Duration::from_secs(5)
        }
        _ if gathered.class_missing || workload::has_silent_pods(gathered) => {
            Duration::from_secs(60)
        }
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
    let wait = context.backoff.failed(&key, error.class(), rand::random());
    let wait = error.retry_after().map_or(wait, |asked| asked.max(wait));
    if error.class() == Class::Conflict {
        tracing::debug!(object = key, %error, ?wait, "again");
    } else {
        tracing::warn!(object = key, %error, ?wait, "a visit failed");
    }
    Action::requeue(wait)
}

fn key<K: Kind>(object: &DeserializeGuard<K>) -> String {
    let meta = object.meta();
    format!(
        "{} {}/{}",
        K::kind(&()),
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default()
    )
}
