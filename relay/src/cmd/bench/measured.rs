//! Work between two looks at the clock and at the server's process.

use super::{
    BenchError,
    process::{Process, Usage},
};
use std::{
    future::Future,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

/// What the server finishes after its last answer belongs to the row.
pub const SETTLE: Duration = Duration::from_millis(500);

/// What came of some work, and what it cost.
#[derive(Clone, Copy, Debug)]
pub struct Measured<T> {
    /// What came of it.
    pub out: T,
    /// How long it took.
    pub seconds: f64,
    /// What the server used for it, where its process is known.
    pub used: Option<Usage>,
}

/// Does the work. What the server still does in `settle` after it belongs to its usage, not to its time.
pub async fn measured<T>(
    process: Option<&Process>,
    settle: Duration,
    work: impl Future<Output = Result<T, BenchError>>,
) -> Result<Measured<T>, BenchError> {
    let usage = || process.map(Process::usage).transpose();
    let before = usage()?;
    let start = Instant::now();
    let out = work.await?;
    let seconds = start.elapsed().as_secs_f64();
    if !settle.is_zero() {
        sleep(settle).await;
    }
    let used = usage()?.zip(before);
    Ok(Measured {
        out,
        seconds,
        used: used.map(|(after, before)| after.since(before)),
    })
}

/// What all tasks came to; the first failure ends them.
pub async fn collect<T, E>(mut tasks: JoinSet<Result<T, E>>) -> Result<Vec<T>, BenchError>
where
    T: Send + 'static,
    E: Send + 'static,
    BenchError: From<E>,
{
    let mut all = Vec::with_capacity(tasks.len());
    while let Some(one) = tasks.join_next().await {
        all.push(one.map_err(|panic| BenchError::Unfit(panic.to_string()))??);
    }
    Ok(all)
}
