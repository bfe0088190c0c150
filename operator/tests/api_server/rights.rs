//! What the operator may do is what it needs.

use crate::{
    server::{config, eventually, in_a_space},
    space::{Space, cluster_role},
};
use kube::{Client, api::ListParams};
use nostr_fleet_operator::api::status::ConditionType;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_operator_needs_no_more_than_its_role_and_never_reads_a_secret() {
    in_a_space(|space| async move {
        let client = space.limited_to(cluster_role()).await;
        let operator = Space::operator_as(client.clone(), space.settings());
        space.town("{}").await;
        space.until_built().await;
        space
            .meddle(
                "Service",
                "town",
                &json!({"spec": {"selector": {"x": "y"}}}),
            )
            .await;
        space.town("network: {policy: None}").await;
        eventually("the policy is gone", || async {
            !space.has("NetworkPolicy", "town").await
        })
        .await;
        eventually("an event is there", || async {
            !space.events().await.is_empty()
        })
        .await;
        assert_eq!(space.said(ConditionType::Stalled).await, "-");
        operator.stop().await;

        let limited = Space {
            client,
            name: space.name.clone(),
        };
        assert!(
            limited
                .of("Secret")
                .list(&ListParams::default())
                .await
                .is_err()
        );
        for rule in cluster_role()["rules"].as_array().unwrap() {
            for word in ["resources", "verbs", "apiGroups"] {
                let words = rule[word].as_array().unwrap();
                assert!(
                    !words.contains(&json!("*")) && !words.contains(&json!("secrets")),
                    "{rule}"
                );
            }
        }
        space.drop_role().await;
    })
    .await;
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
