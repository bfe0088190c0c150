//! config/argocd and config/flux: the snippet for argocd-cm holds the script that is tested, and what they say of the chart is true.

use crate::render::{documents, read, rendered, root};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

#[test]
fn the_snippet_for_argocd_holds_the_health_script_for_every_kind() -> Result<()> {
    let script = read("config/argocd/health.lua")?;
    let snippet = documents(&read("config/argocd/argocd-cm.yaml")?)?;
    let data = snippet[0]["data"].as_object().context("no data")?;
    for crd in documents(&read("crds/nostrrelays.yaml")?)? {
        let (group, kind) = (&crd["spec"]["group"], &crd["spec"]["names"]["kind"]);
        let key = format!(
            "resource.customizations.health.{}_{}",
            group.as_str().context("no group")?,
            kind.as_str().context("no kind")?
        );
        ensure!(
            data.get(&key).and_then(|value| value.as_str()) == Some(&script),
            "config/argocd/argocd-cm.yaml: {key} is not config/argocd/health.lua"
        );
    }
    Ok(())
}

/// A chart's place in this repository, and values for it.
fn is_taken(path: &Value, values: &Value) -> Result<()> {
    let path = path.as_str().context("no path of a chart")?;
    ensure!(
        root().join(path).join("Chart.yaml").exists(),
        "{path} is no chart"
    );
    let image = &values["image"];
    let image = format!(
        "{}:{}",
        image["repository"].as_str().context("no image")?,
        image["tag"].as_str().context("no tag")?
    );
    ensure!(rendered(&values.to_string())?.contains(&image), "{image}");
    Ok(())
}

#[test]
fn the_chart_takes_the_values_of_the_application_for_argocd() -> Result<()> {
    let application = &documents(&read("config/argocd/application.yaml")?)?[0];
    let source = &application["spec"]["source"];
    is_taken(&source["path"], &source["helm"]["valuesObject"])
}

#[test]
fn the_chart_takes_the_values_of_the_release_for_flux() -> Result<()> {
    let documents = documents(&read("config/flux/operator.yaml")?)?;
    let release = documents
        .iter()
        .find(|document| document["kind"] == "HelmRelease");
    let spec = &release.context("no HelmRelease")?["spec"];
    is_taken(&spec["chart"]["spec"]["chart"], &spec["values"])
}
