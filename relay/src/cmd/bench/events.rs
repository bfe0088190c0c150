//! `relay bench events`: signed events for the demo, for tests and for filling a store.

use super::mix::Mix;
use clap::Args;
use std::io::{self, BufWriter, ErrorKind, Write, stdout};

/// What `relay bench events` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub count: u64,
    /// The same seed makes the same events.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
}

/// Writes them to standard output. A reader that has seen enough is no error.
pub fn write(arguments: &Arguments) -> io::Result<()> {
    match write_to(stdout().lock(), arguments) {
        Err(problem) if problem.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn write_to(out: impl Write, arguments: &Arguments) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for made in Mix::new(arguments.seed.into()).take(arguments.count as usize) {
        writeln!(out, "{}", made.text)?;
    }
    out.flush()
}
