//! A moment in the life of a relay: what its StatefulSet says, its pods, its claims.

use crate::common::{children, plan, settings, town, yaml};
use k8s_openapi::{api::apps::v1::StatefulSet, jiff::Timestamp};
use nostr_fleet_operator::{
    api::{
        NostrRelay,
        status::{ConditionType, Status},
    },
    build::Applied,
    reconcile::{
        Outcome,
        gather::Gathered,
        nudge::{self, Nudged},
        report::report,
    },
};
use serde_json::{Value, json};
use std::sync::Arc;

pub const NOON: i64 = 1_800_000_000;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOON + seconds).unwrap()
}

/// As after a visit that wrote everything, with this StatefulSet status.
pub fn applied(spec: &str, set_status: &str) -> Outcome {
    let stateful_set = StatefulSet {
        status: Some(yaml(set_status)),
        ..children(spec, &settings()).house.stateful_set
    };
    let plan = Arc::new(plan(spec, &settings()));
    Outcome::Applied(plan, Box::new(Applied { stateful_set }))
}

pub const SERVING: &str =
    "{replicas: 1, readyReplicas: 1, updatedReplicas: 1, currentRevision: a, updateRevision: a}";
pub const STARTING: &str =
    "{replicas: 1, readyReplicas: 0, updatedReplicas: 1, currentRevision: a, updateRevision: a}";
pub const ROLLING: &str =
    "{replicas: 1, readyReplicas: 1, updatedReplicas: 0, currentRevision: a, updateRevision: b}";
pub const GONE: &str = "{replicas: 0}";

pub fn with_pod(pod_status: &str) -> Gathered {
    Gathered {
        pods: vec![yaml(&format!(
            "{{metadata: {{name: town-0}}, status: {pod_status}}}"
        ))],
        ..Gathered::default()
    }
}

/// A pod that serves and answers this, over what every pod answers.
pub fn with_answer(answer: Value) -> Gathered {
    let mut whole = json!({
        "version": "0.1.0", "role": "relay", "uptimeSeconds": 1, "ready": true, "draining": false,
        "connections": 0, "subscriptions": 0, "configuration": {}, "store": {},
    });
    for (key, value) in answer.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let mut gathered = with_pod("{conditions: [{type: Ready, status: 'True'}]}");
    let answer = serde_json::from_value(whole).unwrap();
    gathered.answers.insert("town-0".to_owned(), answer);
    gathered
}

pub fn with_claim(status: &str) -> Gathered {
    Gathered {
        claims: vec![yaml(&format!(
            "{{metadata: {{name: data-town-0}}, status: {status}}}"
        ))],
        ..Gathered::default()
    }
}

/// `True/Serving`, or `-` where the condition is absent.
pub fn said(status: &Status, type_: ConditionType) -> String {
    status.condition(type_).map_or_else(
        || "-".to_owned(),
        |condition| format!("{}/{}", condition.status, condition.reason),
    )
}

pub fn message(status: &Status, type_: ConditionType) -> &str {
    &status.condition(type_).unwrap().message
}

/// The same after so many nudges for a configuration that a pod which says why is believed to refuse it.
pub fn after_nudges(wanted: &str, gathered: Gathered) -> Gathered {
    let nudged = Nudged {
        wanted: wanted.to_owned(),
        times: nudge::PATIENCE + 1,
    };
    Gathered { nudged, ..gathered }
}

/// A relay whose last visit found that it serves.
pub fn that_served() -> NostrRelay {
    let mut relay = town("{}");
    relay.status = Some(report(
        &relay,
        &Gathered::default(),
        &applied("{}", SERVING),
        at(0),
    ));
    relay
}
