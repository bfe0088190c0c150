//! NostrRelay: role `relay`, and the relay information document.

use super::{Common, Kind};
use crate::api::{NostrRelay, status::Status};
use relay_config::{Hot, Role};

impl Kind for NostrRelay {
    const APP: &'static str = "nostr-relay";
    const ROLE: Role = Role::Relay;
    const MEMORY: &'static str = "1Gi";

    fn common(&self) -> Common<'_> {
        let spec = &self.spec;
        Common {
            replicas: spec.replicas,
            image: spec.image.as_deref(),
            url: spec.url.as_deref(),
            operation: spec.operation,
            deletion_policy: spec.deletion_policy,
            storage: &spec.storage,
            tls: spec.tls.as_ref(),
            service: &spec.service,
            network: &spec.network,
            addresses: &spec.addresses,
            access: &spec.access,
            auth: &spec.auth,
            limits: &spec.limits,
            logging: &spec.logging,
            resources: &spec.resources,
            pod: &spec.pod,
        }
    }

    fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    fn configure(&self, hot: &mut Hot) {
        hot.info = self.spec.info.clone();
    }
}
