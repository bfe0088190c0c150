//! The ops port: probes, metrics and status for the operator and for monitoring. Never public.
//!
//! It is served by a thread of its own: it answers while the store is being rebuilt, and it can still tell when the event
//! loop that serves clients has stopped turning.

use super::{accept::Routes, at, not_here, reply, tls::Certificate};
use crate::{metrics, metrics::Metrics, reload::Live, vitals::Vitals};
use http::{HeaderValue, StatusCode, header};
use relay_config::{Role, Status, names};
use std::sync::Arc;
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

/// The routes of the ops port.
pub fn routes(ops: &Arc<Ops>) -> Routes {
    get(names::PATH_LIVEZ, ops, Ops::livez)
        .or(get(names::PATH_READYZ, ops, Ops::readyz))
        .unify()
        .or(get(names::PATH_METRICS, ops, Ops::metrics))
        .unify()
        .or(get(names::PATH_STATUS, ops, Ops::status))
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

/// `POST /compact`: rewrites what holds deleted text now instead of within `eraseWithin`; the answer comes when it is done.
fn compact(
    ops: &Arc<Ops>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    let ops = Arc::clone(ops);
    at(names::PATH_COMPACT).and(warp::post()).then(move || {
        let vitals = Arc::clone(&ops.vitals);
        async move {
            let done = tokio::task::spawn_blocking(move || vitals.compact()).await;
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
