//! `relay compact`: gives back the room of what was deleted and replaced, and takes deleted text from the disk now.

use super::{FAILED, fail, runtime, stopped::RuntimeDir};
use crate::{
    client::{
        Dialer, RelayUrl, Trust,
        get::{self, Request},
    },
    store::Store,
};
use clap::Args;
use relay_config::names;
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// How long a running relay may take.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What `relay compact` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The store of a relay that is not running.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "ops",
        conflicts_with = "ops"
    )]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub runtime_dir: RuntimeDir,
    /// The ops port of a running relay: http://HOST:9090.
    #[arg(long, value_name = "URL")]
    pub ops: Option<RelayUrl>,
}

/// Exits 0 when it is done, 1 with the reason, 2 when somebody holds the store.
pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match (&arguments.data, &arguments.ops) {
        (Some(dir), _) => match arguments.runtime_dir.existing(dir) {
            Ok(store) => stopped(store),
            Err(problem) => return fail(problem.exit_code(), problem),
        },
        (None, Some(ops)) => running(ops),
        (None, None) => Err("name --data or --ops".into()),
    };
    match done {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err(problem) => fail(FAILED, problem),
    }
}

fn stopped(store: Store) -> Result<String, String> {
    let report = store.compact().map_err(|error| error.to_string())?;
    let status = store.status();
    store.close();
    Ok(format!(
        "{} segments rewritten, {} bytes freed; {} events in {} bytes",
        report.segments, report.freed_bytes, status.events, status.used_bytes
    ))
}

fn running(ops: &RelayUrl) -> Result<String, String> {
    let request = Request {
        method: "POST",
        path: names::PATH_COMPACT,
        accept: "application/json",
    };
    let dialer = Dialer::new(ops, &Trust::default()).map_err(|error| error.to_string())?;
    let runtime = runtime().map_err(|error| error.to_string())?;
    let response = runtime
        .block_on(get::request(&dialer, request, PATIENCE))
        .map_err(|error| error.to_string())?;
    match response.status {
        200 => Ok(response.body.trim().to_owned()),
        404 | 405 => Err(format!("{ops} is no ops port that can compact")),
        status => Err(format!("status {status}: {}", response.body.trim())),
    }
}
