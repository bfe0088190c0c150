//! The operator's own port: `/livez`, `/readyz`, `/metrics`.

use crate::metrics::Metrics;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warp::{Filter, Reply, http::StatusCode, reply::Response};

/// Does the operator work, or could it at once? Set once its controllers run, or once it stands by.
#[derive(Clone, Debug, Default)]
pub struct Health {
    working: Arc<AtomicBool>,
}

impl Health {
    /// From now on, or no longer.
    pub fn set_working(&self, working: bool) {
        self.working.store(working, Ordering::Release);
    }

    /// Does it?
    pub fn is_working(&self) -> bool {
        self.working.load(Ordering::Acquire)
    }
}

/// Serves until the token is cancelled.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let routes = routes(health, metrics);
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: they come back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = TowerToHyperService::new(warp::service(routes.clone()));
        tasks.spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new()).http1_only();
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10));
            let served = builder.serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(Duration::from_secs(60), served).await;
        });
    }
}

fn routes(
    health: Health,
    metrics: Metrics,
) -> impl Filter<Extract = (Response,), Error = warp::Rejection> + Clone {
    let livez = warp::path!("livez").map(|| "ok\n".into_response());
    let readyz = warp::path!("readyz").map(move || {
        if health.is_working() {
            "ok\n".into_response()
        } else {
            let text =
                "waiting for the API server, the definitions and the right to list resources\n";
            warp::reply::with_status(text, StatusCode::SERVICE_UNAVAILABLE).into_response()
        }
    });
    let metrics = warp::path!("metrics").map(move || {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        warp::reply::with_header(metrics.text(), "content-type", kind).into_response()
    });
    warp::get().and(livez.or(readyz).unify().or(metrics).unify())
}
