//! The custom resources: data only. Nothing here talks to a cluster or decides anything.

pub mod access;
mod lenient;
pub mod relay;
pub mod schema;
pub mod shared;
pub mod status;

use kube::CustomResourceExt;
use serde_json::Value;

/// API group of all kinds.
pub const GROUP: &str = "nostrfleet.io";
/// The version that is served and stored.
pub const VERSION: &str = "v1alpha1";

pub use relay::{NostrRelay, NostrRelaySpec};

/// All CustomResourceDefinitions as they are installed: whole numbers, no descriptions inside core types.
pub fn crds() -> Vec<Value> {
    vec![schema::finish(&NostrRelay::crd())]
}

/// One definition as a YAML document.
pub fn yaml(crd: &Value) -> String {
    serde_yaml::to_string(crd).expect("a JSON value is YAML")
}

/// The file name of a definition in `crds/`.
pub fn file_name(crd: &Value) -> String {
    let name = crd["spec"]["names"]["plural"]
        .as_str()
        .expect("every definition has a plural");
    format!("{name}.yaml")
}
