//! Stopped, paused, deleted, created anew over what is there already.

use crate::{
    common::yaml,
    server::{eventually, in_a_space},
    space::CHILDREN,
};
use kube::api::{DeleteParams, DynamicObject, PostParams};
use nostr_fleet_operator::{api::status::ConditionType, names};
use serde_json::{Value, json};

#[tokio::test]
async fn a_deleted_relay_leaves_its_claims_unless_told_otherwise() {
    in_a_space(|space| async move {
        let operator = space.operator();
        for (spec, kept) in [("{}", true), ("deletionPolicy: Delete", false)] {
            space.town(spec).await;
            space.until_built().await;
            eventually("the claim exists", || {
                space.has("PersistentVolumeClaim", "data-town-0")
            })
            .await;
            eventually("the pod exists", || space.has("Pod", "town-0")).await;
            space.until_quiet().await;
            space
                .of("NostrRelay")
                .delete("town", &DeleteParams::background())
                .await
                .unwrap();
            for (kind, name) in CHILDREN {
                eventually(&format!("{kind} {name} is gone"), || async {
                    space.get(kind, name).await.is_none()
                })
                .await;
            }
            eventually("the pod is gone", || async {
                space.get("Pod", "town-0").await.is_none()
            })
            .await;
            if kept {
                assert!(space.has("PersistentVolumeClaim", "data-town-0").await);
            } else {
                eventually("the claim is going", || async {
                    !space.has("PersistentVolumeClaim", "data-town-0").await
                })
                .await;
            }
        }
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_claim_of_another_size_is_not_taken_over() {
    in_a_space(|space| async move {
        let claim: DynamicObject = yaml(
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data-town-0, annotations: {k8s.local/no-provision: 'true'},
              labels: {app.kubernetes.io/name: nostr-relay, app.kubernetes.io/instance: town, app.kubernetes.io/managed-by: nostr-fleet-operator}},
              spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 5Gi}}}}",
        );
        space.of("PersistentVolumeClaim").create(&PostParams::default(), &claim).await.unwrap();
        let operator = space.operator();
        space.town("{}").await;
        space.until_said(ConditionType::Stalled, "True/ImmutableChange").await;
        assert!(!space.has("StatefulSet", "town").await, "a refusal applies nothing");
        space.of("PersistentVolumeClaim").delete("data-town-0", &DeleteParams::background()).await.unwrap();
        space.until_built().await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone() {
    in_a_space(|space| async move {
        let service: DynamicObject = yaml(
            "{apiVersion: v1, kind: Service, metadata: {name: town}, spec: {ports: [{port: 80}], selector: {app: web}}}",
        );
        space.of("Service").create(&PostParams::default(), &service).await.unwrap();
        let operator = space.operator();
        space.town("{}").await;
        space.until_said(ConditionType::Ready, "False/NameTaken").await;
        let left = space.get("Service", "town").await.unwrap();
        assert_eq!(left.data["spec"]["selector"], json!({"app": "web"}));
        assert!(!space.has("ConfigMap", "town-config").await, "a refusal applies nothing");
        space.of("Service").delete("town", &DeleteParams::background()).await.unwrap();
        space.until_built().await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_stopped_relay_keeps_its_claim_and_starts_again() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        space.town("operation: Stopped").await;
        space
            .until_said(ConditionType::Ready, "False/Stopped")
            .await;
        eventually("the pod is gone", || async {
            space.get("Pod", "town-0").await.is_none()
        })
        .await;
        space.until_said(ConditionType::Reconciling, "-").await;
        assert!(space.has("PersistentVolumeClaim", "data-town-0").await);
        space.town("operation: Running").await;
        eventually("the pod is back", || space.has("Pod", "town-0")).await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_paused_relay_is_left_alone() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        let pause =
            |value: Value| json!({"metadata": {"annotations": {names::ANNOTATION_PAUSED: value}}});
        space
            .meddle("NostrRelay", "town", &pause(json!("true")))
            .await;
        space
            .until_said(ConditionType::Paused, "True/AnnotationSet")
            .await;
        space
            .meddle("StatefulSet", "town", &json!({"spec": {"replicas": 0}}))
            .await;
        space.visit_again(&operator).await;
        assert_eq!(
            space.get("StatefulSet", "town").await.unwrap().data["spec"]["replicas"],
            0
        );
        space
            .meddle("NostrRelay", "town", &pause(Value::Null))
            .await;
        eventually("the drift is undone", || async {
            space.get("StatefulSet", "town").await.unwrap().data["spec"]["replicas"] == 1
        })
        .await;
        space.until_said(ConditionType::Paused, "-").await;
        operator.stop().await;
    })
    .await;
}
