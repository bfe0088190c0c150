//! charts/nostr-fleet/README.md: its table is generated from values.yaml. `UPDATE_DOCS=1` writes it anew.

use crate::{
    generated,
    options::{Opt, options},
};
use anyhow::Result;
use serde_json::Value;
use std::fmt::Write;

fn default(option: &Opt) -> String {
    match &option.default {
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn table() -> Result<String> {
    let mut table = "| value | default | meaning |\n|---|---|---|\n".to_owned();
    for option in options()? {
        writeln!(
            table,
            "| `{}` | {} | {} |",
            option.path,
            default(&option),
            option.meaning
        )?;
    }
    Ok(table)
}

#[test]
fn the_table_of_values_is_the_generated_one() -> Result<()> {
    generated::compare("charts/nostr-fleet/README.md", "values", &table()?)
}
