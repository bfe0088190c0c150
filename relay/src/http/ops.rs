//! The ops port: probes, metrics and status for the operator and for monitoring. Never public.
//!
//! It is served by a thread of its own: it answers while the store is being rebuilt, and it can still tell when the event
//! loop that serves clients has stopped turning. What may wait for the volume, `/metrics` and `/status`, is made on other threads, so that a
//! volume that hangs does not hold up the probes.

use super::{accept::Routes, at, not_here, reply, tls::Certificate};
use crate::{metrics, metrics::Metrics, reload::Live, vitals::Vitals};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use relay_config::{Role, Status, names};
use std::sync::Arc;
use tokio::{sync::Semaphore, task::spawn_blocking};
use warp::{Filter, Rejection, reply::Response};

/// What the ops port tells.
#[derive(Debug)]
pub struct Ops {
    /// Role of the process.
    pub role: Role,
    /// How it fares.
    pub vitals: Arc<Vitals>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// The configuration in force.
    pub live: Arc<Live>,
    /// The public port's certificate.
    pub tls: Option<Arc<Certificate>>,
}

/// Answers that may wait for the volume at a time; who asks meanwhile waits for its turn, so that no more threads hang than these.
const AT_A_TIME: usize = 2;

/// The routes of the ops port.
pub fn routes(ops: &Arc<Ops>) -> Routes {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    get(names::PATH_LIVEZ, ops, Ops::livez)
        .or(get(names::PATH_READYZ, ops, Ops::readyz))
        .unify()
        .or(get_from_volume(
            names::PATH_METRICS,
            ops,
            &turns,
            Ops::metrics,
        ))
        .unify()
        .or(get_from_volume(
            names::PATH_STATUS,
            ops,
            &turns,
            Ops::status,
        ))
        .unify()
        .or(compact(ops))
        .unify()
        .recover(not_here)
        .unify()
        .map(not_stored)
        .boxed()
}

fn get(
    path: &'static str,
    ops: &Arc<Ops>,
    answer: fn(&Ops) -> Response,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let ops = Arc::clone(ops);
    at(path).and(warp::get()).map(move || answer(&ops))
}

/// The same for what reads the volume, and so may block.
fn get_from_volume(
    path: &'static str,
    ops: &Arc<Ops>,
    turns: &Arc<Semaphore>,
    answer: fn(&Ops) -> Response,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let (ops, turns) = (Arc::clone(ops), Arc::clone(turns));
    at(path).and(warp::get()).then(move || {
        let (ops, turns) = (Arc::clone(&ops), Arc::clone(&turns));
        async move {
            let turn = turns.acquire_owned().await;
            let answered = spawn_blocking(move || {
                let _turn = turn;
                answer(&ops)
            });
            answered.await.unwrap_or_else(|panic| {
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, &panic.to_string())
            })
        }
    })
}

/// `POST /compact`: rewrites what holds deleted text now instead of within `eraseWithin`; the answer comes when it is done. A
/// request that a web page sends names its `Origin` (RFC 6454 §7): no page in somebody's browser has a say here.
fn compact(
    ops: &Arc<Ops>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let ops = Arc::clone(ops);
    let asked = at(names::PATH_COMPACT).and(warp::post());
    let asked = asked.and(warp::header::headers_cloned());
    asked.then(move |headers: HeaderMap| {
        let vitals = Arc::clone(&ops.vitals);
        async move {
            if headers.contains_key(header::ORIGIN) {
                return reply::text(StatusCode::FORBIDDEN, "web pages may not do this");
            }
            let done = spawn_blocking(move || vitals.compact()).await;
            match done.unwrap_or_else(|panic| Err(panic.to_string())) {
                Ok(report) => reply::text(StatusCode::OK, &report),
                Err(why) => reply::text(StatusCode::SERVICE_UNAVAILABLE, &why),
            }
        }
    })
}

/// Answers of this moment must not come from a cache.
fn not_stored(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

impl Ops {
    fn livez(&self) -> Response {
        if self.vitals.is_alive() {
            return reply::text(StatusCode::OK, "ok");
        }
        reply::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the event loop does not turn",
        )
    }

    fn readyz(&self) -> Response {
        match self.vitals.not_ready().as_ref() {
            "" => reply::text(StatusCode::OK, "ok"),
            why => reply::text(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }

    fn metrics(&self) -> Response {
        let text = self.metrics.render(&self.vitals.store());
        reply::body(StatusCode::OK, metrics::CONTENT_TYPE, text)
    }

    fn status(&self) -> Response {
        reply::json("application/json", &self.document())
    }

    fn document(&self) -> Status {
        let not_ready = self.vitals.not_ready().into_owned();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            role: self.role,
            uptime_seconds: self.vitals.uptime_seconds(),
            ready: not_ready.is_empty(),
            not_ready,
            draining: self.vitals.is_draining(),
            connections: count(self.metrics.active_connections.get()),
            subscriptions: count(self.metrics.active_subscriptions.get()),
            configuration: self.live.status.load().as_ref().clone(),
            access: self.live.access.status.load().as_ref().clone(),
            tls: self.tls.as_ref().map(|tls| tls.status()),
            store: self.vitals.store(),
        }
    }
}

fn count(gauge: i64) -> u64 {
    u64::try_from(gauge).unwrap_or(0)
}

#[cfg(test)]
mod tests;
