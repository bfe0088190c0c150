//! A relay's children: made, owned, mended, removed, and left alone when nothing changed.

use crate::{
    server::{eventually, in_a_space},
    space::{self, CHILDREN},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, DynamicObject, PostParams},
};
use nostr_fleet_operator::{api::status::ConditionType, names};
use serde_json::{Value, json};

#[tokio::test]
async fn a_relay_gets_its_children_and_they_belong_to_it() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let uid = space.town("{}").await.uid();
        space.until_built().await;
        for (kind, name) in CHILDREN.iter().filter(|(kind, _)| *kind != "NostrRelay") {
            let child = space.get(kind, name).await.unwrap();
            let owner = &child.owner_references()[0];
            assert_eq!(Some(&owner.uid), uid.as_ref(), "{kind}");
            assert_eq!(
                (owner.controller, owner.block_owner_deletion),
                (Some(true), Some(true)),
                "{kind}"
            );
            assert_eq!(child.labels()[names::LABEL_INSTANCE], "town", "{kind}");
            assert_eq!(space::managers(&child), [names::MANAGER], "{kind}");
        }
        // The namespace enforces restricted Pod Security: the pod was let in.
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        eventually("the claim is bound", || async {
            space.said(ConditionType::StorageReady).await == "True/Bound"
        })
        .await;
        assert_eq!(
            space.status().await.url,
            format!("ws://town.{}.svc:8080", space.name)
        );
        assert!(space.events().await.contains(&"PodsUnavailable".to_owned()));
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changed() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space
            .town("{deletionPolicy: Delete, resources: {requests: {cpu: 1}, limits: {memory: 1024Mi}}, network: {ingressFrom: [{ipBlock: {cidr: 10.0.0.0/8}}]}, service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}")
            .await;
        space.until_built().await;
        space.until_quiet().await;
        let visits = operator.visits();
        space.visit_again(&operator).await;
        let before = space.until_quiet().await;
        space.visit_again(&operator).await;
        let after = space.until_quiet().await;
        assert_eq!(before[..7], after[..7], "children");
        assert!(operator.visits() >= visits + 4);
        operator.stop().await;

        let restarted = space.operator();
        let before = space.versions().await;
        eventually("the new operator has looked", || async { restarted.visits() >= 1 }).await;
        assert_eq!(space.until_quiet().await, before, "after a restart");
        restarted.stop().await;
    })
    .await;
}

#[tokio::test]
async fn drift_of_every_child_is_undone() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        for (kind, name, patch, pointer, ours) in [
            (
                "ServiceAccount",
                "town",
                json!({"automountServiceAccountToken": true}),
                "/automountServiceAccountToken",
                json!(false),
            ),
            (
                "ConfigMap",
                "town-config",
                json!({"data": {"relay.yaml": "hacked"}}),
                "/data/relay.yaml",
                Value::Null,
            ),
            (
                "Service",
                "town",
                json!({"spec": {"selector": {"app.kubernetes.io/instance": "other"}}}),
                "/spec/selector/app.kubernetes.io~1instance",
                json!("town"),
            ),
            (
                "Service",
                "town-headless",
                json!({"spec": {"publishNotReadyAddresses": false}}),
                "/spec/publishNotReadyAddresses",
                json!(true),
            ),
            (
                "NetworkPolicy",
                "town",
                json!({"spec": {"ingress": [{}]}}),
                "/spec/ingress/0/ports/0/port",
                json!(8080),
            ),
            (
                "PodDisruptionBudget",
                "town",
                json!({"spec": {"maxUnavailable": 0}}),
                "/spec/maxUnavailable",
                json!(1),
            ),
            (
                "StatefulSet",
                "town",
                json!({"spec": {"replicas": 3}}),
                "/spec/replicas",
                json!(1),
            ),
            (
                "StatefulSet",
                "town",
                json!({"spec": {"template": {"spec": {"automountServiceAccountToken": true}}}}),
                "/spec/template/spec/automountServiceAccountToken",
                json!(false),
            ),
            (
                "NetworkPolicy",
                "town",
                json!({"metadata": {"ownerReferences": null}}),
                "/metadata/ownerReferences/0/kind",
                json!("NostrRelay"),
            ),
        ] {
            let look = || async {
                let object = serde_json::to_value(space.get(kind, name).await.unwrap()).unwrap();
                object.pointer(pointer).cloned()
            };
            let before = look().await;
            space.meddle(kind, name, &patch).await;
            eventually(&format!("{kind} {name} is as it was"), || async {
                look().await == before
            })
            .await;
            if !ours.is_null() {
                assert_eq!(before, Some(ours), "{kind} {name}");
            }
        }
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_child_comes_back() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        for (kind, name) in CHILDREN.iter().filter(|(kind, _)| *kind != "NostrRelay") {
            let uid = space.get(kind, name).await.unwrap().uid();
            space
                .of(kind)
                .delete(name, &DeleteParams::background())
                .await
                .unwrap();
            eventually(&format!("{kind} {name} is back"), || async {
                space
                    .get(kind, name)
                    .await
                    .is_some_and(|new| new.uid() != uid)
            })
            .await;
        }
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_removed_and_nothing_else() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let relay = space.town("{}").await;
        space.until_built().await;
        let config_map = |name: &str, labelled: bool, owned: bool| -> DynamicObject {
            let labels = if labelled {
                json!({names::LABEL_NAME: "nostr-relay", names::LABEL_INSTANCE: "town", names::LABEL_MANAGED_BY: names::MANAGER})
            } else {
                json!({names::LABEL_INSTANCE: "town"})
            };
            let owner = json!([{"apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay", "name": "town", "uid": relay.uid(), "controller": true}]);
            let owner = if owned { owner } else { json!([]) };
            let metadata = json!({"name": name, "labels": labels, "ownerReferences": owner});
            serde_json::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})).unwrap()
        };
        for (name, labelled, owned) in [
            ("town-of-an-older-operator", true, true),
            ("town-of-a-user", false, true),
            ("a-copy-of-town-s", true, false),
        ] {
            let maps = space.of("ConfigMap");
            maps.create(&PostParams::default(), &config_map(name, labelled, owned)).await.unwrap();
        }
        eventually("the leftover is gone", || async { !space.has("ConfigMap", "town-of-an-older-operator").await }).await;
        space.town("network: {policy: None}").await;
        eventually("the policy is gone", || async { !space.has("NetworkPolicy", "town").await }).await;
        space.town("{}").await;
        eventually("the policy is back", || space.has("NetworkPolicy", "town")).await;
        assert!(space.has("ConfigMap", "town-of-a-user").await);
        assert!(space.has("ConfigMap", "a-copy-of-town-s").await);
        assert!(space.has("PersistentVolumeClaim", "data-town-0").await);
        operator.stop().await;
    })
    .await;
}
