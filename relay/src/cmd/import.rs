//! `relay import`: events from JSONL (one event a line) into a relay, or into the store of a stopped one.
//!
//! Nothing is counted twice and nothing is skipped: every line ends as accepted, duplicate, superseded or refused. A second
//! run over the same input is harmless: what is known is answered `duplicate:`.

pub mod lines;
pub mod position;
pub mod socket;
pub mod tally;
pub mod window;

use super::{FAILED, MISUSED, fail, runtime};
use crate::client::{ClientError, RelayUrl};
use clap::Args;
use position::{Position, PositionFile};
use relay_config::Duration;
use std::{io, path::PathBuf, process::ExitCode, time::Instant};
use tally::Tally;

/// Some lines were refused; everything else was taken.
pub const REFUSED: u8 = 3;

/// What `relay import` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// JSONL, one event a line; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// The relay to send to: ws://HOST:PORT.
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "data",
        conflicts_with = "data"
    )]
    pub to: Option<RelayUrl>,
    /// The store of a relay that is not running.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A tmpfs that lives as long as the boot, for --data [default: $XDG_RUNTIME_DIR, else /dev/shm].
    #[arg(long, value_name = "DIR", requires = "data")]
    pub runtime_dir: Option<PathBuf>,
    /// Events that may wait for their OK at a time.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub window: u16,
    /// Keeps the place in FILE, so that an interrupted import goes on there.
    #[arg(long, value_name = "FILE")]
    pub resume_file: Option<PathBuf>,
    /// How long to wait for an answer, and to try to reach the relay again, before giving up.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub give_up_after: Duration,
}

/// Why an import ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input cannot be read.
    #[error("cannot read {file}: {source}")]
    Input {
        /// Which file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The resume file is unreadable, unwritable or belongs to another input.
    #[error("resume file {file}: {problem}")]
    Position {
        /// Which file.
        file: String,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// The relay stayed away.
    #[error(
        "gave up after line {line} was answered: {source}; run the same command again to go on"
    )]
    GaveUp {
        /// Every line up to this one has been answered.
        line: u64,
        /// The last failure.
        source: ClientError,
    },
    /// The relay hangs up whatever it is sent.
    #[error("the relay hung up on {0} events one after the other: it takes none from here")]
    HangsUp(u32),
}

/// Exits 0 when every event is held now, 3 when some were refused, 1 on failure.
pub fn run(arguments: &Arguments) -> ExitCode {
    let start = Instant::now();
    let mut tally = Tally::default();
    let ended = match &arguments.to {
        Some(url) => to_relay(arguments, url, &mut tally),
        None => return fail(MISUSED, "--data is not supported yet"),
    };
    println!("{}", tally.summary(start.elapsed()));
    match ended {
        Err(problem) => fail(FAILED, problem),
        Ok(()) if tally.refused() > 0 => ExitCode::from(REFUSED),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn to_relay(arguments: &Arguments, url: &RelayUrl, tally: &mut Tally) -> Result<(), ImportError> {
    let input = |source| ImportError::Input {
        file: arguments.file.display().to_string(),
        source,
    };
    let file = arguments.resume_file.as_deref().map(PositionFile::new);
    let from = file
        .as_ref()
        .map_or(Ok(Position::default()), PositionFile::read)?;
    let source = lines::open(&arguments.file, from).map_err(input)?;
    let plan = socket::Plan {
        url,
        window: usize::from(arguments.window),
        patience: arguments.give_up_after.get(),
        position: file,
    };
    let runtime = runtime().map_err(input)?;
    runtime.block_on(socket::send(plan, source, tally))
}
