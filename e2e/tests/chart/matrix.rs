//! Every option, alone and with all others: renders, passes helm's own lint and fits the schemas of what it makes.

use crate::{
    options::options,
    render::{lint, program, rendered, root},
};
use anyhow::{Result, ensure};
use nostr_fleet_e2e::schema::{write_core_schemas, write_schemas};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};
use tempfile::TempDir;

/// For every leaf of values.yaml another value than the default.
fn other_values() -> Vec<(&'static str, Value)> {
    vec![
        ("image.repository", json!("registry.example.org:5000/op")),
        ("image.tag", json!("1.2.3")),
        ("image.digest", json!(format!("sha256:{}", "0".repeat(64)))),
        ("image.pullPolicy", json!("Always")),
        (
            "relay.image.repository",
            json!("registry.example.org/relay"),
        ),
        ("relay.image.tag", json!("1.2.3")),
        (
            "relay.image.digest",
            json!(format!("sha256:{}", "1".repeat(64))),
        ),
        ("imagePullSecrets", json!([{"name": "registry"}])),
        ("nameOverride", json!("other")),
        ("fullnameOverride", json!("relays")),
        ("replicas", json!(3)),
        ("leaderElection.enabled", json!(false)),
        ("watchNamespaces", json!(["town", "village"])),
        ("ingressFrom", json!(["10.0.0.0/8", "ingress-nginx"])),
        ("monitoringNamespace", json!("monitoring")),
        ("log.level", json!("debug")),
        ("log.format", json!("text")),
        ("crds.enabled", json!(false)),
        ("rbac.create", json!(false)),
        ("rbac.aggregate", json!(false)),
        ("serviceAccount.create", json!(false)),
        ("serviceAccount.name", json!("somebody")),
        ("serviceAccount.annotations", json!({"a": "b"})),
        ("extraArgs", json!(["--of-a-newer-image=1"])),
        (
            "extraEnv",
            json!([{"name": "RUST_BACKTRACE", "value": "1"}]),
        ),
        ("resources", json!({"requests": {"cpu": "1"}})),
        ("podSecurityContext", json!({"runAsUser": 1000})),
        ("securityContext", json!({"runAsUser": 1000})),
        ("podLabels", json!({"a": "b"})),
        ("podAnnotations", json!({"a": "b"})),
        ("nodeSelector", json!({"kubernetes.io/os": "linux"})),
        ("tolerations", json!([{"operator": "Exists"}])),
        (
            "affinity",
            json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}}),
        ),
        (
            "topologySpreadConstraints",
            json!([{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
        ),
        ("priorityClassName", json!("system-cluster-critical")),
        ("podDisruptionBudget.enabled", json!(false)),
        ("networkPolicy.enabled", json!(true)),
        ("networkPolicy.apiServer.cidrs", json!(["10.96.0.1/32"])),
        ("networkPolicy.apiServer.ports", json!([6443])),
        ("metrics.serviceMonitor.enabled", json!(true)),
        ("metrics.serviceMonitor.interval", json!("10s")),
        (
            "metrics.serviceMonitor.labels",
            json!({"release": "prometheus"}),
        ),
        ("test.url", json!("wss://relay.example.com")),
        ("test.storageClassName", json!("fast")),
    ]
}

/// Values with these leaves set.
fn values(leaves: &[(&str, Value)]) -> Value {
    let mut values = json!({});
    for (path, value) in leaves {
        let leaf = path.split('.').fold(&mut values, |at, name| &mut at[name]);
        *leaf = value.clone();
    }
    values
}

/// Schemas of all kinds that the chart makes.
fn schemas() -> Result<TempDir> {
    let directory = tempfile::tempdir()?;
    write_schemas(&root().join("crds"), directory.path())?;
    write_core_schemas(directory.path())?;
    Ok(directory)
}

/// Without a schema here: one is somebody else's, the other is compared with `crds/` and accepted by the API server.
const SKIPPED: &str = "ServiceMonitor,CustomResourceDefinition";

/// kubeconform's word for a render.
fn kubeconform(schemas: &TempDir, yaml: &str) -> Result<(bool, String)> {
    let template = format!(
        "{}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
        schemas.path().display()
    );
    let file = schemas.path().join("render.yaml");
    fs::write(&file, yaml)?;
    let output = program("kubeconform")?
        .args(["-strict", "-summary", "-skip", SKIPPED])
        .args(["-schema-location", &template])
        .arg(file)
        .output()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    Ok((output.status.success(), said))
}

fn is_right(schemas: &TempDir, values: &Value) -> Result<String> {
    let yaml = rendered(&values.to_string())?;
    let (fits, said) = kubeconform(schemas, &yaml)?;
    ensure!(fits, "{values}: {said}");
    Ok(yaml)
}

fn is_right_and_lint_is_content(values: &Value) -> Result<()> {
    let (content, said) = lint(&values.to_string())?;
    ensure!(content, "{values}: {said}");
    is_right(&schemas()?, values)?;
    Ok(())
}

/// What an option needs to be right, or to change anything.
fn needs(path: &str) -> Vec<(&'static str, Value)> {
    let cidrs = ("networkPolicy.apiServer.cidrs", json!(["192.0.2.1/32"]));
    match path {
        "leaderElection.enabled" => vec![("replicas", json!(1))],
        "networkPolicy.enabled" => vec![cidrs],
        _ if path.ends_with(".enabled") => vec![],
        _ if path.starts_with("networkPolicy.") => {
            vec![("networkPolicy.enabled", json!(true)), cidrs]
        }
        _ if path.starts_with("metrics.serviceMonitor.") => {
            vec![("metrics.serviceMonitor.enabled", json!(true))]
        }
        _ => vec![],
    }
}

/// An option's other value, after what it needs.
fn alone(path: &'static str, value: &Value) -> Vec<(&'static str, Value)> {
    let mut leaves = needs(path);
    leaves.push((path, value.clone()));
    leaves
}

#[test]
fn every_option_has_another_value_here() -> Result<()> {
    let known: BTreeSet<_> = other_values()
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .collect();
    let options: BTreeSet<_> = options()?.into_iter().map(|option| option.path).collect();
    assert_eq!(known, options);
    Ok(())
}

#[test]
fn the_defaults_are_right() -> Result<()> {
    is_right_and_lint_is_content(&json!({}))
}

#[test]
fn every_option_is_right_and_changes_something() -> Result<()> {
    let schemas = schemas()?;
    for (path, value) in other_values() {
        let mut leaves = alone(path, &value);
        let with = is_right(&schemas, &values(&leaves))?;
        leaves.pop();
        let without = rendered(&values(&leaves).to_string())?;
        ensure!(with != without, "{path} changes nothing");
    }
    Ok(())
}

#[test]
fn all_options_together_are_right() -> Result<()> {
    let mut all = other_values();
    all.retain(|(path, _)| *path != "leaderElection.enabled"); // there are several pods
    is_right_and_lint_is_content(&values(&all))
}

#[test]
fn all_switches_off_are_right() -> Result<()> {
    let all = other_values();
    let switches = all.iter().filter(|(path, _)| {
        path.ends_with(".enabled") || path.ends_with(".create") || path.ends_with(".aggregate")
    });
    let off = switches.map(|(path, _)| (*path, json!(false)));
    let off: Vec<_> = off.chain([("replicas", json!(1))]).collect();
    is_right_and_lint_is_content(&values(&off))
}

#[test]
fn a_misspelt_field_would_be_found() -> Result<()> {
    let misspelt = rendered("{}")?.replace("topologyKey:", "topologieKey:");
    let (fits, said) = kubeconform(&schemas()?, &misspelt)?;
    ensure!(!fits && said.contains("topologieKey"), "{said}");
    Ok(())
}
