//! `helm install` and `kubectl apply -k config/default` install the same objects.

use crate::render::{by_name, documents, is_hook, kustomize, rendered};
use anyhow::{Result, ensure};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What only helm writes.
const LABELS_OF_HELM: [&str; 3] = [
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
];
/// What only helm reads.
const ANNOTATIONS_FOR_HELM: [&str; 1] = ["helm.sh/resource-policy"];
/// What `helm install --create-namespace` makes.
const NOT_IN_THE_CHART: [&str; 1] = ["Namespace -/nostr-fleet-system"];

fn without(object: &mut Value, what: &str, keys: &[&str]) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    if let Some(Value::Object(map)) = metadata.get_mut(what) {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
    if metadata.get(what) == Some(&Value::Object(Map::new())) {
        metadata.remove(what);
    }
}

fn of_chart() -> Result<BTreeMap<String, Value>> {
    let mut objects = documents(&rendered("{}")?)?;
    objects.retain(|object| !is_hook(object));
    for object in &mut objects {
        without(object, "labels", &LABELS_OF_HELM);
        without(object, "annotations", &ANNOTATIONS_FOR_HELM);
    }
    Ok(by_name(objects))
}

fn of_kustomize() -> Result<BTreeMap<String, Value>> {
    let mut objects = by_name(documents(&kustomize("config/default")?)?);
    objects.retain(|name, _| !NOT_IN_THE_CHART.contains(&name.as_str()));
    Ok(objects)
}

/// Paths at which two values differ.
fn differences(left: &Value, right: &Value, path: &str, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let (a, b) = (&left[key.as_str()], &right[key.as_str()]);
                differences(a, b, &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &format!("{path}[{at}]"), found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}: kustomize {left}, chart {right}")),
    }
}

#[test]
fn the_chart_installs_what_config_default_installs() -> Result<()> {
    let (kustomize, chart) = (of_kustomize()?, of_chart()?);
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    ensure!(
        names(&kustomize) == names(&chart),
        "kustomize {:#?}, chart {:#?}",
        names(&kustomize),
        names(&chart)
    );
    let mut found = Vec::new();
    for (name, object) in &kustomize {
        differences(object, &chart[name], name, &mut found);
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    let left = serde_json::json!({"a": [{"b": 1}], "c": 1});
    let right = serde_json::json!({"a": [{"b": 2}], "d": 1});
    let mut found = Vec::new();
    differences(&left, &right, "x", &mut found);
    let paths: Vec<_> = found
        .iter()
        .filter_map(|text| text.split(':').next())
        .collect();
    assert_eq!(paths, ["x.a[0].b", "x.c", "x.d"]);
}
