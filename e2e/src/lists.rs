//! Lists of keys in ConfigMaps, and the hash that they must get.

use crate::scene::Scene;
use anyhow::Result;
use kube::api::DeleteParams;
use nostr::prelude::Keys;
use relay_config::lists::{Entry, Key, List, Lists, Modes};
use serde_json::json;

/// A line for each of `keys`, as one writes it into a ConfigMap.
pub fn lines(keys: &[&Keys]) -> String {
    let line = |keys: &&Keys| keys.public_key().to_hex() + "\n";
    keys.iter().map(line).collect()
}

/// The hash of `modes` with entries of `keys` in each of `lists`.
pub fn hash(modes: Modes, lists: &[List], keys: &[&Keys]) -> String {
    let entries = keys.iter().flat_map(|keys| {
        let key = Key(keys.public_key().to_bytes());
        lists.iter().map(move |&list| Entry {
            key,
            list,
            until: None,
        })
    });
    Lists::new(modes, entries.collect()).generation()
}

impl Scene {
    /// Applies the ConfigMap `name` with `text` as its only list.
    pub async fn list(&self, name: &str, text: &str) -> Result<()> {
        self.labelled_list(name, "", text).await
    }

    /// Applies the ConfigMap `name` with the label `town/list: label` and `text` as its only list.
    pub async fn labelled_list(&self, name: &str, label: &str, text: &str) -> Result<()> {
        let list = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"town/list": label}},
            "data": {"pubkeys": text},
        });
        self.apply(&list.to_string()).await
    }

    /// Deletes the ConfigMap `name`.
    pub async fn delete_list(&self, name: &str) -> Result<()> {
        let lists = self.api("v1", "ConfigMap")?;
        lists.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }
}
