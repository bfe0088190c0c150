//! Degraded: what is less than was asked for.

use super::{Facts, Judgement, certificate_refused, refused, with};
use crate::{
    api::status::{ConditionType, Reason},
    reconcile::{report::two_digits, workload::Workload},
};

/// Is anything less than was asked for?
pub(super) fn degraded(facts: &Facts) -> Judgement {
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
    if let Some((pod, why)) = refused(facts.gathered) {
        return Judgement::new(
            Degraded,
            true,
            Reason::Rejected,
            format!("{pod} keeps its last good configuration: {why}"),
        );
    }
    if let Some((pod, why)) = certificate_refused(facts.gathered) {
        return Judgement::new(
            Degraded,
            true,
            Reason::Rejected,
            format!("{pod} keeps its last good certificate, which ends on its day: {why}"),
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
