//! What the operator may do is what it needs: every test here runs it with the rights of `config/rbac`, and this one sees
//! to it that it uses them all.

use crate::{
    broken::logged_client,
    operator::Operator,
    pod::FakePod,
    requests::{Log, Request},
    server::{config, eventually, in_a_space},
    space::{LEASE, Space, cluster_role, leases_role},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, PostParams},
};
use nostr_fleet_operator::{
    admin::Health,
    api::status::ConditionType,
    leader::{Candidate, Seat, election::Terms},
    metrics::Metrics,
    names,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// What the API server asks on the operator's behalf, where it has OwnerReferencesPermissionEnforcement: the right to block
/// the owner's deletion.
const ASKED_BY_ADMISSION: (&str, &str, &str) =
    ("nostrfleet.io", "nostrrelays/finalizers", "update");

/// All rights of a role, one by one.
fn rights(role: &Value) -> BTreeSet<Request> {
    let words = |value: &Value| -> Vec<String> {
        let words = value.as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    rights.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    rights
}

#[test]
fn no_right_is_a_wildcard_and_none_is_about_secrets() {
    for (group, resource, verb) in rights(&cluster_role()).union(&rights(&leases_role())) {
        assert!(
            ![group, resource, verb].contains(&&"*".to_owned()),
            "{group} {resource} {verb}"
        );
        assert!(
            !resource.starts_with("secrets") && !resource.contains("exec"),
            "{resource}"
        );
    }
}

#[tokio::test]
async fn the_operator_uses_every_right_that_it_has_and_needs_no_other() {
    in_a_space(|space| async move {
        let log = Log::default();
        let client = logged_client(&log).await;
        lead_once(&space, client.clone()).await;
        let operator = Space::operator_as(client, space.settings());
        a_life(&space, &operator).await;
        operator.stop().await;
        let given: BTreeSet<Request> = rights(&cluster_role())
            .union(&rights(&leases_role()))
            .cloned()
            .collect();
        let mut used = log.requests();
        let (group, resource, verb) = ASKED_BY_ADMISSION;
        used.insert((group.to_owned(), resource.to_owned(), verb.to_owned()));
        let beyond: Vec<_> = used.difference(&given).collect();
        assert!(beyond.is_empty(), "asked without a right: {beyond:?}");
        let idle: Vec<_> = given.difference(&used).collect();
        assert!(idle.is_empty(), "rights that nothing needs: {idle:?}");
        let theirs = Space {
            client: space.operator.clone(),
            ..space.clone()
        };
        assert!(
            theirs
                .of("Secret")
                .list(&ListParams::default())
                .await
                .is_err()
        );
    })
    .await;
}

/// Takes the lease and gives it back.
async fn lead_once(space: &Space, client: Client) {
    let seat = Seat {
        namespace: space.name.clone(),
        lease: LEASE.to_owned(),
        identity: "it".to_owned(),
        terms: Terms::default(),
    };
    let candidate = Candidate::new(client, seat, Metrics::default());
    let stop = CancellationToken::new();
    let led = candidate.lead(&Health::default(), &stop, || async {}).await;
    assert_eq!(led, Ok(()));
}

/// All that can happen to a relay.
async fn a_life(space: &Space, operator: &Operator) {
    // The pattern lets it in; no clock runs that long.
    const CLASS: &str = "storage: {storageClassName: not-there}";
    space
        .town(&format!(
            "{{limits: {{queryTime: 99999999999999999999h}}, {CLASS}}}"
        ))
        .await;
    eventually("it is looked at", || async { operator.visits() >= 1 }).await;
    space.town(CLASS).await;
    space
        .until_said(ConditionType::ConfigurationValid, "False/MissingReference")
        .await;
    let uid = space.get("NostrRelay", "town").await.unwrap().metadata.uid;
    space.until_built().await;
    for kind in [
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "StatefulSet",
    ] {
        leave_behind(space, kind, uid.as_deref()).await;
        eventually(
            &format!("the {kind} of an older operator is gone"),
            || async { !space.has(kind, "left-behind").await },
        )
        .await;
    }
    a_pod_that_lags(space, operator).await;
    // The same event twice within minutes is counted, not written anew.
    for paused in ["true", "false", "true"] {
        let pause = json!({"metadata": {"annotations": {names::ANNOTATION_PAUSED: paused}}});
        space.meddle("NostrRelay", "town", &pause).await;
        let said = if paused == "true" {
            "True/AnnotationSet"
        } else {
            "-"
        };
        space.until_said(ConditionType::Paused, said).await;
    }
}

/// A pod that has a node and cannot mount something, and then one that runs an old configuration.
async fn a_pod_that_lags(space: &Space, operator: &Operator) {
    eventually("the pod exists", || space.has("Pod", "town-0")).await;
    let bound = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "town-0"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "no-such-node"},
    });
    let pods = Api::<Pod>::namespaced(space.client.clone(), &space.name);
    let user = PostParams::default();
    let bind = pods.create_subresource::<_, Value>("binding", "town-0", &user, &bound);
    let before = operator.visits();
    bind.await.unwrap();
    eventually("it is seen to wait", || async {
        operator.visits() > before
    })
    .await;
    let older = json!({"configuration": {"hash": "an-older-one"}});
    let _pod = FakePod::start(space, older).await;
    space.until_nudged("").await;
}

/// An object with our labels that nobody asks for.
async fn leave_behind(space: &Space, kind: &str, owner: Option<&str>) {
    let labels = json!({names::LABEL_NAME: "nostr-relay", names::LABEL_INSTANCE: "town", names::LABEL_MANAGED_BY: names::MANAGER});
    let owner = json!([{"apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay", "name": "town", "uid": owner, "controller": true}]);
    let (api_version, spec) = match kind {
        "Service" => ("v1", json!({"ports": [{"port": 80}]})),
        "NetworkPolicy" => ("networking.k8s.io/v1", json!({"podSelector": {}})),
        "PodDisruptionBudget" => ("policy/v1", json!({"maxUnavailable": 1})),
        "StatefulSet" => (
            "apps/v1",
            json!({
                "replicas": 0, "serviceName": "x", "selector": {"matchLabels": {"x": "y"}},
                "template": {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
            }),
        ),
        _ => ("v1", Value::Null),
    };
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": "left-behind", "labels": labels, "ownerReferences": owner},
    });
    if !spec.is_null() {
        object["spec"] = spec;
    }
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    space
        .of(kind)
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_operator_without_rights_says_which_one_is_missing() {
    in_a_space(|space| async move {
        let mut role = cluster_role();
        for rule in role["rules"].as_array_mut().unwrap() {
            if rule["resources"] == json!(["networkpolicies"]) {
                rule["verbs"] = json!(["get", "list", "watch"]);
            }
        }
        let operator = Space::operator_as(space.limited_to(role).await, space.settings());
        space.town("{}").await;
        space
            .until_said(ConditionType::Stalled, "True/Forbidden")
            .await;
        let status = space.status().await;
        let message = &status.condition(ConditionType::Stalled).unwrap().message;
        assert!(
            message.contains("cannot patch networkpolicies town"),
            "{message}"
        );
        operator.stop().await;
        space.drop_role().await;
    })
    .await;
}

#[tokio::test]
async fn an_operator_without_any_rights_is_not_ready_and_stops_when_told() {
    in_a_space(|space| async move {
        let mut config = config().await;
        config.auth_info.impersonate = Some("nobody".to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
        let client = Client::try_from(config).unwrap();
        let powerless = Space::operator_as(client, space.settings());
        let operator = space.operator();
        eventually("one with rights works", || async { operator.is_working() }).await;
        assert!(!powerless.is_working());
        let started = Instant::now();
        tokio::join!(powerless.stop(), operator.stop());
        assert!(started.elapsed() < Duration::from_secs(20));
    })
    .await;
}
