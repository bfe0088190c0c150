//! Parts of pages that are generated, between two comments.

use crate::render::{read, root};
use anyhow::{Context, Result, ensure};
use std::{env, fs};

/// Compares what stands in a page with what was generated, or writes it with `UPDATE_DOCS=1`.
pub fn compare(page: &str, name: &str, generated: &str) -> Result<()> {
    let begin = format!("<!-- {name}: generated, see e2e/tests/chart -->\n");
    let end = format!("<!-- end of {name} -->\n");
    let text = read(page)?;
    let (head, rest) = text
        .split_once(&begin)
        .with_context(|| format!("{page} has no {begin}"))?;
    let (committed, tail) = rest
        .split_once(&end)
        .with_context(|| format!("{page} has no {end}"))?;
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(
            root().join(page),
            format!("{head}{begin}{generated}{end}{tail}"),
        )?;
        return Ok(());
    }
    ensure!(
        committed == generated,
        "{page} is out of date: UPDATE_DOCS=1 cargo test --workspace --test chart"
    );
    Ok(())
}
