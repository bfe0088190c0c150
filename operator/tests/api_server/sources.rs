//! How many ConfigMaps may be selected, and how large they may be together.

use crate::server::in_a_space;
use futures::future::join_all;
use kube::api::DeleteParams;
use nostr_fleet_operator::{api::status::ConditionType, reconcile::allowlist::Map};
use serde_json::json;

const ANNA: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const GUESTS: &str =
    "{access: {write: {mode: Allow, from: [{selector: {matchLabels: {list: guests}}}]}}}";

#[tokio::test]
async fn a_hundred_config_maps_may_be_selected_whatever_else_is_there_and_one_more_may_not() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let label = json!({"list": "guests"});
        let guest = |number: u32| {
            let (space, label) = (space.clone(), label.clone());
            async move {
                let name = format!("guest-{number:03}");
                space.source(&name, &label, &format!("{number:064x}")).await;
            }
        };
        join_all((1..=100).map(guest)).await;
        space.source("zoo", &json!({}), "no list").await;
        space.town(GUESTS).await;
        space.until_built().await;
        space.until_entries(100).await;
        let valid = ConditionType::ConfigurationValid;
        assert_eq!(space.said(valid).await, "True/Valid");
        guest(101).await;
        space.until_said(valid, "False/BadKey").await;
        let maps = space.of("ConfigMap");
        maps.delete("guest-007", &DeleteParams::default())
            .await
            .unwrap();
        space.until_said(valid, "True/Valid").await;
        space.until_entries(100).await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn sixteen_megabytes_of_sources_are_read_and_a_byte_more_is_a_bad_list() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let label = json!({"list": "guests"});
        let text = format!("{ANNA}\n{}", "# a line of words\n".repeat(60_000));
        let pair = |value: &str| [("list".to_owned(), value.to_owned())].into();
        let (labels, values) = (pair("guests"), pair(""));
        let bare = Map {
            labels,
            values,
            ..Map::default()
        };
        for number in 0..16 {
            let name = format!("guest-{number:02}");
            let text = &text[..1_000_000 - bare.bytes()];
            space.source(&name, &label, text).await;
        }
        space.town(GUESTS).await;
        space.until_built().await;
        space.until_entries(1).await;
        let valid = ConditionType::ConfigurationValid;
        assert_eq!(space.said(valid).await, "True/Valid");
        space.source("more", &label, "#").await;
        space.until_said(valid, "False/BadKey").await;
        space
            .until_said(ConditionType::Degraded, "True/ListRejected")
            .await;
        let status = space.status().await;
        let words = &status.condition(valid).unwrap().message;
        assert!(words.contains("more than 16 MB"), "{words}");
        let maps = space.of("ConfigMap");
        maps.delete("more", &DeleteParams::default()).await.unwrap();
        space.until_said(valid, "True/Valid").await;
        operator.stop().await;
    })
    .await;
}
