//! What decides who is let in, without a relay around it: the reloader of a process, its volume, and the rules in force.

use crate::mount::{Files, Mount};
use nostr_fleet_relay::{
    metrics::Metrics,
    reload::{Live, LoadError, Reached, Reloader, Source},
    telemetry,
};
use relay_config::{
    cold::LogFormat,
    hot::LogLevel,
    names,
    status::{AccessStatus, StoreStatus},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tempfile::TempDir;

pub struct Door {
    pub dir: TempDir,
    pub live: Arc<Live>,
    pub metrics: Arc<Metrics>,
    pub rejudged: Arc<AtomicU32>,
    reloader: Reloader,
}

impl Door {
    /// A process that starts with these files mounted and an empty volume.
    pub fn mounted(files: &Files) -> (Mount, Self) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        let mount = Mount::new(&dir.path().join("config"), files);
        (mount, Self::start(dir).unwrap())
    }

    /// A process that starts in a directory with `config` and `data`.
    pub fn start(dir: TempDir) -> Result<Self, (TempDir, LoadError)> {
        let data = dir.path().join("data");
        let source = Source {
            path: Some(config(dir.path()).join(names::CONFIG_FILE)),
            flags: Box::new(move |config| config.cold.data.clone_from(&data)),
        };
        let loaded = match source.load() {
            Ok(loaded) => loaded,
            Err(error) => return Err((dir, error)),
        };
        let live = Arc::new(Live::new(&loaded));
        let metrics = Arc::new(Metrics::new());
        let rejudged = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&rejudged);
        let reached = Reached {
            metrics: Arc::clone(&metrics),
            level: telemetry::start(LogFormat::Text, LogLevel::Error),
            others: Box::new(|_| {}),
            rejudge: Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            }),
        };
        let reloader = Reloader::new(source, &loaded, Arc::clone(&live), reached);
        Ok(Self {
            dir,
            live,
            metrics,
            rejudged,
            reloader,
        })
    }

    /// The process ends and another one starts on the same files.
    pub fn restart(self) -> Self {
        Self::start(self.dir).map_err(|(_, error)| error).unwrap()
    }

    /// Two looks: a plain file counts when it has stood still.
    pub fn look(&mut self) {
        self.reloader.look();
        self.reloader.look();
    }

    pub fn config(&self) -> PathBuf {
        config(self.dir.path())
    }

    /// The generation in force; empty while nobody is served.
    pub fn generation(&self) -> String {
        self.live.access.rules.load().generation().to_owned()
    }

    pub fn status(&self) -> AccessStatus {
        self.live.access.status.load().as_ref().clone()
    }

    pub fn error(&self) -> String {
        self.status().error
    }

    pub fn metrics(&self) -> String {
        self.metrics.render(&StoreStatus::default())
    }
}

fn config(dir: &Path) -> PathBuf {
    dir.join("config")
}
