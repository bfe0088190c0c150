//! `relay check`: would this configuration be taken?

use super::{MISUSED, fail};
use crate::{allowlist, reload};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// What `relay check` is asked.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file; without it the defaults are checked.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Exits 0, or 2 with the key or the shard, the line and how to mend it.
pub fn run(arguments: &Arguments) -> ExitCode {
    let Some(path) = &arguments.config else {
        println!("no file given: the defaults are in force, and they are good");
        return ExitCode::SUCCESS;
    };
    let loaded = match reload::read(path) {
        Ok(loaded) => loaded,
        Err(problem) => return fail(MISUSED, problem),
    };
    let path = path.display();
    match allowlist::read(arguments.config.as_deref(), &loaded.config.hot) {
        Ok(lists) => {
            let (generation, entries) = (lists.generation(), lists.entries().len());
            println!("{path} is good: allowlist {generation}, {entries} entries");
            ExitCode::SUCCESS
        }
        Err(problem) => fail(MISUSED, format!("{path}: {problem}")),
    }
}
