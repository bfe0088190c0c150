//! What is there before the store is open, and what is built on it: the ops port, the followed files, the public door.

use super::{ServeError, files, ports::Addresses};
use crate::{
    clock::SystemClock,
    drain::Drain,
    http::{
        self, Public, Sessions,
        accept::{self, Door, HTTP_DEADLINE, Routes},
        gate::{Caps, Gate},
        ops::{self, Ops},
        tls::Certificate,
    },
    metrics::Metrics,
    policy::lists::Rules,
    reload::{Live, Loaded, Reached, Reloader, Source},
    role::{self, Role},
    session::{Parts, Shared},
    store::{Progress, Store},
    vitals::Vitals,
};
use arc_swap::ArcSwap;
use relay_config::{Cold, Hot, cold::LogFormat};
use std::{io, net::TcpListener, sync::Arc, thread, time::Duration};

/// The longest answer of the ops port: `/compact` of a large store.
const OPS_DEADLINE: Duration = Duration::from_secs(3600);

/// The ops port has no sessions.
const OPS_CAPS: Caps = Caps {
    half_open: 64,
    sessions: 0,
};

/// What is there before the store is open.
pub(super) struct Ground {
    live: Arc<Live>,
    tls: Option<Arc<Certificate>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: Drain,
    pub(super) vitals: Arc<Vitals>,
}

impl Ground {
    /// Begins to beat, and to follow the certificate's files.
    pub(super) fn new(
        loaded: &Loaded,
        tls: Option<Arc<Certificate>>,
        progress: Arc<Progress>,
    ) -> Self {
        let drain = Drain::new(loaded.config.cold.grace.get());
        let words = Box::new(move || progress.to_string());
        let live = Arc::new(Live::new(loaded));
        let vitals = Vitals::new(drain.clone(), words);
        let vitals = Arc::new(vitals.with_rules(Arc::clone(&live.access.rules)));
        let beating = Arc::clone(&vitals);
        let obituaries = vitals.obituaries();
        let beat = async move { beating.beat().await };
        tokio::spawn(obituaries.clone().over("the heartbeat", beat));
        if let Some(tls) = &tls {
            let watch = Arc::clone(tls).watch();
            tokio::spawn(obituaries.over("the watch over the certificate", watch));
        }
        Self {
            live,
            tls,
            metrics: Arc::new(Metrics::new()),
            drain,
            vitals,
        }
    }

    /// The ops port, on a thread of its own.
    pub(super) fn serve_ops(&self, listener: TcpListener, cold: &Cold) -> io::Result<()> {
        let routes = ops::routes(&Arc::new(Ops {
            role: cold.role,
            vitals: Arc::clone(&self.vitals),
            metrics: Arc::clone(&self.metrics),
            live: Arc::clone(&self.live),
            tls: self.tls.clone(),
        }));
        let limits = Arc::new(ArcSwap::from_pointee(Hot::default()));
        let rules = Arc::new(ArcSwap::from_pointee(Rules::open()));
        let gate = Gate::new(limits, rules, Arc::clone(&self.metrics), OPS_CAPS);
        let door = Door {
            routes,
            gate,
            deadline: OPS_DEADLINE,
            proxy_protocol: false,
            tls: None,
        };
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let obituary = self.vitals.obituaries().of("the ops port");
        let serve = move || {
            let _obituary = obituary;
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => accept::accept(listener, door).await,
                    Err(error) => tracing::error!(%error, "the ops port is not served"),
                }
            });
        };
        thread::Builder::new().name("ops".into()).spawn(serve)?;
        Ok(())
    }

    /// Brings terms and lists in force, then follows the files on a thread of its own.
    pub(super) async fn watch(
        &self,
        source: Source,
        loaded: Loaded,
        reached: Reached,
    ) -> io::Result<()> {
        let live = Arc::clone(&self.live);
        let begin = move || Reloader::new(source, &loaded, live, reached);
        let reloader = tokio::task::spawn_blocking(begin)
            .await
            .map_err(io::Error::other)?;
        let obituary = self
            .vitals
            .obituaries()
            .of("the watch over the configuration");
        thread::Builder::new()
            .name("reload".into())
            .spawn(move || {
                let _obituary = obituary;
                reloader.run();
            })?;
        Ok(())
    }

    /// What all upgraded connections share.
    pub(super) fn shared(&self, store: &Store, cold: &Cold) -> Result<Arc<Shared>, ServeError> {
        let parts = Parts {
            store: store.clone(),
            hot: Arc::clone(&self.live.hot),
            rules: Arc::clone(&self.live.access.rules),
            role: role(cold.role),
            clock: Arc::new(SystemClock),
            metrics: Arc::clone(&self.metrics),
            obituaries: self.vitals.obituaries(),
        };
        let shared = Shared::start(parts).map_err(ServeError::Threads)?;
        let dates = Arc::clone(&shared).watch_dates();
        let obituaries = self.vitals.obituaries();
        tokio::spawn(obituaries.over("the watch over dates", dates));
        Ok(shared)
    }

    /// How clients come in.
    pub(super) fn door(&self, sessions: Sessions, cold: &Cold) -> Door {
        let hot = Arc::clone(&self.live.hot);
        let caps = Caps::of_files(files::raise_limit());
        let (most, wanted) = (caps.sessions, hot.load().limits.connections.len());
        if most < wanted {
            tracing::warn!(
                most,
                wanted,
                "the limit of open files allows fewer connections than hot.limits.connections; raise it (ulimit -Hn)"
            );
        }
        let rules = Arc::clone(&self.live.access.rules);
        let gate = Gate::new(
            Arc::clone(&hot),
            Arc::clone(&rules),
            Arc::clone(&self.metrics),
            caps,
        );
        let routes: Routes = http::public(Arc::new(Public {
            hot,
            rules,
            gate: Arc::clone(&gate),
            drain: self.drain.clone(),
            vitals: Arc::clone(&self.vitals),
            sessions,
        }));
        Door {
            routes,
            gate,
            deadline: HTTP_DEADLINE,
            proxy_protocol: cold.proxy_protocol,
            tls: self.tls.clone(),
        }
    }

    /// The first line: where to find the relay.
    pub(super) fn announce(&self, addresses: &Addresses, cold: &Cold) {
        let url = self.live.hot.load().url.clone();
        let url = url.unwrap_or_else(|| {
            let scheme = if self.tls.is_some() { "wss" } else { "ws" };
            format!("{scheme}://{}", addresses.reachable())
        });
        let data = cold.data.display();
        match cold.log_format {
            LogFormat::Text => println!(
                "Nostr relay ready at {url} (listening on {}, ops http://{}, data in {data}); Ctrl-C stops it",
                addresses.public, addresses.ops
            ),
            LogFormat::Json => {
                tracing::info!(%url, listen = %addresses.public, ops = %addresses.ops, %data, "ready");
            }
        }
    }
}

/// The only place that knows all roles.
fn role(name: relay_config::Role) -> Arc<dyn Role> {
    match name {
        relay_config::Role::Relay => Arc::new(role::Relay),
    }
}
