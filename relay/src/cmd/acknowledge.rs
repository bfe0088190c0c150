//! `relay acknowledge`: what was lost with damaged segments is known; their files and notes may go.

use super::{FAILED, fail, stopped};
use crate::store::quarantine;
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// What `relay acknowledge` is asked.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The store, of a running relay too.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// Exits 0 when nothing is set aside any more, or 1 with the reason.
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Err(problem) = stopped::is_store(&arguments.data) {
        return fail(problem.exit_code(), problem);
    }
    match quarantine::acknowledge(&arguments.data) {
        Ok(notes) if notes.is_empty() => println!("nothing is set aside"),
        Ok(notes) => {
            for note in notes {
                println!("{}: removed; lost with it: {}", note.file, note.numbers());
            }
        }
        Err(problem) => return fail(FAILED, problem),
    }
    ExitCode::SUCCESS
}
