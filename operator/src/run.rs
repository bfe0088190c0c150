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
        backoff::WatchBackoff,
        memory::Memory,
        sources::{self, ConfigMapMeta, Readers},
    },
    settings::Settings,
    telemetry,
};
use futures::{
    StreamExt,
    future::{join_all, try_join_all},
};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    client::ClientBuilder,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        Controller,
        controller::Config,
        events::{Recorder, Reporter},
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

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
    let settings = args.settings();
    let ended = if let Some(seat) = args.seat() {
        let parts = (settings, metrics, health);
        operate_as_leader(config, seat, parts, stop.clone()).await
    } else {
        let client = Client::try_from(config)?;
        metrics.leader(true);
        operate(client, settings, metrics, health, stop.clone()).await;
        Ok(())
    };
    stop.cancel();
    port.await?;
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// All controllers, while no other operator of the seat works. A lost lease is an error: the process must end.
pub async fn operate_as_leader(
    config: kube::Config,
    seat: Seat,
    (settings, metrics, health): (Settings, Metrics, Health),
    stop: CancellationToken,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let free = Client::try_from(config.clone())?;
    let candidate = Candidate::new(free, seat, metrics.clone());
    let fenced = ClientBuilder::try_from(config)?.with_layer(&candidate.fence().layer());
    let client = fenced.build();
    let ready = health.clone();
    let work = || operate(client, settings, metrics, health, stop.clone());
    Ok(candidate.lead(&ready, &stop, work).await?)
}

/// All controllers, until the token is cancelled; visits that have begun are finished.
pub async fn operate(
    client: Client,
    settings: Settings,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) {
    if stop
        .run_until_cancelled(definitions(&client))
        .await
        .is_none()
    {
        return;
    }
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), Reporter::from(names::MANAGER)),
        client,
        settings,
        memory: Memory::default(),
        metrics,
    });
    control_everywhere::<NostrRelay>(&context, &health, stop).await;
    health.set_working(false);
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

/// One kind's controllers, one for each namespace that is watched, or one for all. The operator counts as working once
/// all of them have seen all resources: without the right to list them it never is.
async fn control_everywhere<K: Kind>(
    context: &Arc<Context>,
    health: &Health,
    stop: CancellationToken,
) {
    let controllers: Vec<_> = match &context.settings.watch_namespaces {
        all if all.is_empty() => vec![controller::<K>(context, None)],
        some => some
            .iter()
            .map(|namespace| controller::<K>(context, Some(namespace)))
            .collect(),
    };
    let stores: Vec<_> = controllers.iter().map(Controller::store).collect();
    let visits = join_all(
        controllers
            .into_iter()
            .map(|controller| control(controller, context.clone(), stop.clone())),
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

/// One controller, until the token is cancelled.
async fn control<K: Kind>(
    controller: Controller<DeserializeGuard<K>>,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    let visits = controller
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            reconcile::reconcile::<K>,
            |object, error, context| reconcile::after_failure(&object, error, &context),
            context.clone(),
        )
        .for_each(|visit| async {
            if let Err(why) = visit {
                reconcile::forget_deleted::<K, _>(&why, &context.memory);
                tracing::debug!(%why, "a visit or a watch failed");
            }
        });
    // A controller whose watches never began does not end by itself.
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = visits => {}
        () = overdue => tracing::warn!("visits that had begun are abandoned"),
    }
}

/// What is watched for one kind, in one namespace or in all.
fn controller<K: Kind>(
    context: &Arc<Context>,
    namespace: Option<&String>,
) -> Controller<DeserializeGuard<K>> {
    let client = &context.client;
    let ours = || watcher::Config::default().labels(&names::managed());
    let theirs = watcher::Config::default().labels(&names::not_managed());
    let all = watcher::Config::default();
    let controller = Controller::new(api::<DeserializeGuard<K>>(client, namespace), all);
    let (resources, context) = (controller.store(), context.clone());
    controller
        .with_config(Config::default().concurrency(CONCURRENCY))
        .trigger_backoff(WatchBackoff::default())
        .owns(api::<StatefulSet>(client, namespace), ours())
        .owns(api::<Service>(client, namespace), ours())
        .owns(api::<ConfigMap>(client, namespace), ours())
        .owns(api::<ServiceAccount>(client, namespace), ours())
        .owns(api::<NetworkPolicy>(client, namespace), ours())
        .owns(api::<PodDisruptionBudget>(client, namespace), ours())
        .watches(api::<Pod>(client, namespace), ours(), |pod| {
            owner::<K, _>(&pod)
        })
        .watches(
            api::<PersistentVolumeClaim>(client, namespace),
            ours(),
            |claim| owner::<K, _>(&claim),
        )
        // Lists stand in ConfigMaps of users: only their metadata is watched, and nothing is kept.
        .watches(
            api::<ConfigMapMeta>(client, namespace),
            theirs,
            move |map| readers::<K>(&resources, &context.memory.readers, &map),
        )
}

/// The resources whose lists come from a ConfigMap, or came from it before it changed.
fn readers<K: Kind>(
    resources: &Store<DeserializeGuard<K>>,
    readers: &Readers,
    map: &ConfigMapMeta,
) -> Vec<ObjectRef<DeserializeGuard<K>>> {
    let (namespace, name) = (map.namespace(), map.name_any());
    let reads = |object: &Arc<DeserializeGuard<K>>| {
        object.meta().namespace == namespace
            && object.0.as_ref().is_ok_and(|it| {
                sources::concerns(it, map) || readers.has_read(&reconcile::key_of(it), &name)
            })
    };
    let state = resources.state();
    let concerned = state.iter().filter(|object| reads(object));
    concerned
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

fn api<R>(client: &Client, namespace: Option<&String>) -> Api<R>
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Pods and claims belong to the StatefulSet or to nobody: their labels name the resource.
fn owner<K: Kind, R: Resource>(object: &R) -> Option<ObjectRef<DeserializeGuard<K>>> {
    let labels = object.labels();
    if labels.get(names::LABEL_NAME)? != K::APP {
        return None;
    }
    let instance = labels.get(names::LABEL_INSTANCE)?;
    Some(ObjectRef::new(instance).within(&object.namespace()?))
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

    #[test]
    fn pods_and_claims_lead_to_their_resource_by_their_labels() {
        let pod = |name: &str| -> Pod {
            serde_json::from_value(
                serde_json::json!({"metadata": {"name": "town-0", "namespace": "here", "labels": {
                    "app.kubernetes.io/name": name, "app.kubernetes.io/instance": "town",
                }}}),
            )
            .unwrap()
        };
        let found = owner::<NostrRelay, _>(&pod("nostr-relay")).unwrap();
        assert_eq!(
            (found.name.as_str(), found.namespace.as_deref()),
            ("town", Some("here"))
        );
        assert_eq!(owner::<NostrRelay, _>(&pod("something-else")), None);
    }
}
