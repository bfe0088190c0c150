//! What the status says of pods and of specs that cannot be read.

use crate::{
    common::rules,
    pod::FakePod,
    server::{eventually, in_a_space},
};
use kube::api::{DynamicObject, PostParams};
use nostr_fleet_operator::api::status::ConditionType;
use serde_json::json;

#[tokio::test]
async fn the_status_says_what_the_pods_say() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        let store = json!({"usedBytes": 3_u64 << 30, "capacityBytes": 10_u64 << 30, "quarantined": [{"file": "x.log", "lost": [[1, 2]]}]});
        let _pod = FakePod::start(&space, json!({"store": store})).await;
        space.until_said(ConditionType::Ready, "True/Serving").await;
        eventually("the version is known", || async {
            space.status().await.version.as_deref() == Some("0.1.0-test")
        })
        .await;
        let status = space.status().await;
        assert_eq!((status.replicas, status.ready_replicas), (1, 1));
        assert_eq!(status.storage.unwrap().used.as_deref(), Some("3Gi"));
        assert_eq!(space.said(ConditionType::StorageReady).await, "False/Quarantined");
        assert_eq!(space.said(ConditionType::Reconciling).await, "-");
        eventually("the events are there", || async {
            let told = space.events().await;
            ["Serving", "Quarantined"].iter().all(|reason| told.iter().any(|event| event == reason))
        })
        .await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_spec_that_cannot_be_read_stalls_and_its_neighbour_is_served() {
    in_a_space(|space| async move {
        let operator = space.operator();
        // The pattern lets it in; no clock runs that long.
        space
            .town("limits: {queryTime: 99999999999999999999h}")
            .await;
        let neighbour = rules::object(
            "neighbour",
            "{pod: {nodeSelector: {example.org/nowhere: 'true'}}}",
        );
        let neighbour: DynamicObject = serde_json::from_value(neighbour).unwrap();
        space
            .of("NostrRelay")
            .create(&PostParams::default(), &neighbour)
            .await
            .unwrap();
        eventually("the neighbour is served", || {
            space.has("StatefulSet", "neighbour")
        })
        .await;
        eventually("it stalls", || async {
            let relay = space.get("NostrRelay", "town").await.unwrap();
            let conditions = relay.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            conditions.iter().any(|condition| {
                condition["type"] == "Stalled" && condition["reason"] == "InvalidSpec"
            })
        })
        .await;
        eventually("it is told", || async {
            let told = space.events().await;
            told.iter().any(|event| event == "InvalidSpec")
        })
        .await;
        assert!(!space.has("StatefulSet", "town").await);
        space.town("limits: {queryTime: 1s}").await;
        space.until_built().await;
        space.until_said(ConditionType::Stalled, "-").await;
        operator.stop().await;
    })
    .await;
}
