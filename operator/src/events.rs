//! Transitions of conditions as Kubernetes events. Pure; the recorder writes them.

use crate::api::status::{ConditionType, Reason, Status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

/// The conditions whose changes people want to hear of, and the answer that is good news.
const TOLD: [(ConditionType, &str); 5] = [
    (ConditionType::Ready, "True"),
    (ConditionType::ConfigurationValid, "True"),
    (ConditionType::StorageReady, "True"),
    (ConditionType::Degraded, "False"),
    (ConditionType::Paused, "True"),
];

/// Bad news that passes by itself or that somebody asked for.
const CALM: [Reason; 5] = [
    Reason::RolloutInProgress,
    Reason::Stopped,
    Reason::ConfigurationPropagating,
    Reason::ClaimPending,
    Reason::AnnotationSet,
];

/// The reason of the event of a new list.
const ROTATED: &str = "RotatedAllowlist";

/// The API server refuses events with a longer note (events.k8s.io/v1).
const NOTE_BYTES: usize = 1024;

/// What changed about a resource, as events.
pub fn news(old: Option<&Status>, new: &Status) -> Vec<Event> {
    let mut news: Vec<Event> = rotation(old, new).into_iter().collect();
    news.extend(transitions(old, new));
    news
}

/// Other modes and lists than before were written. The first ones are no rotation.
fn rotation(old: Option<&Status>, new: &Status) -> Option<Event> {
    let before = old?.allowlist.as_ref()?;
    let now = new.allowlist.as_ref()?;
    let changed = !before.hash.is_empty() && !now.hash.is_empty() && before.hash != now.hash;
    changed.then(|| Event {
        type_: EventType::Normal,
        reason: ROTATED.to_owned(),
        note: Some(format!(
            "{} entries from {} sources instead of {}: {}",
            now.entries, now.sources, before.entries, now.hash
        )),
        action: "Reconcile".to_owned(),
        secondary: None,
    })
}

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

fn event(now: &Condition, good: &str) -> Event {
    let calm = now.status == good || CALM.iter().any(|reason| now.reason == reason.to_string());
    Event {
        type_: if calm {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: now.reason.clone(),
        note: Some(cut(format!("{}: {}", now.type_, now.message))),
        action: "Reconcile".to_owned(),
        secondary: None,
    }
}

/// At most [`NOTE_BYTES`], and no half character at the end.
fn cut(mut note: String) -> String {
    let mut end = note.len().min(NOTE_BYTES);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note
}
