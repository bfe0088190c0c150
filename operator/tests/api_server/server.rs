//! The API server of these tests, and a namespace for each.

use crate::{common::yaml, space::Space};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use nostr_fleet_operator::api;
use std::{
    future::Future,
    path::PathBuf,
    process::Command,
    sync::Once,
    time::{Duration, Instant},
};

/// Whom the operator of these tests acts as. It has the rights of `config/rbac`.
pub const USER: &str = "nostr-fleet-operator-under-test";
/// How long anything may take; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Where the kubeconfig is: the scripts know, by `E2E_KUBECONFIG`, `NOSTR_FLEET_CACHE`, `CLUSTER_DIR` and the like.
fn kubeconfig() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/cluster/kubeconfig.sh");
    let said = Command::new(script).output().expect(script);
    let problem = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{script}: {problem}");
    String::from_utf8(said.stdout).unwrap().trim().into()
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

/// The same, with the rights of the operator and no others.
pub async fn operator_config() -> Config {
    let mut config = config().await;
    config.default_retry = false; // as the operator has it
    config.auth_info.impersonate = Some(USER.to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
    config
}

/// A kubeconfig with the rights of the operator, as text for a process of its own.
pub fn operator_kubeconfig() -> String {
    let text = std::fs::read_to_string(kubeconfig()).unwrap();
    let mut file: serde_json::Value = yaml(&text);
    for user in file["users"].as_array_mut().unwrap() {
        user["user"]["as"] = USER.into();
        user["user"]["as-groups"] = serde_json::json!(["system:authenticated"]);
    }
    file.to_string()
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
    // The second label is for e2e/cluster/up.sh, if nobody comes to delete it.
    let labels = "pod-security.kubernetes.io/enforce: restricted, nostr-fleet/test: ''";
    let namespace: Namespace = yaml(&format!(
        "{{metadata: {{name: {name}, labels: {{{labels}}}}}}}"
    ));
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let space = Space {
        client,
        operator: Client::try_from(operator_config().await).unwrap(),
        name: name.clone(),
    };
    space.grant().await;
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
    let kind = ApiResource::erase::<CustomResourceDefinition>(&());
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
pub async fn eventually<F, T>(what: &str, ask: F)
where
    F: FnMut() -> T,
    T: Future<Output = bool>,
{
    eventually_every(Duration::from_millis(50), what, ask).await;
}

/// The same, with this long between two questions that cost the API server something.
pub async fn eventually_every<F, T>(pause: Duration, what: &str, mut ask: F)
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
        tokio::time::sleep(pause).await;
    }
}
