//! Arguments in, exit code out.

use clap::Parser;
use nostr_fleet_operator::{
    api,
    args::{Cli, Command},
    run,
};
use std::{fs, path::PathBuf, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(*args).await,
        Command::Crds { write } => crds(&write),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("operator: {why}");
            ExitCode::FAILURE
        }
    }
}

fn crds(write: &[PathBuf]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for crd in api::crds() {
        if write.is_empty() {
            print!("---\n{}", api::yaml(&crd));
        }
        for dir in write {
            fs::create_dir_all(dir)?;
            fs::write(dir.join(api::file_name(&crd)), api::yaml(&crd))?;
        }
    }
    Ok(())
}
