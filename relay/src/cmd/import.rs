//! `relay import`: events from JSONL (one event a line) into a relay, or into the store of a stopped one.
//!
//! Nothing is counted twice and nothing is skipped: every line ends as accepted, duplicate, superseded or refused. A second
//! run over the same input is harmless: what is known is answered `duplicate:`.

pub mod direct;
pub mod lines;
pub mod position;
pub mod socket;
pub mod tally;
pub mod window;

use super::{
    FAILED, fail, runtime,
    stopped::{RuntimeDir, StoppedError},
};
use crate::client::{ClientError, Dialer, RelayUrl, Trust};
use clap::{ArgGroup, Args};
use position::{Position, PositionFile};
use relay_config::{Config, Duration, Hot};
use std::{fs, io, path::PathBuf, process::ExitCode, time::Instant};
use tally::Tally;

/// Some lines were refused; everything else was taken.
pub const REFUSED: u8 = 3;

/// What `relay import` is asked.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["to", "data"])))]
pub struct Arguments {
    /// JSONL, one event a line; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// The relay to send to: wss://HOST:PORT or ws://HOST:PORT.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub to: Option<RelayUrl>,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub trust: Trust,
    /// The store of a relay that is not running.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub runtime_dir: RuntimeDir,
    /// With --data: the relay's configuration file, for its limits and its URL [default: the default limits].
    #[arg(long, value_name = "FILE", requires = "data")]
    pub config: Option<PathBuf>,
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
    /// The relay was not there at all.
    #[error("{0}; nothing was sent")]
    Unreached(ClientError),
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
    /// The store of a stopped relay cannot be opened.
    #[error("the store: {0}")]
    Open(#[from] StoppedError),
    /// The store of a stopped relay cannot be written.
    #[error("the store: {0}")]
    Store(String),
    /// The configuration file cannot be read.
    #[error("{file}: {problem}")]
    Config {
        /// Which file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// We would not know whom to believe.
    #[error(transparent)]
    Trust(ClientError),
    /// The relay hangs up whatever it is sent.
    #[error("the relay hung up on {0} events one after the other: it takes none from here")]
    HangsUp(u32),
}

impl ImportError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Open(error) => error.exit_code(),
            _ => FAILED,
        }
    }
}

/// Where from, where to, and how patiently.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What was asked.
    pub arguments: &'a Arguments,
    /// Where the place is kept.
    pub position: Option<PositionFile>,
}

impl Plan<'_> {
    /// Everything before `place` has its verdict.
    pub fn keep(&self, place: Position) -> Result<(), ImportError> {
        match &self.position {
            Some(file) if place != Position::default() => file.write(place),
            _ => Ok(()),
        }
    }
}

/// Exits 0 when every event is held now, 3 when some were refused, 1 on failure, 2 when somebody holds the store.
pub fn run(arguments: &Arguments) -> ExitCode {
    let start = Instant::now();
    let mut tally = Tally::default();
    let ended = import(arguments, &mut tally);
    println!("{}", tally.summary(start.elapsed()));
    match ended {
        Err(problem) => fail(problem.exit_code(), problem),
        Ok(()) if tally.refused() > 0 => ExitCode::from(REFUSED),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn import(arguments: &Arguments, tally: &mut Tally) -> Result<(), ImportError> {
    let input = |source| ImportError::Input {
        file: arguments.file.display().to_string(),
        source,
    };
    let position = arguments.resume_file.as_deref().map(PositionFile::new);
    let from = position
        .as_ref()
        .map_or(Ok(Position::default()), PositionFile::read)?;
    let lines = lines::open(&arguments.file, from).map_err(input)?;
    let plan = Plan {
        arguments,
        position,
    };
    if let Some(url) = &arguments.to {
        let dialer = Dialer::new(url, &arguments.trust).map_err(ImportError::Trust)?;
        let runtime = runtime().map_err(input)?;
        return runtime.block_on(socket::send(&plan, &dialer, lines, tally));
    }
    let hot = configuration(arguments)?;
    let dir = arguments.data.as_deref().unwrap_or(".".as_ref());
    let store = arguments.runtime_dir.open(dir)?;
    let target = direct::Target {
        store: &store,
        hot: &hot,
    };
    let imported = direct::import(&plan, target, lines, tally);
    store.close();
    imported
}

fn configuration(arguments: &Arguments) -> Result<Hot, ImportError> {
    let Some(path) = &arguments.config else {
        return Ok(Hot::default());
    };
    let wrong = |problem: String| ImportError::Config {
        file: path.display().to_string(),
        problem,
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Config::read(&text)
        .map(|config| config.hot)
        .map_err(|error| wrong(error.to_string()))
}
