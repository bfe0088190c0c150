//! Figures that a suite measures and prints, past libtest, which keeps what passing tests print to itself.

use std::{io::Write, time::Duration};

/// Prints one figure; `e2e/test.sh` repeats it at the end.
pub fn figure(what: &str) {
    // A terminal that is gone must not fail the suite.
    let _ = writeln!(std::io::stderr(), "figure: {what}");
}

/// Prints p50 and p99 (nearest rank) of what was measured; returns both.
pub fn percentiles(what: &str, times: &[Duration]) -> (Duration, Duration) {
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
    (p50, p99)
}
