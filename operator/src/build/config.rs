//! The pods' configuration file.

use super::Plan;
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use sha2::{Digest, Sha256};
use std::fmt::Write;

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

/// SHA-256 in hex.
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
