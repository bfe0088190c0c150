//! CPU and memory of this process, read from `/proc` at each scrape. Where there is no `/proc`, the figures are left out.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use std::{fmt, fs};

/// `/proc` counts CPU time in these parts of a second; USER_HZ is 100 on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the figures when asked.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let metric = to.encode_descriptor(
                "process_cpu_seconds",
                "CPU time of all threads",
                None,
                counter.metric_type(),
            )?;
            counter.encode(metric)?;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        gauge(&mut to, RESIDENT, kilobytes(&status, "VmRSS:"))?;
        gauge(&mut to, ANONYMOUS, kilobytes(&status, "RssAnon:"))?;
        gauge(&mut to, FILES, open_files())
    }
}

const RESIDENT: (&str, &str) = (
    "process_resident_memory_bytes",
    "Resident memory, mapped pages of the store included (the kernel takes those back)",
);
const ANONYMOUS: (&str, &str) = (
    "process_anonymous_memory_bytes",
    "Resident memory that is the process's own",
);
const FILES: (&str, &str) = ("process_open_fds", "Open files and sockets");

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    value: Option<u64>,
) -> fmt::Result {
    let Some(value) = value.and_then(|value| i64::try_from(value).ok()) else {
        return Ok(());
    };
    let gauge = ConstGauge::new(value);
    gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
}

/// User and system time: fields 14 and 15 of proc_pid_stat(5), counted behind the program's name in parentheses.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

fn open_files() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}
