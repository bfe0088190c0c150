//! What we give users to copy is right.

use anyhow::{Context, Result, ensure};
use nostr_fleet_e2e::{
    scene::scene,
    schema::{write_core_schemas, write_schemas},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn samples() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("config/samples"))? {
        let path = entry?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        if is_yaml
            && path
                .file_name()
                .is_some_and(|name| name != "kustomization.yaml")
        {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "no samples");
    Ok(found)
}

#[tokio::test]
async fn the_api_server_takes_every_sample() -> Result<()> {
    scene("samples", async |scene| {
        for sample in samples()? {
            scene
                .dry_run(&fs::read_to_string(&sample)?)
                .await
                .with_context(|| sample.display().to_string())?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_api_server_refuses_a_sample_with_an_unknown_field() -> Result<()> {
    scene("unknown", async |scene| {
        let yaml = "apiVersion: nostrfleet.io/v1alpha1\nkind: NostrRelay\nmetadata: {name: x}\nspec: {storage: {size: 1Gi}, colour: red}\n";
        let refused = scene.dry_run(yaml).await;
        ensure!(format!("{refused:?}").contains("colour"), "{refused:?}");
        Ok(())
    })
    .await
}

/// kubeconform's word for a file, with schemas made from `crds/` and the types of core kinds.
fn kubeconform(file: &Path) -> Result<(bool, String)> {
    let schemas = std::env::temp_dir().join(format!("nostr-fleet-schemas-{}", std::process::id()));
    fs::create_dir_all(&schemas)?;
    ensure!(
        write_schemas(&root().join("crds"), &schemas)? > 0,
        "no schemas"
    );
    write_core_schemas(&schemas)?;
    let template = format!(
        "{}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
        schemas.display()
    );
    let output = Command::new("kubeconform")
        .args(["-strict", "-summary", "-schema-location", &template])
        .arg(file)
        .output()
        .context("kubeconform is built by e2e/cluster/bins.sh")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

#[test]
fn every_sample_fits_the_schemas_of_crds() -> Result<()> {
    for sample in samples()? {
        let (fits, said) = kubeconform(&sample)?;
        ensure!(fits, "{}: {said}", sample.display());
    }
    Ok(())
}

#[test]
fn a_misspelt_field_does_not_fit_the_schemas_of_crds() -> Result<()> {
    let file =
        std::env::temp_dir().join(format!("nostr-fleet-misspelt-{}.yaml", std::process::id()));
    fs::write(
        &file,
        "apiVersion: nostrfleet.io/v1alpha1\nkind: NostrRelay\nmetadata: {name: x}\nspec: {storage: {sise: 1Gi}}\n",
    )?;
    let (fits, said) = kubeconform(&file)?;
    fs::remove_file(&file)?;
    ensure!(!fits && said.contains("sise"), "{said}");
    Ok(())
}
