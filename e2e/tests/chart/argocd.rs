//! config/argocd: the snippet for argocd-cm holds the script that is tested, for every kind.

use crate::render::{documents, read};
use anyhow::{Context, Result, ensure};

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
