//! Arranging: resources in YAML, plans and surroundings from them.

#![allow(dead_code)] // each test binary uses its part

pub mod rules;

use nostr_fleet_operator::{
    api::NostrRelay,
    build::{self, Children, Plan},
    reconcile::{gather::Gathered, validate},
    settings::Settings,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf};

/// YAML as any type, by way of JSON as kubectl does it.
pub fn yaml<T: DeserializeOwned>(text: &str) -> T {
    let value: Value = serde_yaml::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"));
    serde_json::from_value(value).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// An object as YAML, by way of JSON: no tags.
pub fn to_yaml(object: &impl Serialize) -> String {
    serde_yaml::to_string(&serde_json::to_value(object).unwrap()).unwrap()
}

/// A stored relay called town with this spec.
pub fn town(spec: &str) -> NostrRelay {
    let spec: Value = yaml(spec);
    let value = serde_json::json!({
        "apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay",
        "metadata": {
            "name": "town", "namespace": "here", "generation": 3,
            "uid": "00000000-0000-0000-0000-000000000001",
        },
        "spec": spec,
    });
    serde_json::from_value(value).unwrap_or_else(|why| panic!("{why}: {spec}"))
}

/// What the operator of these tests was started with.
pub fn settings() -> Settings {
    Settings {
        image: "example.org/relay:1".to_owned(),
        ingress_from: Vec::new(),
        monitoring_namespace: None,
        namespace: "nostr-fleet-system".to_owned(),
        watch_namespaces: BTreeSet::new(),
    }
}

/// The plan of a spec that must make sense.
pub fn plan(spec: &str, settings: &Settings) -> Plan {
    validate::validate(&town(spec), &Gathered::default(), settings)
        .unwrap_or_else(|refusal| panic!("{}: {}", refusal.reason, refusal.message))
}

/// Its children.
pub fn children(spec: &str, settings: &Settings) -> Children {
    build::children(&plan(spec, settings))
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
}
