//! The real API server of these tests: a namespace per test, the operator in this process and limited to it.

#![allow(dead_code)]

use crate::common::{repository, yaml};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use nostr_fleet_operator::{
    admin::Health,
    api::{
        self, NostrRelay,
        status::{ConditionType, Status},
    },
    metrics::Metrics,
    names, run,
    settings::Settings,
};
use serde_json::{Value, json};
use std::{
    future::Future,
    path::PathBuf,
    sync::Once,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace of its own.
#[derive(Clone)]
pub struct Space {
    pub client: Client,
    pub name: String,
}

fn kubeconfig() -> PathBuf {
    if let Some(path) = std::env::var_os("E2E_KUBECONFIG") {
        return path.into();
    }
    let dir = std::env::var_os("CLUSTER_DIR").map_or_else(
        || {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
                .join(".cache/nostr-fleet/cluster")
        },
        PathBuf::from,
    );
    dir.join("admin.kubeconfig")
}

/// How to reach the API server, as its administrator.
pub async fn config() -> Config {
    let path = kubeconfig();
    let help = format!(
        "there is no Kubernetes API server at {}: run `make cluster-up`, or name one with E2E_KUBECONFIG",
        path.display()
    );
    let file = Kubeconfig::read_from(&path).unwrap_or_else(|why| panic!("{help} ({why})"));
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .unwrap_or_else(|why| panic!("{help} ({why})"));
    config.connect_timeout = Some(Duration::from_secs(5));
    let client = Client::try_from(config.clone()).unwrap_or_else(|why| panic!("{help} ({why})"));
    if let Err(why) = client.apiserver_version().await {
        panic!("{help} ({why})");
    }
    config
}

/// Runs a test in a namespace of its own, which is removed afterwards in any case.
pub async fn in_a_space<F, T>(test: F)
where
    F: FnOnce(Space) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    static LOGS: Once = Once::new();
    LOGS.call_once(|| {
        if let Ok(filter) = std::env::var("TEST_LOG") {
            let _ = tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_test_writer()
                .try_init();
        }
    });
    let client = Client::try_from(config().await).unwrap();
    install(&client).await;
    let name = format!("operator-{:08x}", rand::random::<u32>());
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace: Namespace = yaml(&format!(
        "{{metadata: {{name: {name}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
    ));
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let space = Space {
        client,
        name: name.clone(),
    };
    eventually("the namespace has its account", || async {
        space.get("ServiceAccount", "default").await.is_some()
    })
    .await;
    let done = tokio::spawn(test(space)).await;
    let _ = namespaces.delete(&name, &DeleteParams::background()).await;
    if let Err(why) = done {
        std::panic::resume_unwind(why.into_panic());
    }
}

/// Installs the definitions of this source.
async fn install(client: &Client) {
    let kind = ApiResource::erase::<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>(&());
    let crds = Api::<DynamicObject>::all_with(client.clone(), &kind);
    for crd in api::crds() {
        let name = crd["metadata"]["name"].as_str().unwrap();
        let force = PatchParams::apply("operator-tests").force();
        crds.patch(name, &force, &Patch::Apply(&crd)).await.unwrap();
    }
    let group_version = format!("{}/{}", api::GROUP, api::VERSION);
    eventually("the definitions are served", || async {
        let served = client.list_api_group_resources(&group_version).await;
        served.is_ok_and(|served| {
            served
                .resources
                .iter()
                .any(|have| have.name == "nostrrelays")
        })
    })
    .await;
}

/// Asks again and again until something is true.
pub async fn eventually<F, T>(what: &str, mut ask: F)
where
    F: FnMut() -> T,
    T: Future<Output = bool>,
{
    let started = Instant::now();
    while !ask().await {
        assert!(
            started.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An operator in this process.
pub struct Operator {
    stop: CancellationToken,
    task: JoinHandle<()>,
    metrics: Metrics,
    health: Health,
}

impl Operator {
    /// Ends as on SIGTERM.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends as on SIGKILL.
    pub fn kill(self) {
        self.task.abort();
    }

    /// What /readyz says.
    pub fn is_working(&self) -> bool {
        self.health.is_working()
    }

    /// Visits so far.
    pub fn visits(&self) -> u64 {
        let text = self.metrics.text();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("nostr_fleet_operator_reconciles_total"));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

/// All kinds of children and their names for a relay called town.
pub const CHILDREN: [(&str, &str); 8] = [
    ("ServiceAccount", "town"),
    ("ConfigMap", "town-config"),
    ("Service", "town"),
    ("Service", "town-headless"),
    ("NetworkPolicy", "town"),
    ("PodDisruptionBudget", "town"),
    ("StatefulSet", "town"),
    ("NostrRelay", "town"),
];

fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        "ServiceAccount" => ("", "v1", "serviceaccounts"),
        "ConfigMap" => ("", "v1", "configmaps"),
        "Secret" => ("", "v1", "secrets"),
        "Service" => ("", "v1", "services"),
        "Pod" => ("", "v1", "pods"),
        "PersistentVolumeClaim" => ("", "v1", "persistentvolumeclaims"),
        "NetworkPolicy" => ("networking.k8s.io", "v1", "networkpolicies"),
        "PodDisruptionBudget" => ("policy", "v1", "poddisruptionbudgets"),
        "StatefulSet" => ("apps", "v1", "statefulsets"),
        "Event" => ("events.k8s.io", "v1", "events"),
        "NostrRelay" => (api::GROUP, api::VERSION, "nostrrelays"),
        "ClusterRole" => ("rbac.authorization.k8s.io", "v1", "clusterroles"),
        "RoleBinding" => ("rbac.authorization.k8s.io", "v1", "rolebindings"),
        other => panic!("{other} is not known here"),
    };
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

impl Space {
    /// The interface of a kind.
    pub fn of(&self, kind: &str) -> Api<DynamicObject> {
        match kind {
            "ClusterRole" => Api::all_with(self.client.clone(), &resource(kind)),
            _ => Api::namespaced_with(self.client.clone(), &self.name, &resource(kind)),
        }
    }

    /// What the operator of this test is started with.
    pub fn settings(&self) -> Settings {
        Settings {
            image: "localhost/not-there:1".to_owned(),
            ingress_from: Vec::new(),
            monitoring_namespace: None,
            namespace: "nostr-fleet-system".to_owned(),
            watch_namespace: Some(self.name.clone()),
        }
    }

    /// Starts an operator for this namespace.
    pub fn operator(&self) -> Operator {
        Self::operator_as(self.client.clone(), self.settings())
    }

    /// Starts an operator with another client and settings.
    pub fn operator_as(client: Client, settings: Settings) -> Operator {
        let (stop, metrics, health) = (
            CancellationToken::new(),
            Metrics::default(),
            Health::default(),
        );
        let run = run::operate(
            client,
            settings,
            metrics.clone(),
            health.clone(),
            stop.clone(),
        );
        Operator {
            stop,
            task: tokio::spawn(run),
            metrics,
            health,
        }
    }

    /// Applies a relay called town whose pods find no node: the kubelet keeps out of these tests.
    pub async fn town(&self, spec: &str) -> DynamicObject {
        self.try_town(spec).await.unwrap()
    }

    /// The same, where the API server may refuse.
    pub async fn try_town(&self, spec: &str) -> kube::Result<DynamicObject> {
        let mut spec: Value = yaml(spec);
        spec["pod"]["nodeSelector"]["example.org/nowhere"] = json!("true");
        let object = json!({
            "apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay",
            "metadata": {"name": "town"}, "spec": spec,
        });
        let force = PatchParams::apply("user").force();
        self.of("NostrRelay")
            .patch("town", &force, &Patch::Apply(&object))
            .await
    }

    /// An object, if it is there.
    pub async fn get(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        self.of(kind).get_opt(name).await.unwrap()
    }

    /// Is an object there and not being deleted?
    pub async fn has(&self, kind: &str, name: &str) -> bool {
        self.get(kind, name)
            .await
            .is_some_and(|object| object.metadata.deletion_timestamp.is_none())
    }

    /// Changes an object as somebody else would.
    pub async fn meddle(&self, kind: &str, name: &str, patch: &Value) {
        let other = PatchParams {
            field_manager: Some("somebody".to_owned()),
            ..PatchParams::default()
        };
        self.of(kind)
            .patch(name, &other, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Plays the kubelet: a pod's status.
    pub async fn pod_status(&self, name: &str, status: &Value) {
        let patch = json!({"status": status});
        let pods = self.of("Pod");
        eventually("the pod can be patched", || async {
            pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .is_ok()
        })
        .await;
    }

    /// The status of town.
    pub async fn status(&self) -> Status {
        let relays = Api::<NostrRelay>::namespaced(self.client.clone(), &self.name);
        relays.get("town").await.unwrap().status.unwrap_or_default()
    }

    /// `True/Serving`, or `-`.
    pub async fn said(&self, type_: ConditionType) -> String {
        let status = self.status().await;
        let said = status
            .condition(type_)
            .map(|condition| format!("{}/{}", condition.status, condition.reason));
        said.unwrap_or_else(|| "-".to_owned())
    }

    /// Waits until a condition is said so.
    pub async fn until_said(&self, type_: ConditionType, what: &str) {
        eventually(&format!("{type_} is {what}"), || async {
            self.said(type_).await == what
        })
        .await;
    }

    /// Waits until all children are there and the status is about the newest spec.
    pub async fn until_built(&self) {
        for (kind, name) in CHILDREN {
            eventually(&format!("{kind} {name} exists"), || self.has(kind, name)).await;
        }
        self.until_observed().await;
    }

    /// Waits until the status is about the newest spec.
    pub async fn until_observed(&self) {
        eventually("the newest generation is observed", || async {
            let generation = self
                .get("NostrRelay", "town")
                .await
                .unwrap()
                .metadata
                .generation;
            self.status().await.observed_generation == generation
        })
        .await;
    }

    /// Waits until nothing is written any more, and says the versions of all objects.
    pub async fn until_quiet(&self) -> Vec<String> {
        let started = Instant::now();
        let mut before = self.versions().await;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.versions().await;
            if now == before {
                return now;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it never rests: {before:?} {now:?}"
            );
            before = now;
        }
    }

    /// The versions of all children and of the resource itself.
    pub async fn versions(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for (kind, name) in CHILDREN {
            let object = self.get(kind, name).await;
            let version = object
                .and_then(|object| object.resource_version())
                .unwrap_or_default();
            versions.push(format!("{kind} {name} {version}"));
        }
        versions
    }

    /// Makes the operator look at town again, and waits until it has done so twice.
    pub async fn visit_again(&self, operator: &Operator) {
        let before = operator.visits();
        for round in 1..=2 {
            let nudge = json!({"metadata": {"annotations": {"example.org/nudge": format!("{round}-{before}")}}});
            self.meddle("NostrRelay", "town", &nudge).await;
            eventually("a visit", || async { operator.visits() >= before + round }).await;
        }
    }

    /// The reasons of all events about town.
    pub async fn events(&self) -> Vec<String> {
        let list = self.of("Event").list(&ListParams::default()).await.unwrap();
        let about = list
            .items
            .iter()
            .filter(|event| event.data["regarding"]["kind"] == "NostrRelay");
        about
            .map(|event| event.data["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// The operator's committed ClusterRole.
pub fn cluster_role() -> Value {
    yaml(&std::fs::read_to_string(repository("config/rbac/role.yaml")).unwrap())
}

impl Space {
    /// A client with the rights of a role in this namespace, and nothing else. The role goes with [`Space::drop_role`].
    pub async fn limited_to(&self, mut role: Value) -> Client {
        let name = format!("{}-role", self.name);
        role["metadata"]["name"] = json!(name);
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "operator"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "operator-under-test"}],
        });
        for (kind, object) in [("ClusterRole", role), ("RoleBinding", binding)] {
            let object = serde_json::from_value(object).unwrap();
            self.of(kind)
                .create(&PostParams::default(), &object)
                .await
                .unwrap();
        }
        let mut config = config().await;
        config.auth_info.impersonate = Some("operator-under-test".to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
        let client = Client::try_from(config).unwrap();
        let limited = Self {
            client: client.clone(),
            name: self.name.clone(),
        };
        eventually("the role is in force", || async {
            limited
                .of("NostrRelay")
                .list(&ListParams::default())
                .await
                .is_ok()
        })
        .await;
        client
    }

    /// Removes the role, which has no namespace to go with.
    pub async fn drop_role(&self) {
        let name = format!("{}-role", self.name);
        self.of("ClusterRole")
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// The manager of a field set.
pub fn managers(object: &DynamicObject) -> Vec<String> {
    let fields = object.metadata.managed_fields.iter().flatten();
    fields
        .filter_map(|field| field.manager.clone())
        .filter(|manager| manager == names::MANAGER)
        .collect()
}
