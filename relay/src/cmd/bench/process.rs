//! What the kernel knows about the server's process (proc(5)), and how many files ours may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fs, io, path::PathBuf};

/// Ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture that we build for.
const TICKS: f64 = 100.0;

/// `/proc/PID` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {file}: {source}; is the pid right, and is it your process?")]
pub struct ProcessError {
    file: String,
    source: io::Error,
}

/// The server's process.
#[derive(Clone, Debug)]
pub struct Process {
    directory: PathBuf,
}

/// What it has used since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds of all threads, user and system.
    pub cpu: f64,
    /// Bytes that it caused to be written to storage.
    pub written: u64,
}

impl Usage {
    /// What was used since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu - before.cpu,
            written: self.written.saturating_sub(before.written),
        }
    }
}

impl Process {
    /// The process with this id, which must be readable by us.
    pub fn open(pid: u32) -> Result<Self, ProcessError> {
        let process = Self {
            directory: PathBuf::from(format!("/proc/{pid}")),
        };
        process.usage()?;
        process.anonymous_kb()?;
        Ok(process)
    }

    /// CPU and bytes written until now.
    pub fn usage(&self) -> Result<Usage, ProcessError> {
        Ok(Usage {
            cpu: self.read("stat", cpu)?,
            written: self.read("io", |text| field(text, "write_bytes:"))?,
        })
    }

    /// Resident anonymous memory in KB: mapped files are not in it.
    pub fn anonymous_kb(&self) -> Result<u64, ProcessError> {
        self.read("status", |text| field(text, "RssAnon:"))
    }

    fn read<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ProcessError> {
        let file = self.directory.join(name);
        let odd = || io::Error::new(io::ErrorKind::InvalidData, "unexpected text");
        fs::read_to_string(&file)
            .and_then(|text| parse(&text).ok_or_else(odd))
            .map_err(|source| ProcessError {
                file: file.display().to_string(),
                source,
            })
    }
}

/// utime and stime are the 14th and 15th field; the second may contain spaces and brackets.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Lets us open `files` at a time, as far as this user may; answers how many we may open now.
pub fn allow_open_files(files: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (
        limit.current.unwrap_or(u64::MAX),
        limit.maximum.unwrap_or(u64::MAX),
    );
    if soft >= files {
        return soft;
    }
    let raise = |current: u64, maximum: u64| {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        setrlimit(Resource::Nofile, limit)
            .is_ok()
            .then_some(current)
    };
    raise(files, hard.max(files))
        .or_else(|| raise(files.min(hard), hard))
        .unwrap_or(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("7 (a"), None);
    }

    #[test]
    fn our_own_process_can_be_read_and_one_that_is_not_there_cannot() {
        let own = Process::open(std::process::id()).unwrap();
        assert!(own.anonymous_kb().unwrap() > 0);
        let problem = Process::open(u32::MAX).unwrap_err().to_string();
        assert!(problem.contains("is the pid right"), "{problem}");
    }
}
