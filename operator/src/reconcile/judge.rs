//! One pure function per condition: what was found → yes, no, or nobody knows, with a reason and a sentence.

use super::{
    Outcome,
    gather::Gathered,
    mounts::Unmounted,
    nudge,
    report::two_digits,
    standing,
    workload::{self, Word, Workload},
};
use crate::api::status::{ConditionType, Reason, Status};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

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
    /// A judgement in one line.
    pub fn new(
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
#[derive(Debug)]
pub struct Facts<'a> {
    gathered: &'a Gathered,
    outcome: &'a Outcome,
    workload: Workload,
    trouble: String,
    was_ready: bool,
}

/// What stays in force instead of what was asked for.
struct Kept {
    reason: Reason,
    message: String,
    is_nothing: bool,
}

impl<'a> Facts<'a> {
    /// What a visit found.
    pub fn new(gathered: &'a Gathered, outcome: &'a Outcome, workload: Workload) -> Self {
        let trouble = workload::trouble(gathered);
        Self {
            gathered,
            outcome,
            workload,
            trouble,
            was_ready: false,
        }
    }

    /// With what was said before: lists that change do not make a resource unready whose spec did not.
    #[must_use]
    pub fn after(mut self, old: &Status, generation: Option<i64>) -> Self {
        let ready = old.condition(ConditionType::Ready);
        self.was_ready = ready
            .is_some_and(|ready| ready.status == "True" && ready.observed_generation == generation);
        self
    }

    /// Why something else is put into force than what was asked for, in one sentence.
    fn rejected(&self) -> Option<Kept> {
        let Outcome::Applied(plan, _) = self.outcome else {
            return None;
        };
        let allowlist = &plan.allowlist;
        Some(Kept {
            reason: allowlist.rejected.first()?.reason,
            message: standing::words(&allowlist.rejected),
            is_nothing: allowlist.serves_nobody,
        })
    }

    /// There never was a good list: nobody is served.
    fn serves_nobody(&self) -> Option<Kept> {
        self.rejected().filter(|kept| kept.is_nothing)
    }
}

/// All judgements; Reconciling, Stalled and Paused only while they hold.
pub fn judge(facts: &Facts) -> Vec<Judgement> {
    let ready = ready(facts);
    let mut all = vec![
        available(facts),
        degraded(facts),
        configuration_valid(facts),
        allowlist_applied(facts),
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
    if let Some(kept) = facts.serves_nobody().filter(|_| wanted > 0) {
        return no(kept.reason, format!("nobody is served: {}", kept.message));
    }
    match facts.outcome {
        Outcome::Refused(refusal) => no(refusal.reason, refusal.message.clone()),
        // Nothing was applied: what the spec asks for is not what is there.
        Outcome::Paused if wanted == 0 => no(
            Reason::AnnotationSet,
            "no pod runs, and none is started until the annotation nostrfleet.io/paused is removed".to_owned(),
        ),
        _ if wanted == 0 => no(Reason::Stopped, "spec.operation is Stopped: no pod runs, the claims are kept".to_owned()),
        _ if rolling => no(Reason::RolloutInProgress, with(format!("{ready} of {wanted} pods serve, pods are being replaced"), &facts.trouble)),
        _ if ready < wanted => no(Reason::PodsUnavailable, with(format!("{ready} of {wanted} pods serve"), &facts.trouble)),
        Outcome::Applied(plan, _) if !facts.was_ready && !workload::behind(facts.gathered, plan).is_empty() => no(
            Reason::ConfigurationPropagating,
            "pods serve, but do not have the newest configuration yet: they are nudged until they do, which takes about a second".to_owned(),
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
    let stalled = |reason, message: &str| {
        Some(Judgement::new(
            ConditionType::Stalled,
            true,
            reason,
            message,
        ))
    };
    if let Outcome::Refused(refusal) = facts.outcome {
        return stalled(refusal.reason, &refusal.message);
    }
    let why = facts.serves_nobody()?;
    stalled(why.reason, &why.message)
}

/// Has every pod that serves the wanted modes and lists in force?
fn allowlist_applied(facts: &Facts) -> Judgement {
    let judge = |holds: Option<bool>, reason, message: String| {
        Judgement::new(ConditionType::AllowlistApplied, holds, reason, message)
    };
    let Outcome::Applied(plan, _) = facts.outcome else {
        let message = "nothing is written: what the pods have stays";
        return judge(None, Reason::Pending, message.to_owned());
    };
    if let Some(kept) = facts.rejected() {
        let what = if kept.is_nothing {
            "nobody is served until there is a good list"
        } else {
            "what was last good stays in force"
        };
        return judge(
            Some(false),
            Reason::Rejected,
            format!("{what}: {}", kept.message),
        );
    }
    let ready = facts
        .gathered
        .pods
        .iter()
        .filter(|pod| workload::is_ready(pod));
    let names: Vec<String> = ready.map(ResourceExt::name_any).collect();
    let words = names.iter().map(|pod| {
        let word = workload::word(facts.gathered, pod, &plan.allowlist.hash);
        (pod, word)
    });
    let (mut silent, mut others) = (None, None);
    for (pod, word) in words {
        match word {
            Word::InForce => {}
            Word::Silent => silent = Some(pod),
            Word::Others(why) => others = Some((pod, why)),
        }
    }
    match (others, silent) {
        (Some((pod, why)), _) if !why.is_empty() && facts.gathered.nudges > nudge::PATIENCE => {
            judge(
                Some(false),
                Reason::Rejected,
                format!("{pod} keeps its last good lists: {why}"),
            )
        }
        (Some((pod, _)), _) => judge(
            Some(false),
            Reason::Propagating,
            format!("{pod} does not have the newest lists yet"),
        ),
        (None, Some(pod)) => judge(
            None,
            Reason::Pending,
            format!("{pod} does not say which lists it has"),
        ),
        (None, None) if names.is_empty() => {
            judge(None, Reason::Pending, "no pod serves".to_owned())
        }
        (None, None) => judge(
            Some(true),
            Reason::Applied,
            "every pod that serves has the wanted lists in force".to_owned(),
        ),
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
    if let Some(kept) = facts.rejected().filter(|kept| !kept.is_nothing) {
        return Judgement::new(
            Degraded,
            true,
            Reason::ListRejected,
            format!("what was last good stays in force: {}", kept.message),
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
    if let Some(missing) = facts.gathered.unmounted.first() {
        return Judgement::new(
            ConfigurationValid,
            false,
            Reason::MissingReference,
            cannot_mount(missing, facts.outcome),
        );
    }
    if let Some(kept) = facts.rejected() {
        return Judgement::new(ConfigurationValid, false, kept.reason, kept.message);
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

/// What a pod waits for, and which field names it.
fn cannot_mount(missing: &Unmounted, outcome: &Outcome) -> String {
    let Unmounted { pod, object, key } = missing;
    let secret = match outcome {
        Outcome::Applied(plan, _) => plan.tls_secret.as_deref(),
        _ => None,
    };
    let tls = secret.filter(|secret| object == "Secret" || *object == format!("Secret {secret}"));
    let object = tls.map_or(object.clone(), |secret| format!("Secret {secret}"));
    let named = tls.map_or("", |_| ", which spec.tls.secretName names,");
    match key {
        Some(key) => format!("{object}{named} has no {key}, so {pod} cannot start: add it"),
        None => format!("{object}{named} does not exist, so {pod} cannot start: create it"),
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

fn phase_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.status.as_ref()?.phase.as_deref()
}

fn with(message: String, trouble: &str) -> String {
    if trouble.is_empty() {
        message
    } else {
        format!("{message}: {trouble}")
    }
}
