//! Puts the parts together: ops port, store, sessions, public port, in this order.
//!
//! Both ports are taken before the store is opened, so that a wrong address is told at once. The ops port answers from then
//! on; the public one refuses connections until the store is open.

use super::{ServeError, files, stop::Stops};
use crate::{
    clock::SystemClock,
    cmd::stopped,
    drain::Drain,
    http::{
        self, Public, Sessions,
        accept::{self, Door, HTTP_DEADLINE, Routes},
        gate::{Caps, Gate},
        ops::{self, Ops},
        tls::Certificate,
    },
    metrics::Metrics,
    reload::{Live, Loaded, Reached, Reloader, Source},
    role::{self, Role},
    session::{self, Parts, Peer, Shared},
    store::{OnCommit, Options, Progress, Store},
    telemetry,
    vitals::Vitals,
};
use arc_swap::ArcSwap;
use relay_config::{Cold, Hot, file::LogFormat};
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{net::TcpSocket, task::JoinHandle};

/// Connections that the kernel may hold for us before they are accepted.
const BACKLOG: u32 = 1024;

/// The longest answer of the ops port: `/compact` of a large store.
const OPS_DEADLINE: Duration = Duration::from_secs(3600);

/// The ops port has no sessions.
const OPS_CAPS: Caps = Caps {
    half_open: 64,
    sessions: 0,
};

/// How often the store is asked whether it has failed.
const WATCH: Duration = Duration::from_millis(250);

/// A relay that serves.
pub(super) struct Started {
    store: Store,
    drain: Drain,
    vitals: Arc<Vitals>,
    accepting: JoinHandle<()>,
}

/// What is there before the store is open.
struct Ground {
    live: Arc<Live>,
    tls: Option<Arc<Certificate>>,
    metrics: Arc<Metrics>,
    drain: Drain,
    vitals: Arc<Vitals>,
}

/// Where it listens, for the line that says so.
struct Addresses {
    public: SocketAddr,
    ops: SocketAddr,
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
        let ops = TcpListener::bind(cold.ops).map_err(no_port(cold.ops, "--ops"))?;
        let public = taken(cold.listen).map_err(no_port(cold.listen, "--listen"))?;
        let addresses = Addresses {
            public: public
                .local_addr()
                .map_err(no_port(cold.listen, "--listen"))?,
            ops: ops.local_addr().map_err(no_port(cold.ops, "--ops"))?,
        };
        let progress = Arc::new(Progress::default());
        let ground = Ground::new(&loaded, tls, Arc::clone(&progress));
        ground.serve_ops(ops, &cold).map_err(ServeError::Threads)?;

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
        let listener = public
            .listen(BACKLOG)
            .map_err(no_port(cold.listen, "--listen"))?;
        let accepting = tokio::spawn(accept::accept(listener, door));
        ground.announce(&addresses, &cold);
        Ok(Self {
            store,
            drain: ground.drain,
            vitals: ground.vitals,
            accepting,
        })
    }

    /// Serves until a signal, or until the store has failed; then says why.
    pub(super) async fn serve(&self, stops: &mut Stops) -> Option<&'static str> {
        let mut watch = tokio::time::interval(WATCH);
        loop {
            tokio::select! {
                () = stops.next() => return None,
                _ = watch.tick() => {
                    if let Some(reason) = self.vitals.failure() {
                        tracing::error!(reason, "the store failed, the relay ends");
                        return Some(reason);
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

impl Ground {
    fn new(loaded: &Loaded, tls: Option<Arc<Certificate>>, progress: Arc<Progress>) -> Self {
        let drain = Drain::new(loaded.config.cold.grace.get());
        let words = Box::new(move || progress.to_string());
        let live = Arc::new(Live::new(loaded));
        let vitals = Vitals::new(drain.clone(), words);
        let vitals = Arc::new(vitals.with_rules(Arc::clone(&live.access.rules)));
        let beating = Arc::clone(&vitals);
        tokio::spawn(async move { beating.beat().await });
        if let Some(tls) = &tls {
            tokio::spawn(Arc::clone(tls).watch());
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
    fn serve_ops(&self, listener: TcpListener, cold: &Cold) -> io::Result<()> {
        let routes = ops::routes(&Arc::new(Ops {
            role: cold.role,
            vitals: Arc::clone(&self.vitals),
            metrics: Arc::clone(&self.metrics),
            live: Arc::clone(&self.live),
            tls: self.tls.clone(),
        }));
        let limits = Arc::new(ArcSwap::from_pointee(Hot::default()));
        let gate = Gate::new(limits, Arc::clone(&self.metrics), OPS_CAPS);
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
        let serve = move || {
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

    /// Brings modes and lists in force, then follows the files on a thread of its own.
    async fn watch(&self, source: Source, loaded: Loaded, reached: Reached) -> io::Result<()> {
        let live = Arc::clone(&self.live);
        let begin = move || Reloader::new(source, &loaded, live, reached);
        let reloader = tokio::task::spawn_blocking(begin)
            .await
            .map_err(io::Error::other)?;
        thread::Builder::new()
            .name("reload".into())
            .spawn(move || reloader.run())?;
        Ok(())
    }

    /// What all upgraded connections share.
    fn shared(&self, store: &Store, cold: &Cold) -> Result<Arc<Shared>, ServeError> {
        let parts = Parts {
            store: store.clone(),
            hot: Arc::clone(&self.live.hot),
            rules: Arc::clone(&self.live.access.rules),
            role: role(cold.role),
            clock: Arc::new(SystemClock),
            metrics: Arc::clone(&self.metrics),
        };
        let shared = Shared::start(parts).map_err(ServeError::Threads)?;
        tokio::spawn(Arc::clone(&shared).watch_dates());
        Ok(shared)
    }

    fn door(&self, sessions: Sessions, cold: &Cold) -> Door {
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
        let gate = Gate::new(Arc::clone(&hot), Arc::clone(&self.metrics), caps);
        let routes: Routes = http::public(Arc::new(Public {
            hot,
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
    fn announce(&self, addresses: &Addresses, cold: &Cold) {
        let url = self.live.hot.load().url.clone();
        let url = url.unwrap_or_else(|| {
            let scheme = if self.tls.is_some() { "wss" } else { "ws" };
            format!("{scheme}://{}", reachable(addresses.public))
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

/// What runs the upgraded connections.
fn sessions(shared: Arc<Shared>) -> Sessions {
    Arc::new(move |socket, address, drain| {
        let peer = Peer { address };
        Box::pin(session::run(Arc::clone(&shared), socket, peer, drain))
    })
}

/// The only place that knows all roles.
fn role(name: relay_config::Role) -> Arc<dyn Role> {
    match name {
        relay_config::Role::Relay => Arc::new(role::Relay),
    }
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

/// A bound socket that does not listen yet.
fn taken(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn no_port(address: SocketAddr, flag: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |source| ServeError::Listen {
        address,
        flag,
        source,
    }
}

/// An address that a client on this machine can type.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sign::Signer,
        store::{Answers, Outcome, Ticket},
        wire::{Event, Verified},
    };

    struct Nobody;

    impl Answers for Nobody {
        fn answer(&self, _: &[(u64, Outcome)]) {}
    }

    #[tokio::test]
    async fn a_store_that_fails_ends_the_relay_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("data"), dir.path());
        options.faults.sync = Some(Arc::new(|| Err(io::Error::other("broken disk"))));
        let store = Store::open(options).unwrap();
        let drain = Drain::new(Duration::ZERO);
        let vitals = Arc::new(Vitals::new(drain.clone(), Box::new(String::new)));
        vitals.opened(Box::new(store.clone()));
        assert_eq!(vitals.not_ready(), "");

        let text = Signer::from_seed(1).event(1_700_000_000, 1, &[], "hello");
        let event = Verified::check(Event::read(&text).unwrap()).unwrap();
        let to: Arc<dyn Answers> = Arc::new(Nobody);
        let (vanish, token) = (false, 0);
        store.submit(vec![Ticket {
            event,
            vanish,
            token,
            to,
        }]);
        let started = Started {
            store,
            drain,
            vitals: Arc::clone(&vitals),
            accepting: tokio::spawn(async {}),
        };
        let mut stops = Stops::listen().unwrap();
        let reason = started.serve(&mut stops).await.expect("no signal was sent");
        assert!(vitals.not_ready().contains(reason));
        let error = ServeError::Failed(reason);
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("check the volume"), "{error}");
    }
}
