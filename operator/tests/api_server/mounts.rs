//! What a kubelet cannot mount, by the events of pods: named while it is so, and not for what was so before a start.

use crate::{
    pod::FakePod,
    server::{eventually, in_a_space},
    space::Space,
};
use k8s_openapi::{api::core::v1::Event, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use nostr_fleet_operator::api::status::ConditionType;
use serde_json::json;

const TLS: &str = "{tls: {secretName: town-tls}}";

/// So many seconds from now.
fn at(seconds: i64) -> String {
    let then = Timestamp::now().as_second() + seconds;
    Timestamp::from_second(then).unwrap().to_string()
}

impl Space {
    async fn pod_uid(&self) -> String {
        let pod = self.get("Pod", "town-0").await;
        pod.and_then(|pod| pod.uid()).unwrap_or_default()
    }

    /// Plays the kubelet: it does not find the Secret of town's pod.
    async fn complain(&self, at: &str) {
        let event = json!({
            "metadata": {"generateName": "town-0."},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": self.name, "name": "town-0", "uid": self.pod_uid().await,
            },
            "type": "Warning", "reason": "FailedMount", "count": 1, "firstTimestamp": at, "lastTimestamp": at,
            "message": "MountVolume.SetUp failed for volume \"tls\" : secret \"town-tls\" not found",
        });
        let event: Event = serde_json::from_value(event).unwrap();
        let events = Api::<Event>::namespaced(self.client.clone(), &self.name);
        events.create(&PostParams::default(), &event).await.unwrap();
    }

    async fn container_started(&self, at: &str) {
        let container = json!({
            "name": "relay", "image": "i", "imageID": "i", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": at}},
        });
        let status = json!({"containerStatuses": [container]});
        self.pod_status("town-0", &status).await;
    }
}

#[tokio::test]
async fn a_secret_that_was_missing_before_the_start_is_not_missed_and_one_that_went_after_it_is() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town(TLS).await;
        space.until_built().await;
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        space.complain(&at(-20)).await;
        space.container_started(&at(-10)).await;
        let healed = FakePod::start(&space, json!({})).await;
        space.until_said(ConditionType::Ready, "True/Serving").await;
        space.visit_again(&operator).await;
        let valid = ConditionType::ConfigurationValid;
        assert_eq!(space.said(valid).await, "True/Valid");
        drop(healed);

        // A new pod has events of its own, which are read at once.
        let old = space.pod_uid().await;
        let pods = space.of("Pod");
        pods.delete("town-0", &DeleteParams::default())
            .await
            .unwrap();
        eventually("there is a new pod", || async {
            let uid = space.pod_uid().await;
            !uid.is_empty() && uid != old
        })
        .await;
        space.complain(&at(-10)).await;
        space.container_started(&at(-20)).await;
        let _pod = FakePod::start(&space, json!({})).await;
        space.until_said(valid, "False/MissingReference").await;

        // Its container is started again, which could not be without the Secret.
        space.container_started(&at(0)).await;
        space.until_said(valid, "True/Valid").await;
        operator.stop().await;
    })
    .await;
}
