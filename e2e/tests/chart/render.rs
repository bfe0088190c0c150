//! Runs helm and kustomize; reads what they say.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The release and namespace with which the chart is what `config/default` is.
const RELEASE: &str = "nostr-fleet";
const NAMESPACE: &str = "nostr-fleet-system";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn chart() -> PathBuf {
    root().join("charts/nostr-fleet")
}

pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

/// One of the cluster's programs: on PATH under `make test`, otherwise where `bins.sh` puts them.
pub fn program(name: &str) -> Result<Command> {
    let home = env::var_os("HOME").unwrap_or_default();
    let cache = env::var_os("NOSTR_FLEET_CACHE").map_or_else(
        || PathBuf::from(home).join(".cache/nostr-fleet"),
        PathBuf::from,
    );
    let bin = env::var_os("CLUSTER_BIN").map_or_else(|| cache.join("cluster/bin"), PathBuf::from);
    let path = bin.join(name);
    ensure!(
        path.exists(),
        "{} is not there: run e2e/cluster/bins.sh",
        path.display()
    );
    Ok(Command::new(path))
}

fn output(mut command: Command) -> Result<Output> {
    command
        .output()
        .with_context(|| format!("running {command:?}"))
}

fn text(bytes: Vec<u8>) -> Result<String> {
    Ok(String::from_utf8(bytes)?)
}

/// What helm makes of these values, hooks included; `Err` is what it says against them.
pub fn template(values: &str) -> Result<Result<String, String>> {
    template_as(RELEASE, values)
}

/// Likewise as another release.
pub fn template_as(release: &str, values: &str) -> Result<Result<String, String>> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), values)?;
    let mut helm = program("helm")?;
    helm.args(["template", release, "--namespace", NAMESPACE])
        .arg(chart())
        .arg("--values")
        .arg(file.path());
    let output = output(helm)?;
    Ok(if output.status.success() {
        Ok(text(output.stdout)?)
    } else {
        Err(text(output.stderr)?)
    })
}

/// What helm tells who installs the chart with these values. Asks no cluster.
pub fn notes(values: &str) -> Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), values)?;
    let mut helm = program("helm")?;
    helm.args(["install", RELEASE, "--dry-run=client"])
        .args(["--namespace", NAMESPACE])
        .arg(chart())
        .arg("--values")
        .arg(file.path());
    let output = output(helm)?;
    let said = text(output.stdout)?;
    let notes = said
        .split_once("\nNOTES:\n")
        .map(|(_, notes)| notes.to_owned());
    notes.with_context(|| format!("{values}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The chart with these values, which must be right.
pub fn rendered(values: &str) -> Result<String> {
    template(values)?.map_err(|said| anyhow::anyhow!("{values}: {said}"))
}

/// What helm lint says, and whether it is content.
pub fn lint(values: &str) -> Result<(bool, String)> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), values)?;
    let mut helm = program("helm")?;
    helm.args(["lint", "--strict"])
        .arg(chart())
        .arg("--values")
        .arg(file.path());
    let output = output(helm)?;
    Ok((
        output.status.success(),
        text([output.stdout, output.stderr].concat())?,
    ))
}

/// What kustomize makes of a directory.
pub fn kustomize(directory: &str) -> Result<String> {
    let mut kubectl = program("kubectl")?;
    kubectl.arg("kustomize").arg(root().join(directory));
    let output = output(kubectl)?;
    ensure!(
        output.status.success(),
        "{directory}: {}",
        text(output.stderr)?
    );
    text(output.stdout)
}

/// The documents of a YAML text; empty ones are none.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let value = Value::deserialize(document)?;
        if !value.is_null() {
            found.push(value);
        }
    }
    Ok(found)
}

/// Documents by kind, namespace and name.
pub fn by_name(documents: Vec<Value>) -> BTreeMap<String, Value> {
    let key = |object: &Value| {
        let metadata = &object["metadata"];
        let of = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        format!(
            "{} {}/{}",
            of(&object["kind"]),
            of(&metadata["namespace"]),
            of(&metadata["name"])
        )
    };
    documents
        .into_iter()
        .map(|object| (key(&object), object))
        .collect()
}

/// Is it made only for `helm test`?
pub fn is_hook(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/hook"].is_string()
}
