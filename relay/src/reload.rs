//! The configuration file, read at the start and again whenever it changes.
//!
//! A mounted ConfigMap changes by a swap of its `..data` link; a plain file by its time, length or inode ([`crate::mark`]). Both
//! are looked at every [`INTERVAL`]. A changed file is read, laid under the command line's flags and checked; its hot keys swap in
//! one step, its cold keys are named as waiting for a restart. A file that cannot be used changes nothing: the last good
//! one stays in force, and the status says why. All that says who gets in ([`crate::allowlist`]: `access`, `auth`,
//! `addresses` and the lists) swaps by itself, when it is whole. All this happens on a thread of its own: reading 100,000 keys must not hold up a session. Nothing here may end the process.

use crate::{
    allowlist::{self, Allowlist, Found, InForce, Kept},
    mark::{INTERVAL, Mark, Watched},
    metrics::{Metrics, Reloaded},
    telemetry::LevelHandle,
};
use arc_swap::ArcSwap;
use relay_config::{Cold, Config, ConfigError, Hot, hash::sha256_hex, status::ConfigurationStatus};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
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
    /// Cut off, it seems: nothing may open because a text was lost.
    #[error("{path}: empty; write version: 1 for the defaults")]
    Blank {
        /// The file.
        path: String,
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
    if text.trim().is_empty() {
        return Err(LoadError::Blank { path: name() });
    }
    let config = Config::read(&text).map_err(|source| LoadError::Config {
        path: name(),
        source,
    })?;
    let hash = sha256_hex(text.as_bytes());
    Ok(Loaded { config, hash })
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

    /// Who gets in, by a configuration that was loaded from here.
    fn lists(&self, config: &Config) -> Found {
        Found::read(self.path.as_deref(), &config.hot)
    }

    /// The state of the file and of the shards of the allowlist beside it; empty without a file.
    fn marks(&self) -> Vec<Mark> {
        let files = self
            .path
            .iter()
            .flat_map(|path| std::iter::once(path.clone()).chain(allowlist::paths(Some(path))));
        files.map(|file| Mark::of(&file)).collect()
    }
}

/// The configuration in force, as everybody else sees it.
#[derive(Debug)]
pub struct Live {
    /// One snapshot of this is taken per message. Who gets in is not asked of this, but of `access`: the two change apart.
    pub hot: Arc<ArcSwap<Hot>>,
    /// What `/status` says about it.
    pub status: ArcSwap<ConfigurationStatus>,
    /// Who gets in: terms and lists in force.
    pub access: Arc<InForce>,
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
            access: Arc::default(),
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
    /// Judges open sessions anew, after rights may have changed.
    pub rejudge: Box<dyn Fn() + Send>,
}

/// Looks at the file and swaps.
pub struct Reloader {
    source: Source,
    started: Cold,
    live: Arc<Live>,
    reached: Reached,
    allowlist: Allowlist,
    files: Watched,
}

impl Reloader {
    /// Watches what `loaded` was read from, and brings its terms and lists in force, or those of the last run that the data
    /// directory holds. The store of this process must be open. Blocks.
    pub fn new(source: Source, loaded: &Loaded, live: Arc<Live>, reached: Reached) -> Self {
        let marks = source.marks();
        let cold = loaded.config.cold.clone();
        let mut allowlist = Allowlist::new(
            Arc::clone(&live.access),
            Arc::clone(&reached.metrics),
            Kept::in_directory(&cold.data),
        );
        allowlist.begin(source.lists(&loaded.config));
        Self {
            source,
            started: cold,
            live,
            reached,
            allowlist,
            files: Watched::new(marks),
        }
    }

    /// Looks for ever.
    pub fn run(mut self) {
        if self.source.path.is_none() {
            return;
        }
        self.take(); // it may have changed between the first reading and the first mark
        loop {
            thread::sleep(INTERVAL);
            self.look();
        }
    }

    /// One look.
    pub fn look(&mut self) {
        if self.files.look(self.source.marks()) {
            self.take();
        } else if self.allowlist.is_due() {
            self.allowlist.settle();
        }
    }

    fn take(&mut self) {
        match self.source.load() {
            Ok(loaded) => {
                let found = self.source.lists(&loaded.config);
                if found.is_whole() || self.has_stood_still() {
                    self.apply(loaded, found);
                }
            }
            Err(error) => {
                if self.has_stood_still() {
                    self.keep(&error);
                }
            }
        }
    }

    /// Files that changed while they were read are not judged: the next look reads them again.
    fn has_stood_still(&self) -> bool {
        self.source.marks() == self.files.read()
    }

    /// All that says who gets in swaps in one step, if it is whole; the other hot keys whatever becomes of it.
    fn apply(&mut self, loaded: Loaded, found: Found) {
        let before = self.live.status.load();
        let rejudge = self.allowlist.take(found);
        if loaded.hash != before.hash || !before.error.is_empty() {
            self.swap(loaded);
        }
        if rejudge {
            (self.reached.rejudge)();
        }
        self.allowlist.settle();
    }

    fn swap(&self, loaded: Loaded) {
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
        self.live.status.store(Arc::new(ConfigurationStatus {
            hash: loaded.hash,
            error: String::new(),
            waiting_for_restart,
        }));
    }

    fn keep(&self, error: &LoadError) {
        self.reached.metrics.reloaded(Reloaded::Refused);
        tracing::error!(%error, "configuration refused, the last good one stays in force");
        let before = self.live.status.load_full();
        self.live.status.store(Arc::new(ConfigurationStatus {
            error: error.to_string(),
            ..before.as_ref().clone()
        }));
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
