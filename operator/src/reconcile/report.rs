//! What was applied and what is there → status. Pure: time comes in as an argument.

use super::{
    Outcome,
    gather::Gathered,
    judge::{self, Facts, Judgement},
    validate,
    workload::{self, Word, Workload},
};
use crate::{
    api::status::{AllowlistStatus, ConditionType, Status, StorageStatus},
    build::{Plan, selector_text},
    kinds::Kind,
};
use k8s_openapi::{
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::ResourceExt;
use std::collections::BTreeSet;

/// The whole status after a visit.
pub fn report<K: Kind>(
    object: &K,
    gathered: &Gathered,
    outcome: &Outcome,
    now: Timestamp,
) -> Status {
    let set = match outcome {
        Outcome::Applied(_, applied) => Some(&applied.stateful_set),
        _ => gathered.stateful_set.as_ref(),
    };
    let workload = Workload::of(set);
    let old = before(object);
    let generation = object.meta().generation;
    let facts = Facts::new(gathered, outcome, workload).after(&old, generation);
    let conditions = conditions(judge::judge(&facts), &old, generation, now);
    Status {
        observed_generation: generation,
        conditions,
        selector: selector_text(K::APP, &object.name_any()),
        url: match outcome {
            Outcome::Applied(plan, _) => plan.url.clone(),
            _ => old.url.clone(),
        },
        allowlist: allowlists(gathered, outcome, old.allowlist.clone(), now),
        ..measured(old, gathered, workload)
    }
}

/// What was said before, and what is asked for now.
pub(super) fn before<K: Kind>(object: &K) -> Status {
    let mut old = object.status().cloned().unwrap_or_default();
    let storage = old.storage.get_or_insert_default();
    storage.requested = object.common().storage.size.to_string();
    old
}

/// A status with what pods and claims are by now, whatever was written.
pub(super) fn measured(old: Status, gathered: &Gathered, workload: Workload) -> Status {
    Status {
        replicas: workload.replicas,
        ready_replicas: workload.ready,
        version: version(gathered).or(old.version),
        storage: old.storage.map(|old| storage(gathered, old)),
        ..old
    }
}

/// The lists that are in force or on their way. Where nothing is written pods come and go all the same.
pub(super) fn allowlists(
    gathered: &Gathered,
    outcome: &Outcome,
    old: Option<AllowlistStatus>,
    now: Timestamp,
) -> Option<AllowlistStatus> {
    match outcome.written() {
        Some(plan) => Some(allowlist(plan, gathered, old, now)),
        None => old.map(|old| recounted(gathered, old)),
    }
}

/// The same lists as before, and how many pods have them by now.
pub(super) fn recounted(gathered: &Gathered, old: AllowlistStatus) -> AllowlistStatus {
    let wanted = Workload::of(gathered.stateful_set.as_ref()).wanted;
    AllowlistStatus {
        applied: in_force(gathered, &old.hash, wanted),
        ..old
    }
}

/// Does a plan put other lists into force than the last visit did? The first ones are no rotation.
pub fn rotates(old: Option<&Status>, plan: &Plan) -> bool {
    let old = old.and_then(|old| old.allowlist.as_ref());
    let before = old.map_or("", |old| old.hash.as_str());
    let now = plan.allowlist.hash.as_str();
    !before.is_empty() && !now.is_empty() && before != now
}

/// How many of the pods that should be serve with these lists in force: `1/1`.
fn in_force(gathered: &Gathered, hash: &str, wanted: i32) -> String {
    let has = |pod: &&Pod| {
        let word = workload::word(gathered, &pod.name_any(), hash);
        !hash.is_empty() && word == Word::InForce && workload::serves(pod)
    };
    let pods = gathered
        .pods
        .iter()
        .filter(has)
        .take(wanted.try_into().unwrap_or(0));
    format!("{}/{wanted}", pods.count())
}

/// The lists of a plan. What the last good ones were is known from before.
fn allowlist(
    plan: &Plan,
    gathered: &Gathered,
    old: Option<AllowlistStatus>,
    now: Timestamp,
) -> AllowlistStatus {
    let (old, new) = (old.unwrap_or_default(), &plan.allowlist);
    let rotated = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    AllowlistStatus {
        applied: in_force(gathered, &new.hash, plan.replicas),
        rotated_at: match (old.hash == new.hash, new.hash.is_empty()) {
            (true, _) => old.rotated_at,
            (false, true) => None,
            (false, false) => Some(rotated),
        },
        hash: new.hash.clone(),
        entries: new.entries.unwrap_or(old.entries),
        sources: new.sources.unwrap_or(old.sources),
    }
}

/// Does a new status say the same as the old one? Conditions that others added do not count.
pub fn same(old: Option<&Status>, new: &Status) -> bool {
    let Some(old) = old else { return false };
    let mut ours = old.clone();
    let known = ConditionType::ALL.map(|type_| type_.to_string());
    ours.conditions
        .retain(|condition| known.contains(&condition.type_));
    ours.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    ours == *new
}

/// Judgements as conditions; the time of the last transition moves only when the answer changes.
pub fn conditions(
    judgements: Vec<Judgement>,
    old: &Status,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = judgements
        .into_iter()
        .map(|judgement| condition(&judgement, old, generation, now))
        .collect();
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    conditions
}

fn condition(
    judgement: &Judgement,
    old: &Status,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = match judgement.holds {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let before = old
        .condition(judgement.type_)
        .filter(|old| old.status == status);
    // The API keeps whole seconds.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Condition {
        type_: judgement.type_.to_string(),
        status: status.to_owned(),
        reason: judgement.reason.to_string(),
        message: judgement.message.chars().take(1024).collect(),
        observed_generation: generation,
        last_transition_time: before.map_or(Time(now), |old| old.last_transition_time.clone()),
    }
}

/// What the pods say that they run; several while they are being replaced.
fn version(gathered: &Gathered) -> Option<String> {
    let versions: BTreeSet<&str> = gathered
        .answers
        .values()
        .map(|answer| answer.version.as_str())
        .collect();
    (!versions.is_empty()).then(|| versions.into_iter().collect::<Vec<_>>().join(", "))
}

fn storage(gathered: &Gathered, old: StorageStatus) -> StorageStatus {
    let capacities = gathered.claims.iter().filter_map(|claim| {
        let quantity = claim.status.as_ref()?.capacity.as_ref()?.get("storage")?;
        Some((validate::size(quantity)?, quantity.0.clone()))
    });
    let used = gathered
        .answers
        .values()
        .map(|answer| answer.store.used_bytes)
        .max();
    StorageStatus {
        requested: old.requested,
        capacity: capacities.min().map(|(_, text)| text),
        used: used.map(two_digits).or(old.used),
    }
}

/// A number of bytes as a quantity with two digits: `1.2Gi`, `34Mi`, `340Mi`.
pub fn two_digits(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let Some((unit, shift)) = units.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return bytes.to_string();
    };
    let tenths = (u128::from(bytes) * 10) >> shift;
    match tenths {
        0..100 if tenths % 10 == 0 => format!("{}{unit}", tenths / 10),
        0..100 => format!("{}.{}{unit}", tenths / 10, tenths % 10),
        100..1000 => format!("{}{unit}", tenths / 10),
        _ => format!("{}{unit}", tenths / 100 * 10),
    }
}
