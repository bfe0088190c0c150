//! JSON schemas out of CRDs and of the Rust types of core kinds, for kubeconform: it knows no other way to judge objects without a network.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use k8s_openapi::schemars::{JsonSchema, schema_for};

use serde_json::{Map, Value, json};
use std::{fs, path::Path};

/// Writes one strict schema per version of each CRD in `crds` into `to`, named as kubeconform's template
/// `{{.ResourceKind}}_{{.ResourceAPIVersion}}.json` expects.
pub fn write_schemas(crds: &Path, to: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(crds).with_context(|| format!("reading {}", crds.display()))? {
        let text = fs::read_to_string(entry?.path())?;
        let crd: Value = serde_yaml::from_str(&text)?;
        let kind = crd["spec"]["names"]["kind"]
            .as_str()
            .context("a CRD without kind")?
            .to_lowercase();
        for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
            let name = version["name"].as_str().context("a version without name")?;
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            allow_object_header(&mut schema);
            forbid_unknown_fields(&mut schema);
            fs::write(to.join(format!("{kind}_{name}.json")), schema.to_string())?;
            count += 1;
        }
    }
    Ok(count)
}

/// Writes strict schemas of the core kinds that chart, kustomize and samples use, named in the same way.
pub fn write_core_schemas(to: &Path) -> Result<()> {
    write_core::<ClusterRole>("clusterrole", to)?;
    write_core::<ClusterRoleBinding>("clusterrolebinding", to)?;
    write_core::<ConfigMap>("configmap", to)?;
    write_core::<Deployment>("deployment", to)?;
    write_core::<Namespace>("namespace", to)?;
    write_core::<NetworkPolicy>("networkpolicy", to)?;
    write_core::<Pod>("pod", to)?;
    write_core::<PodDisruptionBudget>("poddisruptionbudget", to)?;
    write_core::<Role>("role", to)?;
    write_core::<RoleBinding>("rolebinding", to)?;
    write_core::<Service>("service", to)?;
    write_core::<ServiceAccount>("serviceaccount", to)
}

fn write_core<K: JsonSchema>(kind: &str, to: &Path) -> Result<()> {
    let mut schema = schema_for!(K).to_value();
    allow_object_header_of_core(&mut schema);
    forbid_unknown_fields(&mut schema);
    fs::write(to.join(format!("{kind}_v1.json")), schema.to_string())?;
    Ok(())
}

/// The types know apiVersion and kind as constants, not as fields; metadata they know better than we do.
fn allow_object_header_of_core(schema: &mut Value) {
    if let Some(properties) = schema["properties"].as_object_mut() {
        for name in ["apiVersion", "kind"] {
            properties.insert(name.into(), json!({"type": "string"}));
        }
    }
}

/// Every object has these, whether its CRD says so or not.
fn allow_object_header(schema: &mut Value) {
    let Some(properties) = schema["properties"].as_object_mut() else {
        return;
    };
    properties.insert("apiVersion".into(), json!({"type": "string"}));
    properties.insert("kind".into(), json!({"type": "string"}));
    properties.insert("metadata".into(), json!({"type": "object"}));
}

/// The API server prunes what a schema does not name; a sample with such a field is a mistake.
fn forbid_unknown_fields(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if is_closed(map) {
                map.insert("additionalProperties".into(), Value::Bool(false));
            }
            map.values_mut().for_each(forbid_unknown_fields);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_unknown_fields),
        _ => {}
    }
}

fn is_closed(map: &Map<String, Value>) -> bool {
    let open = map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    map.get("properties").is_some_and(Value::is_object)
        && map.get("type").is_some_and(|kind| kind == "object")
        && !map.contains_key("additionalProperties")
        && !open
}
