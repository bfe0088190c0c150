//! `relay check`: would this configuration be taken?

use super::{MISUSED, fail};
use crate::reload;
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// What `relay check` is asked.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file; without it the defaults are checked.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Exits 0, or 2 with the key, the line and how to mend it.
pub fn run(arguments: &Arguments) -> ExitCode {
    let Some(path) = &arguments.config else {
        println!("no file given: the defaults are in force, and they are good");
        return ExitCode::SUCCESS;
    };
    match reload::read(path) {
        Ok(_) => {
            println!("{} is good", path.display());
            ExitCode::SUCCESS
        }
        Err(problem) => fail(MISUSED, problem),
    }
}
