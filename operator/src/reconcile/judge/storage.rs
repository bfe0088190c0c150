//! StorageReady: has every claim its volume, and is the data whole?

use super::{Facts, Judgement};
use crate::api::status::{ConditionType, Reason};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

/// Has every claim its volume, and is the data whole?
pub(super) fn storage_ready(facts: &Facts) -> Judgement {
    use ConditionType::StorageReady;
    for (pod, answer) in &facts.gathered.answers {
        if let Some(damage) = answer.store.quarantined.first() {
            return Judgement::new(
                StorageReady,
                false,
                Reason::Quarantined,
                format!(
                    "{pod} set {} damaged segments aside, first {}, lost numbers {}: restore them from a backup or another relay, then run relay acknowledge in the pod",
                    answer.store.quarantined.len(),
                    damage.file,
                    damage.numbers()
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
            format!(
                "claim {name} lost its volume: bring the volume back, or delete the claim and restore its events"
            ),
        );
    }
    if let Some(name) = phase("Pending") {
        return Judgement::new(
            StorageReady,
            false,
            Reason::ClaimPending,
            format!("claim {name} waits for a volume: kubectl describe pvc {name} says for what"),
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
