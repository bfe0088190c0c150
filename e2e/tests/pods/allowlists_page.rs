//! docs/allowlists.md, read as a user reads it: its files are written, its commands are run, in the order in which they stand there.

use anyhow::{Context, Result, ensure};
use nostr_fleet_e2e::scene::{Scene, scene};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::process::Command;

/// One fenced block.
enum Block {
    /// YAML, and the file that its first line names.
    File(String, String),
    /// Commands.
    Commands(String),
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/allowlists.md")
}

fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut found = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').context("an empty block")?;
        found.push(match language {
            "yaml" => {
                let first = text.lines().next().and_then(|line| line.strip_prefix("# "));
                Block::File(
                    first.context("a file without its name")?.into(),
                    text.into(),
                )
            }
            "sh" => Block::Commands(text.into()),
            other => anyhow::bail!("a block in {other:?}"),
        });
    }
    Ok(found)
}

/// The cluster's kubeconfig, with the scene's namespace as its default.
async fn kubeconfig(scene: &Scene, directory: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(nostr_fleet_e2e::cluster::kubeconfig().await?)?;
    let mut config: serde_yaml::Value = serde_yaml::from_str(&text)?;
    for context in config["contexts"]
        .as_sequence_mut()
        .context("no contexts")?
    {
        context["context"]["namespace"] = scene.namespace.clone().into();
    }
    let file = directory.join("kubeconfig");
    fs::write(&file, serde_yaml::to_string(&config)?)?;
    Ok(file)
}

async fn run(commands: &str, scene: &Scene, directory: &Path) -> Result<()> {
    let output = Command::new("bash")
        .args(["-euc", commands])
        .current_dir(directory)
        .env("KUBECONFIG", directory.join("kubeconfig"))
        .env("NAMESPACE", &scene.namespace)
        .output()
        .await?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    eprintln!("{commands}\n{said}");
    ensure!(output.status.success(), "{commands}\n{said}");
    Ok(())
}

#[tokio::test]
async fn every_command_of_the_allowlists_page_works_as_it_stands_there() -> Result<()> {
    scene("page", async |scene| {
        let directory = TempDir::new()?;
        kubeconfig(scene, directory.path()).await?;
        for block in blocks(&fs::read_to_string(page())?)? {
            match block {
                Block::File(name, text) => fs::write(directory.path().join(name), text)?,
                Block::Commands(commands) => run(&commands, scene, directory.path()).await?,
            }
        }
        Ok(())
    })
    .await
}
