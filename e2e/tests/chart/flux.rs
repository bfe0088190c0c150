//! config/flux: in which order things come, as the files themselves say.

use crate::render::{documents, read};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Kustomizations of a text.
fn kustomizations(yaml: &str) -> Result<Vec<Value>> {
    let mut found = documents(yaml)?;
    found.retain(|object| object["kind"] == "Kustomization");
    Ok(found)
}

fn sample() -> Result<String> {
    read("config/flux/relays.yaml")
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn list<'a>(kustomization: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    let items = kustomization["spec"][field].as_array();
    items.into_iter().flatten()
}

/// Whom it waits for, directly or not.
fn waits_for<'a>(all: &'a [Value], kustomization: &'a Value) -> Result<BTreeSet<&'a str>> {
    let mut found = BTreeSet::new();
    let mut open = vec![kustomization];
    while let Some(next) = open.pop() {
        for dependency in list(next, "dependsOn").map(|it| it["name"].as_str()) {
            let dependency = dependency.context("a dependency without a name")?;
            let there = all.iter().find(|object| name(object) == dependency);
            let there = there.with_context(|| format!("{dependency} is not there"))?;
            if found.insert(dependency) {
                open.push(there);
            }
        }
    }
    Ok(found)
}

/// Is it ready only when a relay is?
fn needs_a_ready_relay(kustomization: &Value) -> bool {
    let has_relays = kustomization["spec"]["path"] == "./relays";
    let names_one = list(kustomization, "healthChecks").any(|it| it["kind"] == "NostrRelay");
    names_one || has_relays && kustomization["spec"]["wait"] == json!(true)
}

/// The lists do not stand behind anything that is ready only when a relay is: such a relay may be waiting for the lists.
fn lists_come_first(yaml: &str) -> Result<()> {
    let all = kustomizations(yaml)?;
    let lists = all
        .iter()
        .find(|object| object["spec"]["path"] == "./lists");
    let lists = lists.context("no lists")?;
    ensure!(
        !needs_a_ready_relay(lists),
        "the lists are ready only when a relay is"
    );
    let before = waits_for(&all, lists)?;
    for object in all.iter().filter(|object| before.contains(name(object))) {
        ensure!(
            !needs_a_ready_relay(object),
            "the lists wait for {}",
            name(object)
        );
    }
    let relays = all.iter().find(|object| needs_a_ready_relay(object));
    let before = waits_for(&all, relays.context("nobody waits for relays")?)?;
    ensure!(
        before.contains(name(lists)),
        "the relays do not wait for {}",
        name(lists)
    );
    Ok(())
}

#[test]
fn the_lists_come_before_the_relays_and_wait_for_none_of_them() -> Result<()> {
    lists_come_first(&sample()?)
}

#[test]
fn lists_that_wait_for_their_relay_would_be_found() -> Result<()> {
    let relay =
        "{apiVersion: nostrfleet.io/v1alpha1, kind: NostrRelay, name: town, namespace: town}";
    let locked = sample()?.replace(
        "path: ./lists",
        &format!("path: ./lists\n  healthChecks: [{relay}]"),
    );
    let said = lists_come_first(&locked).err().map(|it| it.to_string());
    ensure!(
        said.is_some_and(|said| said.contains("ready only when a relay is")),
        "a lock that nobody saw"
    );
    let behind = sample()?.replace(
        "path: ./lists",
        "path: ./lists\n  dependsOn: [{name: town-relays}]",
    );
    ensure!(lists_come_first(&behind).is_err());
    Ok(())
}

#[test]
fn the_relays_wait_for_the_release_of_the_operator() -> Result<()> {
    let releases = documents(&read("config/flux/operator.yaml")?)?;
    let release = releases
        .iter()
        .find(|object| object["kind"] == "HelmRelease")
        .context("no HelmRelease")?;
    let all = kustomizations(&sample()?)?;
    let is_it = |check: &Value| {
        check["apiVersion"] == release["apiVersion"]
            && check["kind"] == release["kind"]
            && check["name"] == release["metadata"]["name"]
            && check["namespace"] == release["metadata"]["namespace"]
    };
    let operator = all
        .iter()
        .find(|object| list(object, "healthChecks").any(is_it))
        .context("nobody waits for the HelmRelease")?;
    let relays = all
        .iter()
        .find(|object| object["spec"]["path"] == "./relays");
    let before = waits_for(&all, relays.context("no relays")?)?;
    ensure!(before.contains(name(operator)), "{before:?}");
    Ok(())
}

#[test]
fn every_namespace_that_something_goes_to_is_made() -> Result<()> {
    let text = sample()?;
    let made: Vec<Value> = documents(&text)?;
    let made: Vec<&str> = made
        .iter()
        .filter(|object| object["kind"] == "Namespace")
        .map(name)
        .collect();
    for kustomization in kustomizations(&text)? {
        if let Some(target) = kustomization["spec"]["targetNamespace"].as_str() {
            ensure!(made.contains(&target), "nobody makes {target}");
        }
    }
    ensure!(made == ["town"], "{made:?}");
    Ok(())
}
