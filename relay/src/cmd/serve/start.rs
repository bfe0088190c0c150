//! Puts the parts together: ops port, store, sessions, public port, in this order.
//!
//! Both ports are taken before the store is opened, so that a wrong address is told at once. The ops port answers from then
//! on; the public one refuses connections until the store is open.

use super::{ServeError, ground::Ground, ports::Ports, stop::Stops};
use crate::{
    cmd::stopped,
    drain::Drain,
    http::{Sessions, accept, tls::Certificate},
    metrics::Metrics,
    reload::{Loaded, Reached, Source},
    session::{self, Shared},
    store::{OnCommit, Options, Progress, Store},
    telemetry,
    vitals::{Failure, Vitals},
};
use relay_config::Hot;
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// How often somebody looks whether the process must end.
const WATCH: Duration = Duration::from_millis(250);

/// A relay that serves.
pub(super) struct Started {
    store: Store,
    drain: Drain,
    vitals: Arc<Vitals>,
    accepting: JoinHandle<()>,
}

impl Started {
    /// Takes the ports, opens the store, and serves.
    pub(super) async fn start(source: Source, loaded: Loaded) -> Result<Self, ServeError> {
        let cold = loaded.config.cold.clone();
        let level = telemetry::start(cold.log_format, loaded.config.hot.log_level);
        let tls = cold
            .tls
            .as_ref()
            .map(|tls| Certificate::load(&tls.directory));
        let tls = tls.transpose().map_err(ServeError::Tls)?;
        let ports = Ports::take(&cold)?;
        let progress = Arc::new(Progress::default());
        let ground = Ground::new(&loaded, tls, Arc::clone(&progress));
        ground
            .serve_ops(ports.ops, &cold)
            .map_err(ServeError::Threads)?;

        let store = open(&loaded, progress, Arc::clone(&ground.metrics)).await?;
        ground.vitals.opened(Box::new(store.clone()));
        let shared = ground.shared(&store, &cold)?;
        let (limited, judging) = (store.clone(), Arc::clone(&shared));
        let reached = Reached {
            metrics: Arc::clone(&ground.metrics),
            level,
            others: Box::new(move |hot| limit(&limited, hot)),
            rejudge: Box::new(move || judging.rejudge()),
        };
        ground
            .watch(source, loaded, reached)
            .await
            .map_err(ServeError::Threads)?;

        let door = ground.door(sessions(shared), &cold);
        let accept = accept::accept(ports.public.open()?, door);
        ground.vitals.listens();
        let accepting = tokio::spawn(ground.vitals.obituaries().over("the public port", accept));
        ground.announce(&ports.addresses, &cold);
        Ok(Self {
            store,
            drain: ground.drain,
            vitals: ground.vitals,
            accepting,
        })
    }

    /// Serves until a signal, or until it cannot go on: the store failed, or a thread panicked; then says why.
    pub(super) async fn serve(&self, stops: &mut Stops) -> Option<Failure> {
        let mut watch = tokio::time::interval(WATCH);
        loop {
            tokio::select! {
                () = stops.next() => return None,
                _ = watch.tick() => {
                    if let Some(failure) = self.vitals.failure() {
                        tracing::error!(%failure, "the relay ends");
                        return Some(failure);
                    }
                }
            }
        }
    }

    /// Not ready, no new connections, goodbye to the open ones, log closed. A second signal cuts the goodbye short.
    pub(super) async fn stop(self, stops: &mut Stops) {
        self.drain.begin();
        self.accepting.abort();
        tracing::info!("shutting down");
        let cut = tokio::select! {
            cut = self.drain.finished() => cut,
            () = stops.next() => {
                self.drain.cut();
                self.drain.finished().await
            }
        };
        let store = self.store;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        tracing::info!(cut, closed = closed.is_ok(), "stopped");
    }
}

/// What runs the upgraded connections.
fn sessions(shared: Arc<Shared>) -> Sessions {
    Arc::new(move |socket, address, drain| {
        Box::pin(session::run(Arc::clone(&shared), socket, address, drain))
    })
}

/// Opens the store on a thread where it may block: a rebuild takes seconds.
async fn open(
    loaded: &Loaded,
    progress: Arc<Progress>,
    metrics: Arc<Metrics>,
) -> Result<Store, ServeError> {
    let cold = &loaded.config.cold;
    let storage = &loaded.config.hot.storage;
    let runtime_dir = cold
        .runtime_dir
        .clone()
        .unwrap_or_else(stopped::default_runtime_dir);
    let mut options = Options::new(&cold.data, runtime_dir);
    options.size = storage.size.map(relay_config::Size::bytes);
    options.erase_within = storage.erase_within.get();
    options.progress = progress;
    options.on_commit =
        OnCommit::tell(move |took| metrics.commit_duration.observe(took.as_secs_f64()));
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    let opened = opened.map_err(|panic| ServeError::Threads(io::Error::other(panic)))?;
    let store = opened.map_err(ServeError::Store)?;
    let status = store.status();
    tracing::info!(start = %status.start, events = status.events, committed = status.committed, "the store is open");
    Ok(store)
}

fn limit(store: &Store, hot: &Hot) {
    let size = hot.storage.size.map(relay_config::Size::bytes);
    store.set_limits(size, hot.storage.erase_within.get());
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
