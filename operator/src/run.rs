//! Wires client, controllers and admin port together, and ends them in order.

use crate::{
    admin::{self, Health},
    api::{GROUP, NostrRelay, VERSION},
    args::Run,
    kinds::Kind,
    leader::{Candidate, Seat},
    metrics::Metrics,
    names,
    reconcile::{
        self, Context,
        error::Error,
        memory::{Key, Memory},
        queue::Queue,
    },
    settings::Settings,
    telemetry,
    watches::Watches,
};
use futures::{
    FutureExt, StreamExt, TryStreamExt,
    future::{BoxFuture, Shared, join_all, try_join_all},
};
use kube::{
    Client, Resource,
    client::ClientBuilder,
    core::DeserializeGuard,
    runtime::{
        applier,
        controller::{Action, Config},
        events::{Recorder, Reporter},
        reflector::Store,
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinError,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Visits of one kind that may run at once.
const CONCURRENCY: u16 = 16;
/// How long visits that have begun may take after a stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// `operator run`, until SIGTERM or SIGINT.
pub async fn run(args: Run) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    telemetry::start(&args.log_level, args.log_format)?;
    let (health, metrics, stop) = (
        Health::default(),
        Metrics::default(),
        CancellationToken::new(),
    );
    let listener = TcpListener::bind(args.ops).await?;
    let port = tokio::spawn(admin::serve(
        listener,
        health.clone(),
        metrics.clone(),
        stop.child_token(),
    ));
    stop_on_signal(stop.clone())?;
    let mut config = kube::Config::infer().await?;
    config.default_retry = false; // nothing waits inside a visit: `reconcile::backoff` says when to try again
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        image = args.image,
        "started"
    );
    let operator = Operator {
        settings: args.settings(),
        metrics,
        health,
    };
    let ended = if let Some(seat) = args.seat() {
        operator.lead(config, seat, stop.clone()).await
    } else {
        operator.metrics.leader(true);
        let client = Client::try_from(config)?;
        operator.operate(client, stop.clone()).await;
        Ok(())
    };
    stop.cancel();
    port.await?;
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// All controllers, and who is told how they fare.
pub struct Operator {
    /// What it was started with.
    pub settings: Settings,
    /// Counters.
    pub metrics: Metrics,
    /// What the probes hear.
    pub health: Health,
}

impl Operator {
    /// Works while no other operator of the seat does. A lost lease is an error: the process must end.
    pub async fn lead(
        self,
        config: kube::Config,
        seat: Seat,
        stop: CancellationToken,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let free = Client::try_from(config.clone())?;
        let candidate = Candidate::new(free, seat, self.metrics.clone());
        let fenced = ClientBuilder::try_from(config)?.with_layer(&candidate.fence().layer());
        let (client, health) = (fenced.build(), self.health.clone());
        let work = || self.operate(client, stop.clone());
        Ok(candidate.lead(&health, &stop, work).await?)
    }

    /// Works until the token is cancelled; visits that have begun are finished.
    pub async fn operate(self, client: Client, stop: CancellationToken) {
        let defined = stop.run_until_cancelled(definitions(&client)).await;
        if defined.is_none() {
            return;
        }
        let watches = everywhere::<NostrRelay>(&client, &self.settings);
        let known = watches
            .iter()
            .map(|(namespace, watches)| (namespace.clone(), watches.known.clone()));
        let context = Arc::new(Context {
            recorder: Recorder::new(client.clone(), Reporter::from(names::MANAGER)),
            known: known.collect(),
            client,
            settings: self.settings,
            memory: Memory::default(),
            queue: Queue::new(self.metrics.clone()),
            metrics: self.metrics,
        });
        control_everywhere(watches, &context, &self.health, stop).await;
        self.health.set_working(false);
    }
}

/// Waits until all our kinds are served. Discovery needs no rights.
async fn definitions(client: &Client) {
    let group_version = format!("{GROUP}/{VERSION}");
    let kinds: [(_, fn() -> String); 1] = [("NostrRelay", || NostrRelay::plural(&()).into_owned())];
    loop {
        let served = client.list_api_group_resources(&group_version).await;
        let missing: Vec<&str> = match &served {
            Ok(served) => {
                let known =
                    |plural: String| served.resources.iter().any(|have| have.name == plural);
                kinds
                    .iter()
                    .filter(|(_, plural)| !known(plural()))
                    .map(|(kind, _)| *kind)
                    .collect()
            }
            Err(why) => {
                tracing::info!(%why, "the API server does not serve {group_version} yet");
                kinds.iter().map(|(kind, _)| *kind).collect()
            }
        };
        if missing.is_empty() {
            return;
        }
        tracing::info!(
            ?missing,
            "waiting for CustomResourceDefinitions: kubectl apply -k config/crd"
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// One kind's watches by namespace, or of all under the empty name.
fn everywhere<K: Kind>(client: &Client, settings: &Settings) -> Vec<(String, Watches<K>)> {
    match &settings.watch_namespaces {
        all if all.is_empty() => vec![(String::new(), Watches::new(client, None))],
        some => some
            .iter()
            .map(|namespace| (namespace.clone(), Watches::new(client, Some(namespace))))
            .collect(),
    }
}

/// One kind's visits, in all namespaces that are watched. The operator counts as working once all resources have been
/// seen: without the right to list them it never is.
async fn control_everywhere<K: Kind>(
    watches: Vec<(String, Watches<K>)>,
    context: &Arc<Context>,
    health: &Health,
    stop: CancellationToken,
) {
    let stores: Vec<_> = watches
        .iter()
        .map(|(_, watches)| watches.resources.clone())
        .collect();
    let visits = join_all(
        watches
            .into_iter()
            .map(|(_, watches)| control(watches, context.clone(), stop.clone())),
    );
    let announce = async {
        if try_join_all(stores.iter().map(Store::wait_until_ready))
            .await
            .is_ok()
        {
            health.set_working(true);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = visits => {}
        () = announce => {}
    }
}

/// The visits that one set of watches calls for, until the token is cancelled.
async fn control<K: Kind>(mut watches: Watches<K>, context: Arc<Context>, stop: CancellationToken) {
    watches.follow_lists(&context);
    let known = watches.known;
    // Shared: of several tasks that wait for one store, kube wakes only the last.
    let complete = async move { known.complete().await }.boxed().shared();
    let waiting = context.clone();
    let calls = watches.calls.inspect_ok(move |object| {
        let key = Key::named::<K>(object.namespace.as_deref(), &object.name);
        waiting.queue.called(key, Instant::now());
    });
    let visits = applier(
        move |object, context| visit(object, context, complete.clone()),
        |object, error, context| reconcile::after_failure(&object, error, &context),
        context.clone(),
        watches.resources,
        calls.take_until(stop.clone().cancelled_owned()),
        Config::default().concurrency(CONCURRENCY),
    )
    .for_each(|visit| async {
        if let Err(why) = visit {
            if let Some(gone) = reconcile::deleted::<K, _>(&why) {
                context.forget(&gone);
            }
            tracing::debug!(%why, "a visit or a watch failed");
        }
    });
    // Visits whose watches never began do not end by themselves.
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = visits => {}
        () = overdue => tracing::warn!("visits that had begun are abandoned"),
    }
}

/// One visit as a task of its own, once its surroundings are known; it ends when nobody waits for it any more.
fn visit<K: Kind>(
    object: Arc<DeserializeGuard<K>>,
    context: Arc<Context>,
    complete: Shared<BoxFuture<'static, ()>>,
) -> BoxFuture<'static, Result<Action, Error>> {
    let key = Key::of::<K>(object.meta());
    context.queue.begun(&key, Instant::now());
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        complete.await;
        reconcile::reconcile(object, context).await
    }));
    let ended = async move {
        match task.await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => std::future::pending().await, // the runtime ends
        }
    };
    ended.boxed()
}

fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: visits that have begun are finished");
        stop.cancel();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    /// An API server that serves our group from the second question on.
    fn api_server(asked: Arc<AtomicUsize>) -> Client {
        let answer = move |_: Request<Body>| {
            let (code, body) = if asked.fetch_add(1, Ordering::SeqCst) < 1 {
                let gone = r#"{"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "gone"}"#;
                (404, gone.to_owned())
            } else {
                let resources = r#"[{"name": "nostrrelays", "kind": "NostrRelay", "namespaced": true, "singularName": "", "verbs": []}]"#;
                (
                    200,
                    format!(
                        r#"{{"kind": "APIResourceList", "groupVersion": "nostrfleet.io/v1alpha1", "resources": {resources}}}"#
                    ),
                )
            };
            let response = Response::builder()
                .status(code)
                .body(Body::from(body.into_bytes()));
            std::future::ready(Ok::<_, Infallible>(response.unwrap()))
        };
        Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test]
    async fn without_definitions_the_operator_waits_for_them() {
        let asked = Arc::new(AtomicUsize::new(0));
        definitions(&api_server(asked.clone())).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
