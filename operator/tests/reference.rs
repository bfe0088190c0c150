//! docs/nostrrelay.md: its table of fields is generated from the schema, and what a change of each field does is found
//! out by changing it. `UPDATE_DOCS=1` writes the table anew.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod common;

use common::{children, repository, rules::CASES, settings, to_yaml};
use nostr_fleet_operator::api;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, fs};

const BEGIN: &str = "<!-- fields: generated, see operator/tests/reference.rs -->\n";
const END: &str = "<!-- end of fields -->\n";

const KEY: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

fn source() -> Value {
    json!([{"configMap": {"name": "residents"}}])
}

/// What a field needs beside itself to have an effect: a list is not asked while its mode is Open.
fn with_company(path: &str, value: &Value) -> (String, String) {
    let company = match path {
        "access.read.pubkeys" | "access.read.from" => Some(("access.read.mode", json!("Deny"))),
        "access.write.pubkeys" | "access.write.from" => Some(("access.write.mode", json!("Deny"))),
        "network.proxyProtocol" => Some(("network.trustedProxies", json!(["10.0.0.0/8"]))),
        _ => None,
    };
    let put = |spec: &mut Value, path: &str, value: &Value| {
        let place = path.split('.').fold(spec, |at, name| &mut at[name]);
        *place = value.clone();
    };
    let mut without = json!({});
    if let Some((path, value)) = &company {
        put(&mut without, path, value);
    }
    let mut with = without.clone();
    put(&mut with, path, value);
    (without.to_string(), with.to_string())
}

/// A value that differs from the default, for every field.
fn other_values() -> BTreeMap<&'static str, Value> {
    [
        ("image", json!("example.org/other:2")),
        ("url", json!("wss://relay.example.com")),
        ("operation", json!("Stopped")),
        ("deletionPolicy", json!("Delete")),
        ("storage.size", json!("20Gi")),
        ("storage.storageClassName", json!("fast")),
        ("storage.eraseWithin", json!("1h")),
        ("service.type", json!("NodePort")),
        ("service.annotations", json!({"a": "b"})),
        ("service.loadBalancerSourceRanges", json!(["192.0.2.0/24"])),
        ("network.policy", json!("None")),
        (
            "network.ingressFrom",
            json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}]),
        ),
        ("network.trustedProxies", json!(["10.0.0.0/8"])),
        ("network.proxyProtocol", json!(true)),
        ("limits.queryTime", json!("2s")),
        ("tls.secretName", json!("town-tls")),
        ("addresses.allow", json!(["10.0.0.0/8"])),
        ("addresses.deny", json!(["10.0.0.0/8"])),
        ("addresses.from", source()),
        ("access.read.mode", json!("Deny")),
        ("access.read.pubkeys", json!([KEY])),
        ("access.read.from", source()),
        ("access.write.mode", json!("Deny")),
        ("access.write.by", json!("Session")),
        ("access.write.pubkeys", json!([KEY])),
        ("access.write.from", source()),
        ("access.banned.pubkeys", json!([KEY])),
        ("access.banned.from", source()),
        ("access.kinds.allow", json!(["1"])),
        ("access.kinds.deny", json!(["4"])),
        ("auth.required", json!("Always")),
        ("limits.createdAtAhead", json!("60s")),
        ("logging.level", json!("debug")),
        ("logging.format", json!("text")),
        ("resources.requests", json!({"cpu": "1"})),
        ("resources.limits", json!({"memory": "2Gi"})),
        ("pod.labels", json!({"a": "b"})),
        ("pod.annotations", json!({"a": "b"})),
        ("pod.nodeSelector", json!({"a": "b"})),
        ("pod.tolerations", json!([{"operator": "Exists"}])),
        ("pod.affinity", json!({"nodeAffinity": {}})),
        (
            "pod.topologySpreadConstraints",
            json!([{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]),
        ),
        ("pod.priorityClassName", json!("high")),
        ("pod.imagePullSecrets", json!([{"name": "a"}])),
        ("pod.terminationGracePeriodSeconds", json!(90)),
    ]
    .into()
}

/// Fields that hold a value of ours, with their schemas: core types are one field each.
fn leaves(schema: &Value, path: &str, out: &mut Vec<(String, Value)>) {
    let core = path == "pod.affinity";
    match schema["properties"].as_object() {
        Some(properties) if !core => {
            for (name, property) in properties {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(property, &path, out);
            }
        }
        _ => out.push((path.to_owned(), schema.clone())),
    }
}

/// What a change of a field does to running pods, found out by changing it.
fn mark(path: &str, schema: &Value) -> &'static str {
    let fixed = format!("{path} is fixed");
    if CASES.iter().any(|case| case.message == fixed) {
        return "fixed";
    }
    if path == "replicas" {
        return "only 1"; // there is no other value to try
    }
    let other = other_values().get(path).cloned().unwrap_or_else(|| {
        match (schema["type"].as_str(), schema["minimum"].as_i64()) {
            (Some("integer"), Some(least)) => json!(least + 1),
            (Some("string"), _) if path == "info.pubkey" => json!("0".repeat(64)),
            (Some("string"), _) => json!("other"),
            _ => panic!("no other value for {path}: add one"),
        }
    });
    let all = |spec: &str| format!("{:?}", children(spec, &settings()));
    let template = |spec: &str| {
        to_yaml(
            &children(spec, &settings())
                .house
                .stateful_set
                .spec
                .unwrap()
                .template,
        )
    };
    let (before, spec) = with_company(path, &other);
    assert!(all(&before) != all(&spec), "{path} changes nothing");
    if template(&before) == template(&spec) {
        "hot"
    } else {
        "cold"
    }
}

fn kind(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"));
        return words.collect::<Vec<_>>().join(", ");
    }
    match schema["type"].as_str() {
        Some("integer") => format!("{} to {}", schema["minimum"], schema["maximum"]),
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("array") => format!("list, at most {}", schema["maxItems"]),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map, at most {}", schema["maxProperties"])
        }
        Some("string") => match schema["pattern"].as_str() {
            Some(pattern) if pattern.contains("ms|s|m|h") => {
                "duration such as `90s`, `15m`, `168h`".to_owned()
            }
            Some(pattern) if pattern.contains("Ki|Mi") => "quantity such as `10Gi`".to_owned(),
            _ => format!("text, at most {}", schema["maxLength"]),
        },
        _ => "as in core/v1".to_owned(),
    }
}

fn table() -> String {
    let crd = &api::crds()[0];
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = Vec::new();
    leaves(spec, "", &mut fields);
    let mut table =
        "| field of `spec` | values | default | change | meaning |\n|---|---|---|---|---|\n"
            .to_owned();
    for (path, schema) in fields {
        let default = match &schema["default"] {
            Value::Null => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let meaning = schema["description"].as_str().unwrap_or_default();
        let meaning = meaning
            .trim_end_matches(" Hot.")
            .trim_end_matches(" Fixed after creation.")
            .replace('\n', " ");
        let _ = writeln!(
            table,
            "| `{path}` | {} | {default} | {} | {meaning} |",
            kind(&schema),
            mark(&path, &schema),
        );
    }
    table
}

#[test]
fn the_table_of_fields_is_the_generated_one() {
    let path = repository("docs/nostrrelay.md");
    let page = fs::read_to_string(&path).unwrap_or_default();
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("docs/nostrrelay.md has the marker");
    let (committed, tail) = rest
        .split_once(END)
        .expect("docs/nostrrelay.md has the second marker");
    let generated = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{generated}{END}{tail}")).unwrap();
    } else {
        assert_eq!(
            committed, generated,
            "UPDATE_DOCS=1 cargo test --workspace --test reference"
        );
    }
}
