//! The pods' configuration file.

use super::Plan;
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use relay_config::hash::sha256_hex;

/// The file's text.
pub fn config_text(plan: &Plan) -> String {
    plan.config.write()
}

/// The file in a ConfigMap. Hot keys reach running pods through it; cold ones through the template's annotation.
pub fn config_map(plan: &Plan) -> ConfigMap {
    ConfigMap {
        metadata: plan.identity.metadata(names::config(&plan.identity.name)),
        data: Some(
            [(
                relay_config::names::CONFIG_FILE.to_owned(),
                config_text(plan),
            )]
            .into(),
        ),
        ..ConfigMap::default()
    }
}

/// What a pod's `/status` says of a file with this text.
pub fn hash(text: &str) -> String {
    sha256_hex(text.as_bytes())
}
