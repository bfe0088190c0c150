//! Ready, Available, Reconciling: how many pods serve, of those that should.

use super::{Facts, Judgement, with};
use crate::{
    api::status::{ConditionType, Reason},
    reconcile::{
        Outcome,
        workload::{self, Workload},
    },
};

/// Does everything that was asked for serve?
pub(super) fn ready(facts: &Facts) -> Judgement {
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
pub(super) fn reconciling(facts: &Facts, ready: &Judgement) -> Option<Judgement> {
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

fn serving(ready: i32) -> String {
    match ready {
        1 => "1 pod serves".to_owned(),
        _ => format!("{ready} pods serve"),
    }
}

/// Does any pod serve?
pub(super) fn available(facts: &Facts) -> Judgement {
    use ConditionType::Available;
    match facts.workload {
        Workload { ready, .. } if ready > 0 => {
            Judgement::new(Available, true, Reason::Serving, serving(ready))
        }
        _ if facts.is_stopped() => {
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
