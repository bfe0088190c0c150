//! The definitions: committed equal generated, small, bounded, and every rule accepts and refuses.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod common;

use common::{
    repository,
    rules::{CASES, NAMES, object},
};
use kube::core::cel::Validator;
use nostr_fleet_operator::api::{self, NostrRelay};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeSet, fs};

fn schema() -> Value {
    let crd = &api::crds()[0];
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn refusals(object: &Value, before: Option<&Value>) -> Vec<String> {
    match Validator::new().validate(&schema(), object, before) {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .as_slice()
            .iter()
            .map(|error| error.message.clone())
            .collect(),
    }
}

/// Visits every schema in a schema, with its path.
fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            walk(&schema[inner], &format!("{path}[]"), visit);
        }
    }
}

#[test]
fn committed_definitions_are_the_generated_ones() {
    for crd in api::crds() {
        for dir in ["crds", "config/crd", "charts/nostr-fleet/files/crds"] {
            let path = repository(dir).join(api::file_name(&crd));
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == api::yaml(&crd),
                "{} is out of date: run `make crds`",
                path.display()
            );
        }
    }
}

#[test]
fn definitions_are_small_and_their_numbers_whole() {
    for crd in api::crds() {
        let text = api::yaml(&crd);
        // As it is stored, in annotations of kubectl and in releases of Helm. Half of the YAML is indentation.
        let stored = crd.to_string().len();
        assert!(stored < 40_000, "{stored} bytes");
        let fraction = |line: &&str| line.trim_end().ends_with(".0") && line.contains("imum");
        assert_eq!(text.lines().find(fraction), None);
    }
}

/// Every word of a document, keys included.
fn scalars(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.to_lowercase()),
        Value::Array(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Object(keys) => keys.iter().for_each(|(key, value)| {
            found.push(key.to_lowercase());
            scalars(value, found);
        }),
        _ => {}
    }
}

#[test]
fn no_scalar_is_a_boolean_to_older_yaml_readers() {
    let words = ["y", "n", "yes", "no", "on", "off"];
    let mut found = Vec::new();
    for crd in api::crds() {
        scalars(&crd, &mut found);
    }
    for word in words {
        assert!(
            !found.iter().any(|text| text == word),
            "{word} must be quoted"
        );
    }
}

#[test]
fn every_text_list_and_map_of_ours_is_bounded() {
    // Core types bring their own bounds, in the API server's validation of what we build from them.
    let core = [
        ".spec.pod.affinity",
        ".spec.pod.tolerations[]",
        ".spec.pod.topologySpreadConstraints[]",
        ".spec.pod.imagePullSecrets[]",
        ".spec.network.ingressFrom[].namespaceSelector",
        ".spec.network.ingressFrom[].podSelector",
        ".status.conditions[]",
    ];
    let mut unbounded = Vec::new();
    walk(&schema(), "", &mut |path, schema| {
        if core.iter().any(|core| path.starts_with(core)) {
            return;
        }
        let bounded = match schema["type"].as_str() {
            Some("string") => schema["maxLength"].is_u64() || schema["enum"].is_array(),
            Some("array") => schema["maxItems"].is_u64(),
            Some("integer") => path.starts_with(".status") || schema["maximum"].is_i64(),
            Some("object") => {
                !schema["additionalProperties"].is_object() || schema["maxProperties"].is_u64()
            }
            _ => true,
        };
        let ours = path.starts_with(".spec") || path.starts_with(".status");
        if ours && !bounded {
            unbounded.push(path.to_owned());
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn every_rule_accepts_and_refuses() {
    let mut told = BTreeSet::new();
    for case in CASES {
        let before = case.before.map(|spec| object(case.name, spec));
        let accepted = refusals(&object(case.name, case.accepted), before.as_ref());
        assert_eq!(accepted, Vec::<String>::new(), "{}", case.accepted);
        let refused = refusals(&object(case.name, case.refused), before.as_ref());
        let message = refused.iter().find(|text| text.starts_with(case.message));
        told.insert(
            message
                .unwrap_or_else(|| panic!("{}: {refused:?}", case.refused))
                .clone(),
        );
    }
    for (message, accepted, refused) in NAMES {
        assert_eq!(
            refusals(&object(accepted, "{}"), None),
            Vec::<String>::new()
        );
        let refused = refusals(&object(refused, "{}"), None);
        let message = refused.iter().find(|text| text.starts_with(message));
        told.insert(message.unwrap_or_else(|| panic!("{refused:?}")).clone());
    }
    let mut rules = BTreeSet::new();
    walk(&schema(), "", &mut |_, schema| {
        for rule in schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            rules.insert(rule["message"].as_str().unwrap().to_owned());
        }
    });
    assert_eq!(
        rules, told,
        "a rule without a case, or a case without a rule"
    );
}

#[test]
fn samples_can_be_read_and_break_no_rule() {
    let mut seen = 0;
    for entry in fs::read_dir(repository("config/samples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let value = Value::deserialize(document).unwrap();
            if value["kind"] != "NostrRelay" {
                continue;
            }
            assert_eq!(
                refusals(&value, None),
                Vec::<String>::new(),
                "{}",
                path.display()
            );
            let _: NostrRelay = serde_json::from_value(value).unwrap();
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} samples");
}
