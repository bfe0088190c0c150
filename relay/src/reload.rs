//! The configuration file, read at the start and again whenever it changes.
//!
//! A mounted ConfigMap changes by a swap of its `..data` link; a plain file by its time, length or inode ([`crate::mark`]). Both
//! are looked at every [`INTERVAL`]. A changed file is read, laid under the command line's flags and checked; its hot keys swap in
//! one step, its cold keys are named as waiting for a restart. A file that cannot be used changes nothing: the last good
//! one stays in force, and the status says why. Nothing here may end the process.

use crate::{
    mark::{INTERVAL, Mark},
    metrics::{Metrics, Reloaded},
    telemetry::LevelHandle,
};
use arc_swap::ArcSwap;
use relay_config::{Cold, Config, ConfigError, Hot, status::ConfigurationStatus};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Largest file that is read: what one ConfigMap can hold.
const LARGEST: u64 = 1024 * 1024;

/// A file's meaning and the SHA-256 of its bytes in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What it is; empty without a file.
    pub hash: String,
}

/// Why a file is not taken. The text names the file, the key and the line.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read at all.
    #[error("{path}: {source}; name a readable file with --config")]
    Io {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// It is no configuration.
    #[error("{path}: larger than {LARGEST} bytes, so it is no configuration file")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// What it says is wrong.
    #[error("{path}: {source}")]
    Config {
        /// The file, or the command line.
        path: String,
        /// The reason.
        source: ConfigError,
    },
}

/// Reads and checks one file.
pub fn read(path: &Path) -> Result<Loaded, LoadError> {
    let name = || path.display().to_string();
    let io = |source| LoadError::Io {
        path: name(),
        source,
    };
    if fs::metadata(path).map_err(io)?.len() > LARGEST {
        return Err(LoadError::TooLarge { path: name() });
    }
    let text = fs::read_to_string(path).map_err(io)?;
    let config = Config::read(&text).map_err(|source| LoadError::Config {
        path: name(),
        source,
    })?;
    Ok(Loaded {
        config,
        hash: hex(&Sha256::digest(text.as_bytes())),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Where the configuration comes from: a file, if one is named, under the flags of the command line.
pub struct Source {
    /// The file.
    pub path: Option<PathBuf>,
    /// Lays the flags over what the file says.
    pub flags: Box<dyn Fn(&mut Config) + Send>,
}

impl Source {
    /// Reads the file, lays the flags over it, checks the whole.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let mut loaded = match &self.path {
            Some(path) => read(path)?,
            None => Loaded {
                config: Config::default(),
                hash: String::new(),
            },
        };
        (self.flags)(&mut loaded.config);
        let check = loaded.config.check();
        check.map_err(|source| LoadError::Config {
            path: "command line".into(),
            source,
        })?;
        Ok(loaded)
    }
}

/// The configuration in force, as everybody else sees it.
#[derive(Debug)]
pub struct Live {
    /// One snapshot of this is taken per message.
    pub hot: Arc<ArcSwap<Hot>>,
    /// What `/status` says about it.
    pub status: ArcSwap<ConfigurationStatus>,
}

impl Live {
    /// The configuration of the start.
    pub fn new(loaded: &Loaded) -> Self {
        Self {
            hot: Arc::new(ArcSwap::from_pointee(loaded.config.hot.clone())),
            status: ArcSwap::from_pointee(ConfigurationStatus {
                hash: loaded.hash.clone(),
                ..ConfigurationStatus::default()
            }),
        }
    }
}

/// What a swap reaches besides the snapshot itself.
pub struct Reached {
    /// Counts the results.
    pub metrics: Arc<Metrics>,
    /// The log's level.
    pub level: LevelHandle,
    /// Whatever else keeps a copy: the store's limits.
    pub others: Box<dyn Fn(&Hot) + Send>,
}

/// Looks at the file and swaps.
pub struct Reloader {
    source: Source,
    started: Cold,
    live: Arc<Live>,
    reached: Reached,
    /// The state of the file that was last read.
    read: Mark,
    /// The state of the file at the last look.
    seen: Mark,
}

impl Reloader {
    /// Watches what `loaded` was read from.
    pub fn new(source: Source, loaded: &Loaded, live: Arc<Live>, reached: Reached) -> Self {
        let mark = source.path.as_deref().map(Mark::of).unwrap_or_default();
        Self {
            source,
            started: loaded.config.cold.clone(),
            live,
            reached,
            read: mark.clone(),
            seen: mark,
        }
    }

    /// Looks for ever.
    pub async fn run(mut self) {
        if self.source.path.is_none() {
            return;
        }
        self.take(); // it may have changed between the first reading and the first mark
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    /// One look. A plain file that is being written is left alone until it has stood still from one look to the next; a
    /// mount swaps whole.
    pub fn look(&mut self) {
        let Some(path) = &self.source.path else {
            return;
        };
        let mark = Mark::of(path);
        let still = mark.is_mounted() || mark == self.seen;
        self.seen = mark;
        if self.seen != self.read && still {
            self.read = self.seen.clone();
            self.take();
        }
    }

    fn take(&self) {
        let before = self.live.status.load_full();
        let status = match self.source.load() {
            Ok(loaded) if loaded.hash == before.hash && before.error.is_empty() => return,
            Ok(loaded) => self.swap(loaded),
            Err(error) => self.keep(&before, &error),
        };
        self.live.status.store(Arc::new(status));
    }

    fn swap(&self, loaded: Loaded) -> ConfigurationStatus {
        let waiting_for_restart = changed_keys(&self.started, &loaded.config.cold);
        self.reached.level.set(loaded.config.hot.log_level);
        (self.reached.others)(&loaded.config.hot);
        self.live.hot.store(Arc::new(loaded.config.hot));
        self.reached.metrics.reloaded(Reloaded::Applied);
        tracing::info!(hash = %loaded.hash, "configuration swapped");
        if !waiting_for_restart.is_empty() {
            let keys = waiting_for_restart.join(", ");
            tracing::warn!(%keys, "changed keys take effect at the next start");
        }
        ConfigurationStatus {
            hash: loaded.hash,
            error: String::new(),
            waiting_for_restart,
        }
    }

    fn keep(&self, before: &ConfigurationStatus, error: &LoadError) -> ConfigurationStatus {
        self.reached.metrics.reloaded(Reloaded::Refused);
        tracing::error!(%error, "configuration refused, the last good one stays in force");
        ConfigurationStatus {
            error: error.to_string(),
            ..before.clone()
        }
    }
}

/// Paths of the cold keys whose values differ.
fn changed_keys(started: &Cold, now: &Cold) -> Vec<String> {
    let value = |cold| serde_json::to_value(cold).expect("configuration is plain data");
    let (started, now) = (value(started), value(now));
    let keys = now.as_object().into_iter().flatten();
    keys.filter(|(key, value)| started.get(key) != Some(value))
        .map(|(key, _)| format!("cold.{key}"))
        .collect()
}

#[cfg(test)]
mod tests;
