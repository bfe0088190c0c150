//! The start: whose store this is, what the log holds, whether the view may be trusted, and what is done about it.
//!
//! *inventory* looks at the log first. The view is opened only when it is proved whole; otherwise its files are deleted
//! unopened and it is made anew from the log.

use super::{
    apply::{self, Frames},
    effect::Reason,
    error::OpenError,
    inventory::{Finder, Inventory},
    lock::Lock,
    log::{self, Log, Segments},
    options::{Options, Phase},
    proof::{Format, Proof, Trust},
    quarantine::Ward,
    rebuild::Rebuild,
    shared::{Doomed, Found, Removing, Shared},
    space::{Purpose, Space},
    view::{self, View},
};
use std::{fs, path::Path, sync::Arc};

/// Entries that a replay applies in one transaction.
const REPLAY: u64 = 4096;

/// An open store before its threads run.
pub(super) struct Opened {
    /// What everyone shares.
    pub shared: Shared,
    /// The writer's end of the log.
    pub log: Log,
    /// Does the proof already name this run?
    pub is_dirty: bool,
    /// What the writer should remove first.
    pub stale: Option<Removing>,
}

/// The view, and how it came about.
struct Viewed {
    view: View,
    start: &'static str,
    stale: Vec<u64>,
}

/// Opens a store.
pub(super) fn open(options: &Options) -> Result<Opened, OpenError> {
    options.progress.set(Phase::Opening, 0);
    let dir = &options.dir;
    let (log_dir, view_dir) = (dir.join("log"), dir.join("view"));
    fs::create_dir_all(&log_dir).map_err(OpenError::io(dir.display().to_string()))?;
    let lock = Lock::take(dir)?;
    let format = Format::read_or_make(dir)?;
    let token = Proof::token(&options.runtime_dir, &format.store_id);
    let proof = Proof::new(dir, view::data_file(&view_dir), token);
    let (space, ward) = (Space::new(dir, options.size), Ward::of(dir));
    let finder = Finder {
        dir: &log_dir,
        store: format.store(),
        space: &space,
        proof: &proof,
        ward: &ward,
        now: options.clock.now(),
    };
    let problem = || OpenError::io(format!("the log in {}", log_dir.display()));
    let mut inventory = finder.find().map_err(problem())?;
    let starting = Starting {
        options,
        view_dir: &view_dir,
        finder: &finder,
    };
    let viewed = starting.view(&mut inventory)?;
    let is_dirty = proof.trust() != Trust::Clean;
    let segments = Arc::new(Segments::new(inventory.segments));
    let committed = inventory.position.next - 1;
    let log = Log::new(
        &log_dir,
        Arc::clone(&segments),
        inventory.position,
        options.faults.clone(),
    );
    options.progress.set(Phase::Open, 100);
    let found = Found {
        view: viewed.view,
        start: viewed.start,
        segments,
        committed,
        space,
        proof,
        ward,
        store_id: format.store_id,
        lock,
    };
    let shared = Shared::new(options, found);
    Ok(Opened {
        shared,
        log,
        is_dirty,
        stale: removing(viewed.stale),
    })
}

fn removing(stale: Vec<u64>) -> Option<Removing> {
    (!stale.is_empty()).then_some(Removing {
        what: Doomed::Numbers(stale),
        reason: Reason::Replaced,
        reply: None,
    })
}

struct Starting<'a> {
    options: &'a Options,
    view_dir: &'a Path,
    finder: &'a Finder<'a>,
}

impl Starting<'_> {
    /// Opens the view and replays what it lacks, or makes it anew.
    fn view(&self, found: &mut Inventory) -> Result<Viewed, OpenError> {
        let trust = self.finder.proof.trust();
        let is_there = view::data_file(self.view_dir).exists();
        if !found.is_damaged && is_there && trust != Trust::None {
            let view = View::open(self.view_dir, 0).map_err(OpenError::view("the view"))?;
            if let Some(start) = self.catch_up(&view, found, trust)? {
                return Ok(Viewed {
                    view,
                    start,
                    stale: Vec::new(),
                });
            }
        }
        self.make_anew(found)
    }

    fn make_anew(&self, found: &mut Inventory) -> Result<Viewed, OpenError> {
        let Finder {
            proof, space, ward, ..
        } = self.finder;
        let last = found.position.next - 1;
        let problem = OpenError::io("a damaged segment could not be set aside");
        self.finder
            .check_all(&mut found.segments)
            .map_err(problem)?;
        proof.revoke().map_err(OpenError::io("CLEAN, DIRTY"))?;
        let rebuilt = Rebuild {
            dir: &self.options.dir,
            view_dir: self.view_dir,
            segments: &found.segments,
            last,
            space,
            used: log::bytes(&found.segments) + ward.bytes(),
            progress: &self.options.progress,
        }
        .run()?;
        proof.rebuilt().map_err(OpenError::io("REBUILD"))?;
        proof.mark_dirty().map_err(OpenError::io("DIRTY"))?;
        Ok(Viewed {
            view: rebuilt.view,
            start: if last == 0 { "Empty" } else { "Rebuilt" },
            stale: rebuilt.stale,
        })
    }

    /// Applies the log's tail. `None`: the view is ahead of the log and must be made anew.
    fn catch_up(
        &self,
        view: &View,
        found: &Inventory,
        trust: Trust,
    ) -> Result<Option<&'static str>, OpenError> {
        let error = |error| OpenError::view("the replay of the log")(error);
        let last = found.position.next - 1;
        let mut applied = view
            .read()
            .and_then(|txn| view.applied(&txn))
            .map_err(error)?;
        if applied > last {
            return Ok(None);
        }
        if applied == last && trust == Trust::Clean {
            return Ok(Some(if last == 0 { "Empty" } else { "Clean" }));
        }
        if trust == Trust::Clean {
            let proof = self.finder.proof;
            proof.mark_dirty().map_err(OpenError::io("DIRTY"))?;
        }
        let frames = Frames {
            segments: &found.segments,
            group: None,
            active: found.position.active.identity.first,
        };
        while applied < last {
            let upto = last.min(applied + REPLAY);
            match apply::replay(view, &frames, applied + 1..=upto) {
                Ok(upto) => applied = upto,
                Err(error) if view::is_full(&error) => self.grow(view, found)?,
                Err(other) => return Err(error(other)),
            }
        }
        Ok(Some("Replayed"))
    }

    fn grow(&self, view: &View, found: &Inventory) -> Result<(), OpenError> {
        let size = view.size() as u64;
        let used = log::bytes(&found.segments) + self.finder.ward.bytes() + size;
        let next = self
            .finder
            .space
            .next_view_size(size, used, Purpose::Removal);
        let next = next.ok().flatten().ok_or_else(|| OpenError::NoRoom {
            dir: self.options.dir.clone(),
            need: size / 8,
        })?;
        view.grow(next as usize)
            .map_err(OpenError::view("the view could not grow"))
    }
}
