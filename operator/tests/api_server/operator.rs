//! An operator in this process.

use crate::{server::eventually, space::Space};
use kube::{
    Client,
    api::{DynamicObject, ListParams},
};
use nostr_fleet_operator::{admin::Health, metrics::Metrics, run, settings::Settings};
use std::time::Duration;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

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

    /// The value of a metric without labels, or with these.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.text();
        let values = text.lines().filter_map(|line| {
            let (have, value) = line
                .strip_prefix("nostr_fleet_operator_")?
                .rsplit_once(' ')?;
            (have == name).then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }

    /// Visits so far.
    pub fn visits(&self) -> u64 {
        visits(&self.metrics.text())
    }
}

impl Space {
    /// What the operator of this test is started with.
    pub fn settings(&self) -> Settings {
        Settings {
            image: "localhost/not-there:1".to_owned(),
            ingress_from: Vec::new(),
            monitoring_namespace: None,
            namespace: "nostr-fleet-system".to_owned(),
            watch_namespaces: [self.name.clone()].into(),
        }
    }

    /// Waits until nothing calls for a visit any more: all pods are there, the scheduler, which may be busy with other tests'
    /// pods, had looked at them, and then nobody was visited for two seconds.
    pub async fn until_at_rest(&self, operator: &Operator) {
        let is_judged = |pod: &DynamicObject| {
            let conditions = pod.data["status"]["conditions"].as_array();
            let mut types = conditions.into_iter().flatten().map(|it| &it["type"]);
            types.any(|type_| type_ == "PodScheduled" || type_ == "Ready")
        };
        let wanted = |set: &DynamicObject| set.data["spec"]["replicas"].as_u64().unwrap_or(1);
        let (sets, pods) = (self.of("StatefulSet"), self.of("Pod"));
        eventually("the operator rests", || async {
            let wanted: u64 = sets
                .list(&ListParams::default())
                .await
                .unwrap()
                .iter()
                .map(wanted)
                .sum();
            let pods = pods.list(&ListParams::default()).await.unwrap().items;
            let before = operator.visits();
            sleep(Duration::from_secs(2)).await;
            pods.len() as u64 == wanted && pods.iter().all(is_judged) && operator.visits() == before
        })
        .await;
    }

    /// Starts an operator for this namespace.
    pub fn operator(&self) -> Operator {
        Self::operator_as(self.operator.clone(), self.settings())
    }

    /// Starts an operator with another client and settings.
    pub fn operator_as(client: Client, settings: Settings) -> Operator {
        let (stop, metrics, health) = (
            CancellationToken::new(),
            Metrics::default(),
            Health::default(),
        );
        let operator = run::Operator {
            settings,
            metrics: metrics.clone(),
            health: health.clone(),
        };
        let run = operator.operate(client, stop.clone());
        Operator {
            stop,
            task: tokio::spawn(run),
            metrics,
            health,
        }
    }
}

/// How many visits these metrics count.
pub fn visits(metrics: &str) -> u64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("nostr_fleet_operator_reconciles_total"));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}
