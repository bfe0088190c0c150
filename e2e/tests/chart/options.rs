//! The options of values.yaml: what stands below a comment that begins with two dashes.

use crate::render::read;
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One option.
pub struct Opt {
    /// Such as `image.tag`.
    pub path: String,
    /// As JSON.
    pub default: Value,
    /// What its comment says.
    pub meaning: String,
}

pub fn default_values() -> Result<Value> {
    Ok(serde_yaml::from_str(&read(
        "charts/nostr-fleet/values.yaml",
    )?)?)
}

/// Reads the file line by line: YAML parsers forget comments.
pub fn options() -> Result<Vec<Opt>> {
    let defaults = default_values()?;
    let text = read("charts/nostr-fleet/values.yaml")?;
    let (mut found, mut comment, mut parents) = (Vec::<Opt>::new(), None, Vec::<String>::new());
    for line in text.lines() {
        let bare = line.trim_start();
        let depth = (line.len() - bare.len()) / 2;
        if let Some(meaning) = bare.strip_prefix("# -- ") {
            comment = Some(meaning.to_owned());
            continue;
        }
        let Some((key, rest)) = bare.split_once(':') else {
            continue;
        };
        if bare.starts_with('#') {
            continue;
        }
        parents.truncate(depth);
        parents.push(key.to_owned());
        let path = parents.join(".");
        match comment.take() {
            Some(meaning) => found.push(Opt {
                default: at(&defaults, &path)?.clone(),
                path,
                meaning,
            }),
            None if rest.is_empty() || is_within(&found, &path) => {}
            None => bail!("values.yaml: {path} has no comment"),
        }
    }
    Ok(found)
}

fn is_within(options: &[Opt], path: &str) -> bool {
    let within = |option: &Opt| path.starts_with(&format!("{}.", option.path));
    options.last().is_some_and(within)
}

fn at<'a>(values: &'a Value, path: &str) -> Result<&'a Value> {
    values
        .pointer(&format!("/{}", path.replace('.', "/")))
        .with_context(|| format!("values.yaml has no {path}"))
}
