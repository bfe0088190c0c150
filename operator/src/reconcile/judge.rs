//! One pure function per condition: what was found → yes, no, or nobody knows, with a reason and a sentence.

mod allowlist;
mod configuration;
mod degraded;
mod ready;
mod storage;

pub(super) use configuration::{certificate_refused, refused};

use super::{
    Outcome,
    gather::Gathered,
    standing,
    workload::{self, Workload},
};
use crate::api::status::{ConditionType, Reason, Status};

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

    /// Is it known that no pod should run?
    fn is_stopped(&self) -> bool {
        match self.outcome {
            Outcome::Applied(..) => self.workload.wanted == 0,
            Outcome::Failed(Some(plan)) => plan.replicas == 0,
            Outcome::Failed(None) | Outcome::Refused(_) | Outcome::Paused => false,
        }
    }

    /// Why something else is put into force than what was asked for, in one sentence.
    fn rejected(&self) -> Option<Kept> {
        let allowlist = &self.outcome.written()?.allowlist;
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
    let ready = ready::ready(facts);
    let mut all = Vec::from(lists(facts));
    all.extend(seen(facts));
    all.extend(ready::reconciling(facts, &ready));
    all.extend(stalled(facts));
    all.extend(paused(facts));
    all.push(ready);
    all
}

/// What is about the lists that are written.
pub(super) fn lists(facts: &Facts) -> [Judgement; 3] {
    [
        degraded::degraded(facts),
        configuration::configuration_valid(facts),
        allowlist::allowlist_applied(facts),
    ]
}

/// What is seen of pods and claims, whatever is written.
pub(super) fn seen(facts: &Facts) -> [Judgement; 2] {
    [ready::available(facts), storage::storage_ready(facts)]
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

fn with(message: String, trouble: &str) -> String {
    if trouble.is_empty() {
        message
    } else {
        format!("{message}: {trouble}")
    }
}
