//! The store of a relay that is not running, for the commands that work on it directly.

use super::{FAILED, MISUSED};
use crate::store::{OpenError, Options, Phase, Progress, Store};
use clap::Args;
use std::{
    env,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a long start says how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// Why the store cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum StoppedError {
    /// There is nothing in the directory that we would know.
    #[error("{} holds no store: name the directory that the relay was given as --data", .0.display())]
    NoStore(PathBuf),
    /// It is there, but cannot be opened.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Open(#[from] OpenError),
}

impl StoppedError {
    /// As `relay serve` would end: 2 when somebody must change something first, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoStore(_) => FAILED,
            Self::Open(error) => exit_code(error),
        }
    }
}

/// 2 when the holder of the volume or this program's version must change first, 1 otherwise.
pub fn exit_code(error: &OpenError) -> u8 {
    match error {
        OpenError::Locked { .. } | OpenError::Newer { .. } => MISUSED,
        OpenError::Io { .. } | OpenError::View { .. } | OpenError::NoRoom { .. } => FAILED,
    }
}

/// What helps, where the error does not say it itself.
pub fn remedy(error: &OpenError) -> &'static str {
    let OpenError::Io { source, .. } = error else {
        return "";
    };
    match source.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            "; the file is damaged: restore it from a backup of this directory, the log beside it is untouched"
        }
        ErrorKind::StorageFull => "; free room on the volume",
        _ if source.raw_os_error().is_none() => "", // our own words
        _ => "; choose a directory that this user can write with --data (and --runtime-dir)",
    }
}

/// There must be a store in `dir`; it may be open.
pub fn is_store(dir: &Path) -> Result<(), StoppedError> {
    if dir.join("FORMAT").is_file() {
        return Ok(());
    }
    Err(StoppedError::NoStore(dir.to_owned()))
}

/// How the commands that open a store are told where its run token stands.
#[derive(Clone, Debug, Default, Args)]
pub struct RuntimeDir {
    /// A tmpfs that lives as long as the boot, for --data [default: $XDG_RUNTIME_DIR, else /dev/shm].
    #[arg(long, value_name = "DIR", requires = "data")]
    pub runtime_dir: Option<PathBuf>,
}

impl RuntimeDir {
    /// The store in `dir`, which must exist.
    pub fn existing(&self, dir: &Path) -> Result<Store, StoppedError> {
        is_store(dir)?;
        self.open(dir)
    }

    /// The store in `dir`, made if missing. A start that takes long says so on standard error.
    pub fn open(&self, dir: &Path) -> Result<Store, StoppedError> {
        let named = self.runtime_dir.clone();
        let options = Options::new(dir, named.unwrap_or_else(default_runtime_dir));
        let done = Arc::new(AtomicBool::new(false));
        let watch = tell(Arc::clone(&options.progress), Arc::clone(&done));
        let opened = Store::open(options);
        done.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        Ok(opened?)
    }
}

fn tell(progress: Arc<Progress>, done: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread::park_timeout(EVERY);
        while !done.load(Ordering::Relaxed) && progress.phase() != Phase::Open {
            eprintln!("{progress}");
            thread::park_timeout(EVERY);
        }
    })
}

/// Where a run token stands that is forgotten when the machine restarts: `$XDG_RUNTIME_DIR`, else `/dev/shm`.
pub fn default_runtime_dir() -> PathBuf {
    let named = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    named
        .filter(|dir| dir.is_dir())
        .unwrap_or_else(|| PathBuf::from("/dev/shm"))
}
