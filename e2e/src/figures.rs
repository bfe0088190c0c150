//! Figures that a suite measures: into the file that `FIGURES` names, one a line, else past libtest to the terminal.

use crate::cluster::variable;
use std::{
    fs::OpenOptions,
    io::{self, Write},
    time::Duration,
};

/// Keeps one figure; `e2e/test.sh` shows all of them at the end.
pub fn figure(what: &str) {
    // A figure that nobody hears must not fail the suite.
    let _ = keep(what);
}

fn keep(what: &str) -> io::Result<()> {
    let Some(file) = variable("FIGURES") else {
        return writeln!(io::stderr(), "figure: {what}");
    };
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    writeln!(file, "{what}")
}

/// Keeps p50 and p99 (nearest rank) of what was measured. Nothing fails by them: they say what this machine did meanwhile, too.
pub fn percentiles(what: &str, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    };
    let (p50, p99) = (rank(50), rank(99));
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f32());
    figure(&format!(
        "{what}: p50 {}, p99 {} ({} times)",
        seconds(p50),
        seconds(p99),
        times.len()
    ));
}
