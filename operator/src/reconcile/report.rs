//! What was applied and what is there → status. Pure: time comes in as an argument.

use super::{
    Outcome,
    error::Error,
    gather::Gathered,
    validate,
    workload::{self, Workload},
};
use crate::{
    api::status::{ConditionType, Reason, Status, StorageStatus},
    build::selector_text,
    kinds::Kind,
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::ResourceExt;
use std::collections::BTreeSet;

/// One judgement about a resource; becomes a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// About what.
    pub type_: ConditionType,
    /// Yes, no, or nobody knows.
    pub holds: Option<bool>,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
}

impl Judgement {
    fn new(
        type_: ConditionType,
        holds: impl Into<Option<bool>>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            holds: holds.into(),
            reason,
            message: message.into(),
        }
    }
}

/// What all judgements look at.
struct Facts<'a> {
    gathered: &'a Gathered,
    outcome: &'a Outcome,
    workload: Workload,
    trouble: String,
}

/// The whole status after a visit.
pub fn report<K: Kind>(
    object: &K,
    gathered: &Gathered,
    outcome: &Outcome,
    now: Timestamp,
) -> Status {
    let set = match outcome {
        Outcome::Applied(_, children) => Some(&children.stateful_set),
        _ => gathered.stateful_set.as_ref(),
    };
    let workload = Workload::of(set);
    let facts = Facts {
        gathered,
        outcome,
        workload,
        trouble: workload::trouble(gathered),
    };
    let old = object.status().cloned().unwrap_or_default();
    Status {
        observed_generation: object.meta().generation,
        conditions: conditions(judge(&facts), &old, object.meta().generation, now),
        replicas: workload.replicas,
        ready_replicas: workload.ready,
        selector: selector_text(K::APP, &object.name_any()),
        url: match outcome {
            Outcome::Applied(plan, _) => plan.url.clone(),
            _ => old.url,
        },
        version: version(gathered).or(old.version),
        storage: Some(storage(
            object.common().storage.size.to_string(),
            gathered,
            old.storage,
        )),
    }
}

/// The status after a failed visit: what was known stays, and what failed is said. A conflict is nobody's news.
pub fn failed<K: Kind>(object: &K, error: &Error, now: Timestamp) -> Option<Status> {
    let old = object.status().cloned().unwrap_or_default();
    let class = error.class();
    let (reason, message) = (class.reason(), error.to_string());
    let judgements = match (class.is_terminal(), reason) {
        (true, reason) => vec![
            Judgement::new(ConditionType::Ready, false, reason, &message),
            Judgement::new(ConditionType::Stalled, true, reason, &message),
        ],
        (false, _) if matches!(class, super::error::Class::Conflict) => return None,
        (false, reason) => vec![Judgement::new(
            ConditionType::Reconciling,
            true,
            reason,
            message,
        )],
    };
    let mut status = old.clone();
    let renewed: BTreeSet<String> = judgements.iter().map(|j| j.type_.to_string()).collect();
    let transient = ["Reconciling", "Stalled"];
    let kept = old.conditions.iter().filter(|condition| {
        !renewed.contains(&condition.type_) && !transient.contains(&condition.type_.as_str())
    });
    status.conditions = kept.cloned().collect();
    status
        .conditions
        .extend(conditions(judgements, &old, object.meta().generation, now));
    if class.is_terminal() {
        status.observed_generation = object.meta().generation;
    }
    status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    Some(status)
}

/// Does a new status say the same as the old one? Conditions that others added do not count.
pub fn same(old: Option<&Status>, new: &Status) -> bool {
    let Some(old) = old else { return false };
    let mut ours = old.clone();
    let known = [
        ConditionType::Ready,
        ConditionType::Reconciling,
        ConditionType::Stalled,
        ConditionType::Available,
        ConditionType::Degraded,
        ConditionType::ConfigurationValid,
        ConditionType::StorageReady,
        ConditionType::Paused,
    ]
    .map(|type_| type_.to_string());
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

fn judge(facts: &Facts) -> Vec<Judgement> {
    let ready = ready(facts);
    let mut all = vec![
        available(facts),
        degraded(facts),
        configuration_valid(facts),
        storage_ready(facts),
    ];
    all.extend(reconciling(facts, &ready));
    all.extend(stalled(facts));
    all.extend(paused(facts));
    all.push(ready);
    all
}

fn ready(facts: &Facts) -> Judgement {
    use ConditionType::Ready;
    let Workload {
        wanted,
        ready,
        rolling,
        ..
    } = facts.workload;
    let no = |reason, message: String| Judgement::new(Ready, false, reason, message);
    match facts.outcome {
        Outcome::Refused(refusal) => no(refusal.reason, refusal.message.clone()),
        _ if wanted == 0 => no(Reason::Stopped, "spec.operation is Stopped: no pod runs, the claims are kept".to_owned()),
        _ if rolling => no(Reason::RolloutInProgress, with(format!("{ready} of {wanted} pods serve, pods are being replaced"), &facts.trouble)),
        _ if ready < wanted => no(Reason::PodsUnavailable, with(format!("{ready} of {wanted} pods serve"), &facts.trouble)),
        Outcome::Applied(plan, _) if workload::waits_for_configuration(facts.gathered, plan) => no(
            Reason::ConfigurationPropagating,
            "pods serve, but do not have the newest configuration yet: the kubelet brings it within 90 seconds".to_owned(),
        ),
        _ => Judgement::new(Ready, true, Reason::Serving, format!("{ready} of {wanted} pods serve")),
    }
}

/// Present only while True, as kstatus reads it.
fn reconciling(facts: &Facts, ready: &Judgement) -> Option<Judgement> {
    let stopping = ready.reason == Reason::Stopped && facts.workload.replicas > 0;
    let moving = matches!(
        ready.reason,
        Reason::RolloutInProgress | Reason::PodsUnavailable | Reason::ConfigurationPropagating
    );
    (moving || stopping).then(|| {
        Judgement::new(
            ConditionType::Reconciling,
            true,
            ready.reason,
            ready.message.clone(),
        )
    })
}

/// Present only while True, as kstatus reads it.
fn stalled(facts: &Facts) -> Option<Judgement> {
    match facts.outcome {
        Outcome::Refused(refusal) => Some(Judgement::new(
            ConditionType::Stalled,
            true,
            refusal.reason,
            refusal.message.clone(),
        )),
        _ => None,
    }
}

fn paused(facts: &Facts) -> Option<Judgement> {
    matches!(facts.outcome, Outcome::Paused).then(|| {
        Judgement::new(
            ConditionType::Paused,
            true,
            Reason::AnnotationSet,
            "the annotation nostrfleet.io/paused is true: nothing is changed until it is removed",
        )
    })
}

fn available(facts: &Facts) -> Judgement {
    use ConditionType::Available;
    match facts.workload {
        Workload { ready, .. } if ready > 0 => Judgement::new(
            Available,
            true,
            Reason::Serving,
            format!("{ready} pods serve"),
        ),
        Workload { wanted: 0, .. } if matches!(facts.outcome, Outcome::Applied(..)) => {
            Judgement::new(Available, false, Reason::Stopped, "no pod should run")
        }
        _ => Judgement::new(
            Available,
            false,
            Reason::PodsUnavailable,
            with("no pod serves".to_owned(), &facts.trouble),
        ),
    }
}

fn degraded(facts: &Facts) -> Judgement {
    use ConditionType::Degraded;
    let Workload { wanted, ready, .. } = facts.workload;
    if ready > 0 && ready < wanted {
        return Judgement::new(
            Degraded,
            true,
            Reason::ReplicaMissing,
            with(format!("{ready} of {wanted} pods serve"), &facts.trouble),
        );
    }
    if let Some((pod, why)) = refused_configuration(facts.gathered) {
        return Judgement::new(
            Degraded,
            true,
            Reason::Rejected,
            format!("{pod} keeps its last good configuration: {why}"),
        );
    }
    let crowded = facts.gathered.answers.iter().find(|(_, answer)| {
        let store = &answer.store;
        store.full
            || (store.capacity_bytes > 0 && store.used_bytes > store.capacity_bytes / 100 * 85)
    });
    match crowded {
        Some((pod, answer)) => Judgement::new(
            Degraded,
            true,
            Reason::DiskAlmostFull,
            format!(
                "{pod} uses {} of {}{}",
                two_digits(answer.store.used_bytes),
                two_digits(answer.store.capacity_bytes),
                if answer.store.full {
                    " and takes no events: delete some, or move to a larger volume"
                } else {
                    ""
                }
            ),
        ),
        None => Judgement::new(
            Degraded,
            false,
            Reason::AsSpecified,
            "nothing is less than was asked for",
        ),
    }
}

fn configuration_valid(facts: &Facts) -> Judgement {
    use ConditionType::ConfigurationValid;
    if let Outcome::Refused(refusal) = facts.outcome {
        return Judgement::new(
            ConfigurationValid,
            false,
            refusal.reason,
            refusal.message.clone(),
        );
    }
    if facts.gathered.class_missing {
        return Judgement::new(
            ConfigurationValid,
            false,
            Reason::MissingReference,
            "the StorageClass that spec.storage.storageClassName names does not exist: create it",
        );
    }
    match refused_configuration(facts.gathered) {
        Some((pod, why)) => Judgement::new(
            ConfigurationValid,
            false,
            Reason::Rejected,
            format!("{pod} refuses it: {why}"),
        ),
        None => Judgement::new(
            ConfigurationValid,
            true,
            Reason::Valid,
            "the spec makes sense",
        ),
    }
}

fn refused_configuration(gathered: &Gathered) -> Option<(&String, &String)> {
    let told = gathered
        .answers
        .iter()
        .map(|(pod, answer)| (pod, &answer.configuration.error));
    told.into_iter().find(|(_, error)| !error.is_empty())
}

fn storage_ready(facts: &Facts) -> Judgement {
    use ConditionType::StorageReady;
    for (pod, answer) in &facts.gathered.answers {
        if let Some(damage) = answer.store.quarantined.first() {
            let lost: Vec<String> = damage
                .lost
                .iter()
                .map(|(from, to)| format!("{from}-{to}"))
                .collect();
            return Judgement::new(
                StorageReady,
                false,
                Reason::Quarantined,
                format!(
                    "{pod} set {} damaged segments aside, first {}, lost numbers {}: restore them from a backup or another relay",
                    answer.store.quarantined.len(),
                    damage.file,
                    lost.join(", ")
                ),
            );
        }
    }
    let phase = |phase: &str| {
        let claims = facts.gathered.claims.iter();
        let of = |claim: &&_| phase_of(claim) == Some(phase);
        claims.filter(of).map(ResourceExt::name_any).next()
    };
    if let Some(name) = phase("Lost") {
        return Judgement::new(
            StorageReady,
            false,
            Reason::ClaimLost,
            format!("claim {name} lost its volume"),
        );
    }
    if let Some(name) = phase("Pending") {
        return Judgement::new(
            StorageReady,
            false,
            Reason::ClaimPending,
            format!("claim {name} waits for a volume"),
        );
    }
    match phase("Bound") {
        Some(_) => Judgement::new(
            StorageReady,
            true,
            Reason::Bound,
            "every claim has its volume",
        ),
        None => Judgement::new(StorageReady, None, Reason::Pending, "there is no claim yet"),
    }
}

fn phase_of(claim: &k8s_openapi::api::core::v1::PersistentVolumeClaim) -> Option<&str> {
    claim.status.as_ref()?.phase.as_deref()
}

fn with(message: String, trouble: &str) -> String {
    if trouble.is_empty() {
        message
    } else {
        format!("{message}: {trouble}")
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

fn storage(requested: String, gathered: &Gathered, old: Option<StorageStatus>) -> StorageStatus {
    let old = old.unwrap_or_default();
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
        requested,
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
