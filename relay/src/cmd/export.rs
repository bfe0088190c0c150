//! `relay export`: events as JSONL (one event a line), byte for byte as the relay sends or stores them.
//!
//! From a running relay the newest come first; from the store of a stopped one, in the order in which they were stored.

pub mod cursor;
pub mod direct;
pub mod output;
pub mod pages;
pub mod second;
pub mod spans;

use super::{
    FAILED, MISUSED, fail, runtime,
    stopped::{RuntimeDir, StoppedError},
};
use crate::client::{ClientError, Dialer, RelayUrl, Trust};
use clap::{ArgGroup, Args};
use relay_config::Duration;
use serde_json::{Map, Value};
use std::{io, path::PathBuf, process::ExitCode, str::FromStr, time::Instant};

/// Everything that could be had was written, but the relay keeps some back (see [`pages::Exported::hidden`]).
pub const INCOMPLETE: u8 = 3;

/// What `relay export` is asked.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["from", "data"])))]
pub struct Arguments {
    /// Where to write; `-` is standard output. A file that exists is never overwritten.
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// The relay to read from: wss://HOST:PORT or ws://HOST:PORT.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub from: Option<RelayUrl>,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub trust: Trust,
    /// The store of a relay that is not running.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub runtime_dir: RuntimeDir,
    /// Only events that match this filter (NIP-01); with --from also its limit.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub filter: FilterObject,
    /// With --data: only events after this number; the last number is told at the end.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        conflicts_with_all = ["from", "resume"]
    )]
    pub after: u64,
    /// Go on where FILE ends.
    #[arg(long)]
    pub resume: bool,
    /// With --from: events of one REQ. A relay may send fewer.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub page: u32,
    /// With --from: how long to wait for an answer, and to try to reach the relay again, before giving up.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub give_up_after: Duration,
}

/// A filter as a JSON object; the relay judges its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterObject(pub Map<String, Value>);

impl FromStr for FilterObject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|_| "a filter is a JSON object, such as {\"kinds\":[1]}".into())
    }
}

/// Why an export ended before everything was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output cannot be opened, read for `--resume`, or written.
    #[error("cannot write {file}: {problem}")]
    Output {
        /// Which file.
        file: String,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The relay was not there at all.
    #[error("{0}; nothing was written")]
    Unreached(ClientError),
    /// The relay stayed away.
    #[error("{0}; run the same command again with --resume to go on")]
    GaveUp(#[from] ClientError),
    /// The filter is none that a store knows.
    #[error("--filter: {0}")]
    Filter(String),
    /// The relay does not serve this filter.
    #[error("the relay refused the filter: {0}")]
    Refused(String),
    /// The relay sends without end.
    #[error("the relay sent more than {0} events in answer to one REQ: it does not heed limits")]
    Endless(usize),
    /// The file to go on with does not end in this store.
    #[error(
        "{0}: none of its last events is in this store: name another file, or a number with --after"
    )]
    Elsewhere(String),
    /// The store of a stopped relay cannot be opened.
    #[error("the store: {0}")]
    Open(#[from] StoppedError),
    /// The store of a stopped relay cannot be read.
    #[error("the store: {0}")]
    Store(String),
    /// This machine gives us no threads.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ExportError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Open(error) => error.exit_code(),
            Self::Filter(_) => MISUSED,
            _ => FAILED,
        }
    }
}

/// Exits 0 when all was written, 3 when the relay keeps some back, 1 on failure, 2 when somebody holds the store.
pub fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.from {
        Some(url) => from_relay(arguments, url),
        None => from_store(arguments),
    }
}

fn from_store(arguments: &Arguments) -> ExitCode {
    let start = Instant::now();
    let dir = arguments.data.as_deref().unwrap_or(".".as_ref());
    let exported = arguments
        .runtime_dir
        .existing(dir)
        .map_err(ExportError::Open)
        .and_then(|store| direct::export(arguments, &store));
    match exported {
        Err(problem) => fail(problem.exit_code(), problem),
        Ok(reached) => {
            let seconds = start.elapsed().as_secs_f64();
            eprintln!(
                "{} events in {seconds:.1} s; --after {} goes on from here",
                reached.events, reached.number
            );
            ExitCode::SUCCESS
        }
    }
}

fn from_relay(arguments: &Arguments, url: &RelayUrl) -> ExitCode {
    let start = Instant::now();
    let dialer = match Dialer::new(url, &arguments.trust) {
        Ok(dialer) => dialer,
        Err(problem) => return fail(FAILED, problem),
    };
    let exported = runtime()
        .map_err(ExportError::Io)
        .and_then(|runtime| runtime.block_on(pages::export(arguments, &dialer)));
    match exported {
        Err(problem) => fail(problem.exit_code(), problem),
        Ok(exported) => {
            let seconds = start.elapsed().as_secs_f64();
            eprintln!("{} events in {seconds:.1} s", exported.events);
            for hidden in &exported.hidden {
                eprintln!("incomplete: {hidden}");
            }
            ExitCode::from(if exported.hidden.is_empty() {
                0
            } else {
                INCOMPLETE
            })
        }
    }
}
