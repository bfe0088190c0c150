//! Transitions of conditions as Kubernetes events. Pure; the recorder writes them.

use crate::api::status::{ConditionType, Status};
use kube::runtime::events::{Event, EventType};

/// The conditions whose changes people want to hear of, and the answer that is good news.
const TOLD: [(ConditionType, &str); 5] = [
    (ConditionType::Ready, "True"),
    (ConditionType::ConfigurationValid, "True"),
    (ConditionType::StorageReady, "True"),
    (ConditionType::Degraded, "False"),
    (ConditionType::Paused, "True"),
];

/// An event for each condition whose answer or reason changed. What starts out well is no news.
pub fn transitions(old: Option<&Status>, new: &Status) -> Vec<Event> {
    TOLD.iter()
        .filter_map(|(type_, good)| {
            let now = new.condition(*type_)?;
            let before = old.and_then(|old| old.condition(*type_));
            let changed = match before {
                Some(before) => (&before.status, &before.reason) != (&now.status, &now.reason),
                None => now.status != *good || *type_ == ConditionType::Ready,
            };
            (changed && now.status != "Unknown").then(|| event(now, good))
        })
        .collect()
}

fn event(now: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition, good: &str) -> Event {
    let calm = now.status == good
        || matches!(
            now.reason.as_str(),
            "RolloutInProgress" | "Stopped" | "ConfigurationPropagating" | "ClaimPending"
        );
    Event {
        type_: if calm {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: now.reason.clone(),
        note: Some(format!("{}: {}", now.type_, now.message)),
        action: "Reconcile".to_owned(),
        secondary: None,
    }
}
