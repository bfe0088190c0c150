//! How a store is opened, and what a start says while it works.

use super::{apply::GROUP_BYTES, files::Faults};
use crate::clock::{Clock, SystemClock};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

/// How to open a store. Start from [`Options::new`].
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the store lives; made if missing.
    pub dir: PathBuf,
    /// A tmpfs that lives as long as the pod or the boot: the run token stands here.
    pub runtime_dir: PathBuf,
    /// Bytes of the claim; `None`: the file system's size.
    pub size: Option<u64>,
    /// Deleted text is gone from the files after at most this time.
    pub erase_within: Duration,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Bytes of text that one group adds to the view and takes out of it, about a hundred keys a kilobyte at most. What takes more is
    /// done in several groups, and others' events come between.
    pub group_bytes: usize,
    /// Told what the start is doing.
    pub progress: Arc<Progress>,
    /// Told how long each group took, from its first event to its commit, on the writer thread; must not block.
    pub on_commit: OnCommit,
    /// Where a test lets the disk fail; empty in production.
    pub faults: Faults,
}

impl Options {
    /// The store in `dir` with the run token in `runtime_dir`: whole file system, `eraseWithin` 24 h, system clock.
    pub fn new(dir: impl Into<PathBuf>, runtime_dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            runtime_dir: runtime_dir.into(),
            size: None,
            erase_within: Duration::from_secs(24 * 60 * 60),
            clock: Arc::new(SystemClock),
            group_bytes: GROUP_BYTES,
            progress: Arc::default(),
            on_commit: OnCommit::default(),
            faults: Faults::default(),
        }
    }
}

/// Who is told how long a commit took.
#[derive(Clone, Default)]
pub struct OnCommit(Option<Arc<dyn Fn(Duration) + Send + Sync>>);

impl OnCommit {
    /// Tells `told`.
    pub fn tell(told: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(super) fn took(&self, duration: Duration) {
        if let Some(told) = &self.0 {
            told(duration);
        }
    }
}

impl std::fmt::Debug for OnCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OnCommit({})", self.0.is_some())
    }
}

/// What the store is doing before it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking at the files.
    Opening,
    /// Reading the log to build the view anew.
    Rebuilding,
    /// Open.
    Open,
}

/// How far a start has come: for `/readyz` and the log.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    percent: AtomicU8,
}

impl Progress {
    /// What the start is doing.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Opening,
            1 => Phase::Rebuilding,
            _ => Phase::Open,
        }
    }

    /// How much of the phase is done.
    pub fn percent(&self) -> u8 {
        self.percent.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, phase: Phase, percent: u8) {
        self.percent.store(percent.min(100), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.phase() {
            Phase::Opening => f.write_str("opening the store"),
            Phase::Rebuilding => write!(f, "rebuilding {} %", self.percent()),
            Phase::Open => f.write_str("open"),
        }
    }
}
