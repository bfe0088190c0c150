//! Whom the pods run as.

use super::Plan;
use k8s_openapi::api::core::v1::ServiceAccount;

/// An account of its own without a mounted token: the pods never talk to the API server.
pub fn service_account(plan: &Plan) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.identity.metadata(&plan.identity.name),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
