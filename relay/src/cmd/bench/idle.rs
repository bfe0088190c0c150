//! `relay bench idle`: what a connection costs that only waits.

use super::{
    BenchError, Target,
    dice::Dice,
    process::Process,
    report::{Report, Row},
    subscribers::subscribe,
};
use clap::Args;
use std::time::Duration;
use tokio::time::sleep;

/// What the server frees or finishes after the last EOSE happens before we look.
const SETTLE: Duration = Duration::from_secs(2);

/// What `relay bench idle` is asked. Needs `--pid`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub target: Target,
    /// Connections with one REQ each.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub connections: u32,
}

/// One row: resident anonymous memory with and without the connections.
pub async fn measure(arguments: &Arguments, mut report: Report) -> Result<Report, BenchError> {
    let process = arguments.target.process()?.ok_or_else(|| {
        BenchError::Unfit("memory can be read only of a process that is named: add --pid".into())
    })?;
    let before = process.anonymous_kb()?;
    let filters = filters(arguments.target.seed, arguments.connections);
    let clients = subscribe(&arguments.target.dialer()?, filters).await?;
    sleep(SETTLE).await;
    let after = process.anonymous_kb()?;
    let cpu = idle_cpu(&process).await?;
    let connections = clients.len();
    drop(clients);
    let row = Row::default()
        .with("connections", connections)
        .with("before_kb", before)
        .with("after_kb", after)
        .figure(
            "kb_per_connection",
            (after as f64 - before as f64) / connections as f64,
            2,
        )
        .figure("idle_cpu_percent", cpu, 1);
    report.add("idle", row);
    Ok(report)
}

/// CPU of two seconds in which nobody says anything, in percent of one core.
async fn idle_cpu(process: &Process) -> Result<f64, BenchError> {
    let before = process.usage()?;
    sleep(SETTLE).await;
    let used = process.usage()?.since(before);
    Ok(used.cpu * 100.0 / SETTLE.as_secs_f64())
}

/// Each connection asks for somebody else.
fn filters(seed: u32, connections: u32) -> Vec<String> {
    let mut dice = Dice::new(seed.into());
    let mut hex = || {
        (0..64)
            .map(|_| char::from(b"0123456789abcdef"[dice.below(16)]))
            .collect::<String>()
    };
    (0..connections)
        .map(|_| format!(r#"{{"authors":["{}"],"kinds":[1],"limit":1}}"#, hex()))
        .collect()
}
