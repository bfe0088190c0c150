//! A visit that failed → status. What was known stays, what failed is said, how pods and claims fare, and of the lists only what
//! is known by now. Pure.

use super::{
    Outcome,
    error::{Class, Error},
    gather::Gathered,
    judge::{self, Facts, Judgement},
    report::{allowlists, before, conditions, measured},
    workload::Workload,
};
use crate::{
    api::status::{ConditionType, Reason, Status},
    kinds::Kind,
};
use k8s_openapi::jiff::Timestamp;

/// A visit that failed.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// What is there, as far as it was found.
    pub gathered: Gathered,
    /// What is written all the same.
    pub outcome: Outcome,
}

/// What is about the visit itself.
const PASSING: [ConditionType; 2] = [ConditionType::Reconciling, ConditionType::Stalled];

impl Failure {
    /// The status after it. A conflict is nobody's news, and of passing failures only the first is told: another text each
    /// time would be a write each time, and each write a visit. What is in force, and how pods fare, is told each time.
    pub fn status<K: Kind>(&self, object: &K, now: Timestamp) -> Option<Status> {
        let old = before(object);
        let class = self.error.class();
        if class == Class::Conflict && self.outcome.written().is_none() {
            return None;
        }
        let mut judgements = self.of_lists(&old);
        judgements.extend(self.of_itself(&old));
        if class == Class::Invalid && !denied(&judgements, ConditionType::ConfigurationValid) {
            judgements.retain(|judged| judged.type_ != ConditionType::ConfigurationValid);
            judgements.push(self.told(ConditionType::ConfigurationValid, false));
        }
        let generation = object.meta().generation;
        let mut status = amended(
            &old,
            &self.gathered,
            &self.outcome,
            judgements,
            generation,
            now,
        );
        if self.outcome.written().is_some() {
            let paused = ConditionType::Paused.to_string();
            status.conditions.retain(|it| it.type_ != paused);
        }
        status.allowlist = allowlists(&self.gathered, &self.outcome, old.allowlist, now);
        if class.is_terminal() {
            status.observed_generation = generation;
        }
        Some(status)
    }

    /// What failed, where it is news.
    fn of_itself(&self, old: &Status) -> Vec<Judgement> {
        match self.error.class() {
            Class::Conflict => Vec::new(),
            Class::Transient if self.is_known(old) => Vec::new(),
            Class::Transient => vec![self.told(ConditionType::Reconciling, true)],
            Class::Invalid | Class::Forbidden | Class::SchemaSkew => vec![
                self.told(ConditionType::Ready, false),
                self.told(ConditionType::Stalled, true),
            ],
        }
    }

    fn told(&self, type_: ConditionType, holds: bool) -> Judgement {
        let reason = self.error.class().reason();
        Judgement::new(type_, holds, reason, self.error.to_string())
    }

    /// Is it told already that visits fail for now?
    fn is_known(&self, old: &Status) -> bool {
        let retrying = old.condition(ConditionType::Reconciling);
        retrying.is_some_and(|old| old.reason == self.error.class().reason().to_string())
    }

    /// What is in force, or that nobody knows. One passing failure makes nothing unknown: the next visit comes in a second.
    fn of_lists(&self, old: &Status) -> Vec<Judgement> {
        if self.outcome.written().is_none() {
            if self.error.class() == Class::Transient && !self.is_known(old) {
                return Vec::new();
            }
            return vec![unknown_lists(
                "the visit failed before the lists were written: what the pods have stays, as far as is known",
            )];
        }
        let workload = Workload::of(self.gathered.stateful_set.as_ref());
        judge::lists(&Facts::new(&self.gathered, &self.outcome, workload)).into()
    }
}

/// Nothing is known of the lists that are asked for.
pub(super) fn unknown_lists(why: &str) -> Judgement {
    Judgement::new(ConditionType::AllowlistApplied, None, Reason::Pending, why)
}

fn denied(judgements: &[Judgement], type_: ConditionType) -> bool {
    let denies = |judged: &Judgement| judged.type_ == type_ && judged.holds == Some(false);
    judgements.iter().any(denies)
}

/// How pods and claims fare. Only a visit that knows what is asked for can tell that nothing should run: else that stays.
fn seen(
    old: &Status,
    gathered: &Gathered,
    outcome: &Outcome,
    workload: Workload,
) -> Vec<Judgement> {
    let mut seen = Vec::from(judge::seen(&Facts::new(gathered, outcome, workload)));
    let available = old.condition(ConditionType::Available);
    if outcome.written().is_none()
        && available.is_some_and(|it| it.reason == Reason::Stopped.to_string())
    {
        seen.retain(|it| it.type_ != ConditionType::Available || it.holds == Some(true));
    }
    seen
}

/// What was Ready is not while no pod serves. When one does again, whether all is in effect is known once a visit succeeds.
fn readiness(old: &Status, seen: &Judgement) -> Option<Judgement> {
    let ready = old.condition(ConditionType::Ready)?;
    let said = |reason: Reason| ready.reason == reason.to_string();
    let lost = said(Reason::PodsUnavailable);
    let judge = |holds, reason, why: &str| Judgement::new(ConditionType::Ready, holds, reason, why);
    match (seen.type_, seen.holds) {
        (ConditionType::Available, Some(false))
            if ready.status != "False" || lost || said(Reason::Stopped) =>
        {
            Some(judge(Some(false), seen.reason, &seen.message))
        }
        (ConditionType::Available, Some(true)) if lost => {
            let why = "pods serve again; whether all that is asked for is in effect is known once a visit succeeds";
            Some(judge(None, Reason::Pending, why))
        }
        _ => None,
    }
}

/// An old status with new judgements about a part of it, and with what is seen of pods and claims. What neither names stays; but
/// where they say anything about the visit itself nothing else is in progress or stalled, and of what was never looked at
/// nobody knows.
pub(super) fn amended(
    old: &Status,
    gathered: &Gathered,
    outcome: &Outcome,
    mut judgements: Vec<Judgement>,
    generation: Option<i64>,
    now: Timestamp,
) -> Status {
    let told = judgements.iter().any(|it| PASSING.contains(&it.type_));
    let workload = Workload::of(gathered.stateful_set.as_ref());
    let seen = seen(old, gathered, outcome, workload);
    if judgements.iter().all(|it| it.type_ != ConditionType::Ready) {
        judgements.extend(seen.iter().filter_map(|seen| readiness(old, seen)));
    }
    judgements.extend(seen);
    let lasting = ConditionType::ALL.into_iter().filter(|it| it.is_lasting());
    for type_ in lasting.filter(|type_| old.condition(*type_).is_none()) {
        if judgements.iter().all(|judged| judged.type_ != type_) {
            let message = "no visit has come this far yet";
            judgements.push(Judgement::new(type_, None, Reason::Pending, message));
        }
    }
    let mut conditions = conditions(judgements, old, generation, now);
    for type_ in ConditionType::ALL {
        let name = type_.to_string();
        let over = told && PASSING.contains(&type_);
        if !over && conditions.iter().all(|new| new.type_ != name) {
            conditions.extend(old.condition(type_).cloned());
        }
    }
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    Status {
        conditions,
        ..measured(old.clone(), gathered, workload)
    }
}
