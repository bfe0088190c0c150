//! How a change reaches the pods: nudges, what pods say to them, and what the metrics make of it.

use crate::{
    broken::{Fault, broken_client},
    pod::FakePod,
    server::{eventually, in_a_space},
    shut::{ANNA, BEN, only},
    space::Space,
};
use http::Method;
use nostr_fleet_operator::{api::status::ConditionType, build::hash};
use relay_config::{Config, names::CONFIG_FILE};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

impl Space {
    /// The configuration that town's pod should have, once it has these words.
    async fn wanted(&self, words: &str) -> String {
        let text = || async {
            let map = self.get("ConfigMap", "town-config").await?;
            map.data["data"][CONFIG_FILE].as_str().map(str::to_owned)
        };
        eventually(&format!("{words} is written"), || async {
            text().await.is_some_and(|text| text.contains(words))
        })
        .await;
        hash(&text().await.unwrap())
    }

    /// What town's pod says that has all that is written about lists.
    pub async fn all_written(&self) -> Value {
        let file = self.wanted("generation").await;
        let text = self.get("ConfigMap", "town-config").await.unwrap();
        let config = Config::read(text.data["data"][CONFIG_FILE].as_str().unwrap()).unwrap();
        json!({"configuration": {"hash": file}, "access": {"hash": config.hot.access.generation}})
    }
}

fn named(name: &str) -> String {
    format!("info: {{name: {name}}}")
}

#[tokio::test]
async fn a_pod_whose_refused_configuration_is_mended_is_nudged_and_its_complaint_goes() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town(&named("first")).await;
        let first = space.wanted("first").await;
        let pod = FakePod::start(&space, json!({"configuration": {"hash": first}})).await;
        space.until_said(ConditionType::Ready, "True/Serving").await;

        space.town(&named("odd")).await;
        let odd = space.wanted("odd").await;
        let refused = json!({"configuration": {"hash": first, "error": "line 3: odd"}});
        pod.says(refused);
        space.until_nudged(&odd).await;
        space
            .until_said(ConditionType::Degraded, "True/Rejected")
            .await;
        // Nudge after nudge it says the same: it is believed, and what it serves is served.
        space.until_said(ConditionType::Ready, "True/Serving").await;

        space.town(&named("mended")).await;
        let mended = space.wanted("mended").await;
        space.until_nudged(&mended).await;
        space
            .until_said(ConditionType::Ready, "False/ConfigurationPropagating")
            .await;
        let started = Instant::now();
        pod.says(json!({"configuration": {"hash": mended}}));
        space
            .until_said(ConditionType::Degraded, "False/AsSpecified")
            .await;
        space
            .until_said(ConditionType::ConfigurationValid, "True/Valid")
            .await;
        assert!(started.elapsed() < Duration::from_secs(30));
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_rotation_is_timed_when_a_ready_pod_has_the_lists_and_at_no_other_time() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town(&only(ANNA)).await;
        let pod = FakePod::start(&space, space.all_written().await).await;
        space
            .until_said(ConditionType::AllowlistApplied, "True/Applied")
            .await;
        let rotations = || operator.metric("rotation_seconds_count");

        let asked = Instant::now();
        space.town(&only(BEN)).await;
        space
            .until_said(ConditionType::AllowlistApplied, "False/Propagating")
            .await;
        let under_way = Instant::now();
        pod.is_silent();
        space
            .until_said(ConditionType::AllowlistApplied, "Unknown/Pending")
            .await;
        assert!(rotations() < 1.0, "nobody says that it has them");
        let least = under_way.elapsed().as_secs_f64();
        pod.says(space.all_written().await);
        space.visit_again(&operator).await;
        space
            .until_said(ConditionType::AllowlistApplied, "True/Applied")
            .await;
        eventually("it is timed", || async { rotations() > 0.0 }).await;
        let (took, most) = (operator.metric("rotation_seconds_sum"), asked.elapsed());
        assert!(least <= took && took <= most.as_secs_f64(), "{took} s");

        // Something else is no rotation.
        let mut spec: Value = serde_yaml::from_str(&only(BEN)).unwrap();
        spec["info"] = json!({"name": "another"});
        space.town(&spec.to_string()).await;
        let another = space.wanted("another").await;
        space.until_nudged(&another).await;
        pod.says(space.all_written().await);
        space.until_said(ConditionType::Ready, "True/Serving").await;
        space.visit_again(&operator).await;
        assert!(rotations() < 2.0);
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn pods_that_cannot_be_nudged_get_their_lists_later_and_the_status_is_written() {
    in_a_space(|space| async move {
        let client = broken_client(|request| {
            let pods = request.uri().path().contains("/pods/");
            if request.method() == Method::PATCH && pods {
                Fault::Refused(403, None)
            } else {
                Fault::None
            }
        });
        let operator = Space::operator_as(client.await, space.settings());
        space.town(&only(ANNA)).await;
        let old = space.all_written().await;
        let pod = FakePod::start(&space, old.clone()).await;
        space
            .until_said(ConditionType::AllowlistApplied, "True/Applied")
            .await;

        space.town(&only(BEN)).await;
        space
            .until_said(ConditionType::AllowlistApplied, "False/Propagating")
            .await;
        space.until_observed().await;
        let new = space.all_written().await;
        assert_ne!(new, old);
        let status = space.status().await.allowlist.unwrap();
        assert_eq!(new["access"]["hash"], status.hash, "the status names them");
        assert_eq!(space.said(ConditionType::Stalled).await, "-");
        eventually("it is counted", || async {
            operator.metric("nudges_total{result=\"forbidden\"}") >= 2.0
        })
        .await;
        // As when the kubelet looks by itself.
        pod.says(new);
        space
            .until_said(ConditionType::AllowlistApplied, "True/Applied")
            .await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn resources_that_wait_for_a_visit_are_counted_until_it_begins() {
    /// Four more than may be visited at once.
    const COUNT: usize = 20;
    in_a_space(|space| async move {
        let client = broken_client(|request| {
            let slow = request.uri().path().contains("/serviceaccounts/");
            let late = Fault::Late(Duration::from_secs(3));
            if slow { late } else { Fault::None }
        });
        space.fleet(COUNT, "operation: Stopped").await;
        let operator = Space::operator_as(client.await, space.settings());
        eventually("some wait", || async {
            operator.metric("visits_running") > 15.0 && operator.metric("visits_waiting") > 3.0
        })
        .await;
        eventually("nobody waits", || async {
            operator.visits() >= COUNT as u64 && operator.metric("visits_waiting") < 1.0
        })
        .await;
        assert!(operator.metric("visit_wait_seconds_count") >= 20.0);
        assert!(
            operator.metric("visit_wait_seconds_sum") > 8.0,
            "four waited for three seconds"
        );
        operator.stop().await;
    })
    .await;
}
