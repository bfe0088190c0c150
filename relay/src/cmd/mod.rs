//! The subcommands, one module each. A module reads its arguments, does its work and says how it ended; it never prints a
//! backtrace: each failure is one line that names the remedy.

pub mod acknowledge;
pub mod bench;
pub mod check;
pub mod compact;
pub mod delete;
pub mod export;
pub mod health;
pub mod import;
pub mod progress;
pub mod reconnect;
pub mod serve;
pub mod stopped;

use std::{fmt::Display, io, process::ExitCode};
use tokio::runtime::{self, Runtime};

/// The command did its work and found a fault, or could not finish.
pub const FAILED: u8 = 1;
/// The command line, the configuration or the volume's holder must change first.
pub const MISUSED: u8 = 2;

/// One line to standard error, and the exit code.
pub fn fail(code: u8, problem: impl Display) -> ExitCode {
    eprintln!("relay: {problem}");
    ExitCode::from(code)
}

/// The runtime of a command that speaks to a relay.
pub(crate) fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_multi_thread().enable_all().build()
}
