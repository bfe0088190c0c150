//! values.schema.json: helm refuses what it does not know, and it knows what values.yaml has.

use crate::{
    options::default_values,
    render::{read, rendered, template, template_as},
};
use anyhow::{Context, Result, ensure};
use clap::CommandFactory;
use nostr_fleet_operator::{args::Cli, settings::Source, telemetry};
use serde_json::Value;
use std::collections::BTreeSet;

/// Whose fields are not ours to list: core types, which the API server checks, and what helm hands to a chart within a chart.
const OPEN: [&str; 8] = [
    "affinity",
    "extraEnv[]",
    "global",
    "podSecurityContext",
    "resources.claims[]",
    "securityContext",
    "tolerations[]",
    "topologySpreadConstraints[]",
];

fn schema() -> Result<Value> {
    Ok(serde_json::from_str(&read(
        "charts/nostr-fleet/values.schema.json",
    )?)?)
}

fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        walk(property, &path, visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), visit);
    }
}

fn paths(values: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, value) in values.as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        paths(value, &path, found);
        found.insert(path);
    }
}

#[test]
fn every_object_is_closed() -> Result<()> {
    let mut open = Vec::new();
    walk(&schema()?, "", &mut |path, schema| {
        let names_its_values = schema["additionalProperties"].is_object();
        if schema["type"] == "object"
            && schema["additionalProperties"] != Value::Bool(false)
            && !names_its_values
        {
            open.push(path.to_owned());
        }
    });
    open.sort();
    assert_eq!(open, OPEN);
    Ok(())
}

#[test]
fn every_text_and_list_is_bounded() -> Result<()> {
    let mut unbounded = Vec::new();
    walk(&schema()?, "", &mut |path, schema| {
        let bounded = match schema["type"].as_str() {
            Some("string") => schema["maxLength"].is_u64() || schema["pattern"].is_string(),
            Some("array") => schema["maxItems"].is_u64() || path == "resources.claims",
            Some("integer") => schema["maximum"].is_u64(),
            _ => true,
        };
        if !bounded {
            unbounded.push(path.to_owned());
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
    Ok(())
}

#[test]
fn schema_and_values_have_the_same_keys() -> Result<()> {
    let mut known = BTreeSet::new();
    walk(&schema()?, "", &mut |path, _| {
        known.insert(path.to_owned());
    });
    let mut given = BTreeSet::new();
    paths(&default_values()?, "", &mut given);
    let open = |path: &str| {
        let below = ["podSecurityContext.", "securityContext.", "resources."];
        below.iter().any(|open| path.starts_with(open))
    };
    let unknown: Vec<_> = given
        .iter()
        .filter(|path| !known.contains(*path) && !open(path))
        .collect();
    ensure!(unknown.is_empty(), "not in the schema: {unknown:?}");
    let missing: Vec<_> = known
        .iter()
        .filter(|path| !given.contains(*path) && !path.is_empty())
        .filter(|path| !path.contains("[]") && *path != "global" && *path != "resources.claims")
        .collect();
    ensure!(missing.is_empty(), "not in values.yaml: {missing:?}");
    Ok(())
}

/// What a user may mistype, and the words by which the refusal names it.
const REFUSED: [(&str, &str); 33] = [
    ("colour: red", "'colour'"),
    ("replicas: two", "/replicas"),
    (
        "{replicas: 2, leaderElection: {enabled: false}}",
        "two operators would work at once",
    ),
    ("image: {tagg: x}", "'tagg'"),
    ("image: {tag: 1}", "/image/tag"),
    ("image: {tag: ''}", "/image/tag"),
    ("image: {digest: 'sha256:12'}", "/image/digest"),
    ("image: {pullPolicy: Sometimes}", "/image/pullPolicy"),
    ("watchNamespaces: town", "/watchNamespaces"),
    ("watchNamespaces: [town, town]", "/watchNamespaces"),
    ("watchNamespaces: ['']", "/watchNamespaces/0"),
    ("ingressFrom: ['not a source']", "/ingressFrom/0"),
    ("log: {format: xml}", "/log/format"),
    ("log: {level: loud}", "/log/level"),
    ("log: {level: 'info,kube'}", "/log/level"),
    ("image: {repository: 'a b'}", "/image/repository"),
    (
        "image: {repository: 'registry.example.org/op:1'}",
        "/image/repository",
    ),
    (
        "image: {repository: 'registry.example.org/Op'}",
        "/image/repository",
    ),
    (
        "relay: {image: {repository: 'a//b'}}",
        "/relay/image/repository",
    ),
    ("ingressFrom: ['10.0.0.0/33']", "/ingressFrom/0"),
    (
        "networkPolicy: {apiServer: {cidrs: ['10.0.0.1']}}",
        "/networkPolicy/apiServer/cidrs/0",
    ),
    (
        "networkPolicy: {enabled: true}",
        "networkPolicy.apiServer.cidrs is empty: name the addresses of the API server",
    ),
    ("crds: {enabled: 'true'}", "/crds/enabled"),
    ("imagePullSecrets: [{nam: x}]", "'nam'"),
    ("extraArgs: ['crds']", "/extraArgs/0"),
    ("fullnameOverride: 1x", "/fullnameOverride"),
    ("podLabels: {app.kubernetes.io/name: x}", "/podLabels"),
    ("podLabels: {app.kubernetes.io/instance: x}", "/podLabels"),
    ("podLabels: {app.kubernetes.io/part-of: x}", "/podLabels"),
    (
        "metrics: {serviceMonitor: {labels: {helm.sh/chart: x}}}",
        "/metrics/serviceMonitor/labels",
    ),
    (
        "{networkPolicy: {enabled: true, apiServer: {cidrs: ['10.96.0.1/32']}}, metrics: {serviceMonitor: {enabled: true}}}",
        "monitoringNamespace is empty",
    ),
    (
        "networkPolicy: {apiServer: {ports: [0]}}",
        "/networkPolicy/apiServer/ports/0",
    ),
    ("test: {url: 'ftp://x'}", "/test/url"),
];

#[test]
fn helm_refuses_wrong_keys_and_wrong_types_by_name() -> Result<()> {
    for (values, words) in REFUSED {
        let said = template(values)?.err().unwrap_or_default();
        ensure!(said.contains(words), "{values}: {said:?}");
    }
    Ok(())
}

#[test]
fn helm_and_the_operator_agree_on_who_may_be_named_in_ingress_from() -> Result<()> {
    for source in [
        "10.0.0.0/8",
        "10.250.0.254",
        "0.0.0.0/0",
        "::/0",
        "fd00::/8",
        "fd00::1",
        "2001:db8:0:0:0:0:0:1/128",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "ingress-nginx",
        "10",
        "10.0.0.0/33",
        "10.0.0.256",
        "010.0.0.1",
        "10.0.0.0/",
        "fd00::/129",
        "1:2:3",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "-x",
        "x-",
        "Ingress",
        "a b",
    ] {
        let helm = template(&format!("ingressFrom: ['{source}']"))?.is_ok();
        let operator = source.parse::<Source>().is_ok();
        ensure!(
            helm == operator,
            "{source}: helm {helm}, operator {operator}"
        );
    }
    Ok(())
}

#[test]
fn helm_and_the_operator_agree_on_levels() -> Result<()> {
    for levels in [
        "error",
        "info,kube=debug",
        "warn,kube::client=off",
        "loud",
        "INFO",
        "info,",
        "kube",
        "kube=",
        "=info",
        "5",
    ] {
        let helm = template(&format!("log: {{level: '{levels}'}}"))?.is_ok();
        let operator = telemetry::levels(levels).is_ok();
        ensure!(
            helm == operator,
            "{levels}: helm {helm}, operator {operator}"
        );
    }
    Ok(())
}

#[test]
fn a_chart_within_a_chart_gets_global_values() -> Result<()> {
    rendered("global: {anything: true}")?;
    Ok(())
}

#[test]
fn helm_refuses_every_flag_that_the_chart_sets_and_every_variable_that_stands_for_one() -> Result<()>
{
    let cli = Cli::command();
    let run = cli.find_subcommand("run").context("no `operator run`")?;
    let mut seen = 0;
    for argument in run.get_arguments() {
        let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env()) else {
            continue; // --help
        };
        let said = template(&format!("extraArgs: ['--{flag}=x']"))?;
        let said = said.err().unwrap_or_default();
        ensure!(said.contains("/extraArgs/0"), "--{flag}: {said}");
        let variable = variable.to_string_lossy();
        let said = template(&format!("extraEnv: [{{name: {variable}, value: x}}]"))?;
        let said = said.err().unwrap_or_default();
        ensure!(said.contains("/extraEnv/0/name"), "{variable}: {said}");
        seen += 1;
    }
    ensure!(seen > 8, "only {seen} flags");
    rendered("extraArgs: ['--imagery=x', '--of-a-newer-image']")?;
    Ok(())
}

#[test]
fn helm_refuses_a_release_whose_objects_would_not_begin_with_a_letter() -> Result<()> {
    let said = template_as("1town", "{}")?.err().unwrap_or_default();
    ensure!(said.contains("does not begin with a letter"), "{said}");
    let named = template_as("1town", "fullnameOverride: town")?;
    ensure!(named.is_ok(), "{named:?}");
    Ok(())
}
