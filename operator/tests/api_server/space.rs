//! A namespace of a test, and what a user or somebody else does in it.

use crate::{
    common::{repository, yaml},
    operator::Operator,
    server::{PATIENCE, USER, config, eventually},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use nostr_fleet_operator::{
    api::{
        self,
        status::{ConditionType, Status},
    },
    names,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The only lease that the operator may write.
pub const LEASE: &str = "nostr-fleet-operator";

/// A namespace of its own.
#[derive(Clone)]
pub struct Space {
    /// With all rights, for the test.
    pub client: Client,
    /// With the operator's rights.
    pub operator: Client,
    pub name: String,
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
        "Lease" => ("coordination.k8s.io", "v1", "leases"),
        "Event" => ("events.k8s.io", "v1", "events"),
        "NostrRelay" => (api::GROUP, api::VERSION, "nostrrelays"),
        "ClusterRole" => ("rbac.authorization.k8s.io", "v1", "clusterroles"),
        "ClusterRoleBinding" => ("rbac.authorization.k8s.io", "v1", "clusterrolebindings"),
        "Role" => ("rbac.authorization.k8s.io", "v1", "roles"),
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
            "ClusterRole" | "ClusterRoleBinding" => {
                Api::all_with(self.client.clone(), &resource(kind))
            }
            _ => Api::namespaced_with(self.client.clone(), &self.name, &resource(kind)),
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

    /// The status of town, also of one whose spec cannot be read.
    pub async fn status(&self) -> Status {
        let relay = self.get("NostrRelay", "town").await.unwrap();
        serde_json::from_value(relay.data["status"].clone()).unwrap_or_default()
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

/// The Role for the lease that is committed.
pub fn leases_role() -> Value {
    let text = std::fs::read_to_string(repository("config/rbac/leases.yaml")).unwrap();
    yaml(text.split("---").next().unwrap())
}

fn binding(kind: &str, role: &Value, user: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": role["metadata"]["name"]},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    })
}

/// The operator's committed ClusterRole.
pub fn cluster_role() -> Value {
    yaml(&std::fs::read_to_string(repository("config/rbac/role.yaml")).unwrap())
}

impl Space {
    /// Gives the operator of these tests what `config/rbac` says, here and, as it is there, everywhere.
    pub async fn grant(&self) {
        let (mut role, mut leases) = (cluster_role(), leases_role());
        role["metadata"] = json!({"name": USER});
        leases["metadata"] = json!({"name": "leases"});
        let bindings = [
            binding("ClusterRoleBinding", &role, USER),
            binding("RoleBinding", &leases, USER),
        ];
        for object in [role, leases].into_iter().chain(bindings) {
            let (kind, name) = (
                object["kind"].as_str().unwrap(),
                object["metadata"]["name"].as_str().unwrap(),
            );
            let force = PatchParams::apply("operator-tests").force();
            let applied = self
                .of(kind)
                .patch(name, &force, &Patch::Apply(&object))
                .await;
            applied.unwrap();
        }
        let theirs = Self {
            client: self.operator.clone(),
            ..self.clone()
        };
        eventually("the rights are in force", || async {
            let lease = theirs.of("Lease").get_opt(LEASE).await;
            let relays = theirs.of("NostrRelay").list(&ListParams::default()).await;
            lease.is_ok() && relays.is_ok()
        })
        .await;
    }

    /// A client with the rights of a role in this namespace, and nothing else. The role goes with [`Space::drop_role`].
    pub async fn limited_to(&self, mut role: Value) -> Client {
        let name = format!("{}-role", self.name);
        role["metadata"]["name"] = json!(name);
        let binding = binding("RoleBinding", &role, "operator-under-test");
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
            ..self.clone()
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
