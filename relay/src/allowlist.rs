//! Who gets in: terms and lists, from the files to [`Rules`], whole or not at all.
//!
//! - `shards`: the eight files beside the configuration
//! - `kept`: the last whole terms and lists, in the volume
//!
//! A mount swaps at once, and yet the objects behind it change one after the other. So terms and lists are taken only when
//! configuration and shards are of one generation and its hash computes; until then the last good ones stay in force, in this
//! process and, from the volume, in the next one that serves the same resource. A configuration without a generation is whole
//! by itself. When nothing good was ever known, or the configuration says so, nobody is served. Nothing here opens a door
//! because something is missing.

mod kept;
mod shards;

pub use kept::{Kept, KeptError};
pub use shards::{ShardError, paths, read};

use crate::{
    metrics::{Metrics, Reloaded},
    policy::lists::Rules,
};
use arc_swap::ArcSwap;
use relay_config::{Hot, Lists, status::AccessStatus};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// After the volume could not keep the lists, it is asked again this much later.
const RETRY: Duration = Duration::from_secs(10);

/// What is in force, as everybody else sees it.
#[derive(Debug)]
pub struct InForce {
    /// Who gets in. One snapshot of this is taken per judgement.
    pub rules: Arc<ArcSwap<Rules>>,
    /// What `/status` says about it.
    pub status: ArcSwap<AccessStatus>,
}

impl Default for InForce {
    /// Nobody is served before the first lists.
    fn default() -> Self {
        Self {
            rules: Arc::new(ArcSwap::from_pointee(Rules::shut())),
            status: ArcSwap::default(),
        }
    }
}

/// What stood in the files at one look.
#[derive(Debug)]
pub struct Found {
    /// Which generation the configuration names; empty when its lists stand in itself.
    wanted: String,
    /// For which resource it is written.
    resource: Option<String>,
    /// It says that there never was a good list.
    knows_nobody: bool,
    lists: Result<Lists, ShardError>,
    /// When the reading began.
    begun: Instant,
}

impl Found {
    /// Reads what a configuration and the shards beside it say. Blocks.
    pub fn read(config: Option<&Path>, hot: &Hot) -> Self {
        let begun = Instant::now();
        Self {
            wanted: hot.access.generation.clone().unwrap_or_default(),
            resource: hot.access.resource_uid.clone(),
            knows_nobody: hot.access.knows_nobody(),
            lists: read(config, hot),
            begun,
        }
    }

    /// Is it all of one generation?
    pub fn is_whole(&self) -> bool {
        self.lists.is_ok()
    }
}

/// What was found and is not in force.
#[derive(Debug, Default)]
struct Refused {
    generation: String,
    error: String,
}

/// What the volume does not hold yet.
#[derive(Debug)]
struct Unkept {
    lists: Lists,
    resource: Option<String>,
    /// When it is asked again.
    due: Instant,
}

/// Brings terms and lists in force.
#[derive(Debug)]
pub struct Allowlist {
    in_force: Arc<InForce>,
    metrics: Arc<Metrics>,
    kept: Kept,
    unkept: Option<Unkept>,
    /// Why the volume does not hold what is in force; empty when it does.
    volume_error: String,
    refused: Option<Refused>,
}

impl Allowlist {
    /// Before anything is known.
    pub fn new(in_force: Arc<InForce>, metrics: Arc<Metrics>, kept: Kept) -> Self {
        Self {
            in_force,
            metrics,
            kept,
            unkept: None,
            volume_error: String::new(),
            refused: None,
        }
    }

    /// The first reading of the files. When they are not whole, what the volume holds of the same resource is in force, unless
    /// the configuration says that there never was a good list.
    pub fn begin(&mut self, found: Found) {
        if !found.knows_nobody {
            self.remember(&found);
        }
        self.take(found);
        self.settle();
    }

    fn remember(&mut self, found: &Found) {
        match self.kept.load(found.resource.as_deref()) {
            Ok(Some(lists)) if !found.is_whole() => {
                let rules = Rules::new(&lists);
                let (generation, entries) = (rules.generation(), rules.entries());
                tracing::info!(
                    generation,
                    entries,
                    "the allowlist of the last run is in force"
                );
                self.in_force.rules.store(Arc::new(rules));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the allowlist of the last run is not used"),
        }
    }

    /// Swaps what was found, if it is whole and new. Says whether the rules have changed; [`Allowlist::settle`] follows.
    pub fn take(&mut self, found: Found) -> bool {
        let lists = match found.lists {
            Ok(lists) => lists,
            Err(error) => {
                let shut = found.knows_nobody && self.shut();
                self.refuse(found.wanted, &error);
                return shut;
            }
        };
        self.refused = None;
        let generation = lists.generation();
        let changed = generation != self.in_force.rules.load().generation();
        if changed {
            let rules = Rules::new(&lists);
            let entries = rules.entries();
            self.in_force.rules.store(Arc::new(rules));
            let ms = u64::try_from(found.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(generation, entries, ms, "allowlist swapped");
            self.metrics.allowlist(Reloaded::Applied, entries);
            self.tell(
                String::new(),
                "a new allowlist is in force and is being kept in the volume",
            );
        }
        let resource = found.resource;
        let kept = self.kept.holds(&generation, resource.as_deref());
        self.unkept = (!kept).then(|| Unkept {
            lists,
            resource,
            due: Instant::now(),
        });
        changed
    }

    /// Serves nobody from now on. Says whether anybody was served before.
    fn shut(&mut self) -> bool {
        self.unkept = None;
        if self.in_force.rules.load().is_shut() {
            return false;
        }
        self.in_force.rules.store(Arc::new(Rules::shut()));
        true
    }

    /// One line for each generation that is refused, not one for each look.
    fn refuse(&mut self, generation: String, error: &ShardError) {
        let told = |refused: &Refused| refused.generation == generation;
        if !self.refused.as_ref().is_some_and(told) {
            let rules = self.in_force.rules.load();
            if rules.is_shut() {
                tracing::error!(generation, %error, "allowlist refused, and no other is known: nobody is served");
            } else {
                tracing::warn!(generation, %error, "allowlist refused, the last good one stays in force");
            }
            self.metrics.allowlist(Reloaded::Refused, rules.entries());
        }
        let error = error.to_string();
        self.refused = Some(Refused { generation, error });
    }

    /// Keeps in the volume what is in force, then tells of it: what the status confirms outlives this process.
    pub fn settle(&mut self) {
        self.keep();
        let refused = self.refused.as_ref().map(|refused| &refused.error);
        let error = refused.unwrap_or(&self.volume_error).clone();
        let generation = self.in_force.rules.load().generation().to_owned();
        self.tell(generation, &error);
    }

    fn tell(&self, hash: String, error: &str) {
        self.in_force.status.store(Arc::new(AccessStatus {
            hash,
            entries: self.in_force.rules.load().entries(),
            error: error.to_owned(),
        }));
    }

    /// Is it time to ask the volume again?
    pub fn is_due(&self) -> bool {
        let due = |unkept: &Unkept| unkept.due <= Instant::now();
        self.unkept.as_ref().is_some_and(due)
    }

    fn keep(&mut self) {
        if !self.is_due() {
            return;
        }
        let Some(unkept) = self.unkept.take() else {
            return;
        };
        let stored = self.kept.store(&unkept.lists, unkept.resource.as_deref());
        self.volume_error = match stored {
            Ok(()) => String::new(),
            Err(error) => {
                tracing::error!(%error, "the volume does not keep the allowlist: a restart might not know it");
                let due = Instant::now() + RETRY;
                self.unkept = Some(Unkept { due, ..unkept });
                format!("in force, but the volume does not keep it: {error}")
            }
        };
    }
}
