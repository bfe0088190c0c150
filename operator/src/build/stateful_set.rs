//! The StatefulSet and its claim template. Claim template, service name and pod management can never change.

use super::{Plan, pod};
use crate::{api::shared::DeletionPolicy, names};
use k8s_openapi::{
    api::{
        apps::v1::{
            StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
            StatefulSetUpdateStrategy,
        },
        core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

/// The pods and their claims.
pub fn stateful_set(plan: &Plan) -> StatefulSet {
    StatefulSet {
        metadata: plan.identity.metadata(&plan.identity.name),
        spec: Some(StatefulSetSpec {
            replicas: Some(plan.replicas),
            service_name: Some(names::headless(&plan.identity.name)),
            selector: plan.identity.label_selector(),
            template: pod::template(plan),
            volume_claim_templates: Some(vec![claim(plan)]),
            // Each pod is a store of its own: none has to wait for another.
            pod_management_policy: Some("Parallel".to_owned()),
            // One pod: nothing rolls after it, so waiting would only delay the news that it serves.
            min_ready_seconds: Some(0),
            revision_history_limit: Some(3),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(retention(plan.deletion_policy)),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// ReadWriteOncePod: a second pod on the volume would be a second writer. No owner reference: claims outlive us.
fn claim(plan: &Plan) -> PersistentVolumeClaim {
    let size = Quantity(plan.storage.size.to_string());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::CLAIM.to_owned()),
            labels: Some(plan.identity.labels()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOncePod".to_owned()]),
            volume_mode: Some("Filesystem".to_owned()),
            storage_class_name: plan.storage.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), size)].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

fn retention(policy: DeletionPolicy) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let when_deleted = match policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Delete => "Delete",
    };
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(when_deleted.to_owned()),
        when_scaled: Some("Retain".to_owned()),
    }
}
