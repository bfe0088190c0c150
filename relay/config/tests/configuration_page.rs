//! `docs/configuration.md` is written from the structs: `UPDATE_DOCS=1 cargo test --workspace --test configuration_page`.
#![cfg(feature = "schema")] // on in every `--workspace` build
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

use relay_config::Config;
use serde_json::Value;
use std::{env, fmt::Write as _, fs, path::Path};

const HEAD: &str = "\
# The relay's configuration file

One YAML file, given with `relay serve --config FILE`. Every key may be left out. `version: 1` must be there. Unknown keys are errors with their line;
`relay check --config FILE` finds them before a relay does. Command line flags beat the file (docs/relay.md).

- **hot** keys swap in place within half a second after the file changed, without dropping a connection. A file that is wrong changes nothing: the last good
  one stays in force, and `/status` on the ops port says why.
- **cold** keys take effect at the next start; `/status` names those that changed since (`waitingForRestart`).

Durations are written like `250ms`, `30s`, `15m`, `1h30m`; sizes like `500M` or `10Gi`.

```yaml
version: 1
cold:
  listen: 0.0.0.0:8080
  data: /var/lib/relay
hot:
  url: wss://relay.example.com
  info: {name: Town, description: For the people of the town}
  limits: {subscriptions: 50}
```

";

const FOOT: &str = "
`hot.limits.messageBytes` is the one limit that an open connection keeps in part: lowered, it holds for everybody at once; raised, for connections opened afterwards.
`hot.limits.connectionsPerAddress` counts the client's address, IPv6 by its /64; behind proxies that are no `hot.trustedProxies` all clients share the proxy's.

This page is generated from the structs in `relay/config`: `UPDATE_DOCS=1 cargo test --workspace --test configuration_page` writes it, and the same test fails
when it differs.
";

#[test]
fn the_page_holds_every_key_with_its_mark() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = page();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/configuration.md differs from the structs: run UPDATE_DOCS=1 cargo test --workspace --test configuration_page"
    );
}

#[test]
fn the_example_of_the_page_is_good() {
    let page = page();
    let example = page.split("```yaml\n").nth(1).unwrap();
    Config::read(example.split("```").next().unwrap()).unwrap();
}

fn page() -> String {
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
    let default = serde_json::to_value(Config::default()).unwrap();
    let mut out = String::from(HEAD);
    out.push_str("| key | mark | default | values | what it is |\n|---|---|---|---|---|\n");
    rows(&mut out, &schema, &schema, (&default, ""));
    out.push_str(FOOT);
    out
}

/// One row per key; a key that holds keys becomes their rows.
fn rows(out: &mut String, root: &Value, schema: &Value, (default, path): (&Value, &str)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{}{name}", if path.is_empty() { "" } else { "." });
        let target = resolved(root, property);
        if target["properties"].is_object() {
            rows(out, root, target, (&default[name], &path));
            continue;
        }
        let mark = path
            .split('.')
            .next()
            .filter(|mark| *mark != "version")
            .unwrap_or("–");
        let what = property["description"]
            .as_str()
            .or(target["description"].as_str());
        let what = what.unwrap_or_default().replace('\n', " ");
        let (default, values) = (shown(&default[name]), values(root, target));
        writeln!(out, "| `{path}` | {mark} | {default} | {values} | {what} |").unwrap();
    }
}

/// Follows a reference, also inside "this or null".
fn resolved<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let any = property["anyOf"].as_array().and_then(|any| any.first());
    let property = any.unwrap_or(property);
    match property["$ref"].as_str() {
        Some(reference) => root.pointer(&reference[1..]).unwrap(),
        None => property,
    }
}

fn shown(default: &Value) -> String {
    match default {
        Value::Null => "–".into(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn values(root: &Value, schema: &Value) -> String {
    if let Some(words) = words(root, schema) {
        return words.join(", ");
    }
    if let (Some(min), Some(max)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        return format!("{min} to {max}");
    }
    match schema["pattern"].as_str() {
        Some(pattern) if pattern.contains("ms|s|m|h") => "duration".into(),
        Some(pattern) if pattern.contains("Ki|Mi|Gi") => "size".into(),
        Some(_) => "npub or 64 hex".into(),
        None if schema["maxLength"].is_u64() => format!("text, up to {}", schema["maxLength"]),
        None if schema["type"] == "integer" => "number".into(),
        None if schema["type"] == "boolean" => "`true`, `false`".into(),
        None if schema["type"] == "array" => "list".into(),
        None => "text".into(),
    }
}

/// The words of an enum.
fn words(root: &Value, schema: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| value.as_str().map(|word| format!("`{word}`"));
    if let Some(list) = schema["enum"].as_array() {
        return Some(list.iter().filter_map(one).collect());
    }
    if schema["const"].is_string() {
        return Some(vec![one(&schema["const"])?]);
    }
    let variants = schema["oneOf"].as_array()?;
    let lists = variants
        .iter()
        .filter_map(|variant| words(root, resolved(root, variant)));
    Some(lists.flatten().collect())
}
