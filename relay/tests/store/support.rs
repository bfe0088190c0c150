//! What the store's tests share: a store in a directory of its own, events by seed, answers as plain lists.

use nostr_fleet_relay::{
    clock::ManualClock,
    sign::Signer,
    store::{Answers, Options, Outcome, Query, SeesAll, Step, Store, Ticket},
    wire::{Event, EventId, Filter, Verified},
};
use std::{
    ops::ControlFlow,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};
use tempfile::TempDir;

/// The time at which tests begin.
pub const NOW: u64 = 1_700_000_000;

/// A directory with a store's files and its runtime directory, and the clock that the store reads.
pub struct Place {
    pub dir: TempDir,
    pub runtime: TempDir,
    pub clock: Arc<ManualClock>,
}

/// A tmpfs, as a runtime directory must be.
pub fn runtime_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

impl Place {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            runtime: runtime_dir(),
            clock: Arc::new(ManualClock::at(NOW)),
        }
    }

    pub fn options(&self) -> Options {
        let mut options = Options::new(self.dir.path(), self.runtime.path());
        options.clock = self.clock.clone();
        options.size = Some(256 << 20);
        options
    }

    pub fn open(&self) -> Store {
        Store::open(self.options()).unwrap()
    }

    /// The next start finds no run token, as after a reboot.
    pub fn forget_run(&self) {
        for file in std::fs::read_dir(self.runtime.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

struct Inbox(mpsc::Sender<(u64, Outcome)>);

impl Answers for Inbox {
    fn answer(&self, outcomes: &[(u64, Outcome)]) {
        for outcome in outcomes {
            self.0.send(*outcome).unwrap();
        }
    }
}

pub fn verified(json: &str) -> Verified {
    Verified::check(Event::read(json).unwrap()).unwrap()
}

/// An event by the author of this seed.
pub fn event(seed: u64, at: u64, kind: u16, tags: &[&[&str]], content: &str) -> Verified {
    verified(&Signer::from_seed(seed).event(at, kind, tags, content))
}

pub fn key(seed: u64) -> String {
    Signer::from_seed(seed).public_key().to_string()
}

/// Submits as one batch; the outcomes in the order of the events.
pub fn submit_all(store: &Store, events: &[Verified]) -> Vec<Outcome> {
    submit_with(store, events, |event| {
        event.kind() == 62
            && event
                .tags()
                .iter()
                .any(|tag| tag.value() == Some("ALL_RELAYS"))
    })
}

pub fn submit_with(
    store: &Store,
    events: &[Verified],
    vanish: impl Fn(&Verified) -> bool,
) -> Vec<Outcome> {
    let (send, receive) = mpsc::channel();
    let to: Arc<dyn Answers> = Arc::new(Inbox(send));
    let tickets = events.iter().enumerate().map(|(token, event)| Ticket {
        vanish: vanish(event),
        event: event.clone(),
        token: token as u64,
        to: to.clone(),
    });
    store.submit(tickets.collect());
    let mut outcomes: Vec<(u64, Outcome)> = events
        .iter()
        .map(|_| receive.recv_timeout(Duration::from_secs(60)).unwrap())
        .collect();
    outcomes.sort_by_key(|(token, _)| *token);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

pub fn submit(store: &Store, event: &Verified) -> Outcome {
    submit_all(store, std::slice::from_ref(event))[0]
}

#[track_caller]
pub fn stored(store: &Store, event: &Verified) {
    let outcome = submit(store, event);
    assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
}

pub fn filters(texts: &[&str]) -> Arc<[Filter]> {
    texts
        .iter()
        .map(|text| Filter::read(text).unwrap())
        .collect()
}

/// Runs a query to its end: the texts of its rows, and whether a limit cut it.
pub fn run(mut query: Query, budget: Duration) -> (Vec<String>, bool) {
    let mut texts = Vec::new();
    loop {
        let step = query.slice(budget, &mut |row| {
            texts.push(String::from_utf8(row.text().to_vec()).unwrap());
            ControlFlow::Continue(())
        });
        if let Step::Done { cut } = step.unwrap() {
            return (texts, cut);
        }
    }
}

pub fn answer(store: &Store, texts: &[&str]) -> Vec<String> {
    run(
        store.query(filters(texts), Arc::new(SeesAll)),
        Duration::from_millis(2),
    )
    .0
}

/// The ids that filters find, in the order of the answer.
pub fn ids(store: &Store, texts: &[&str]) -> Vec<EventId> {
    answer(store, texts)
        .iter()
        .map(|text| Event::read(text).unwrap().id())
        .collect()
}

pub fn count(store: &Store, texts: &[&str]) -> u64 {
    let mut counting = store.count(filters(texts), Arc::new(SeesAll));
    loop {
        if let Some(count) = counting.slice(Duration::from_millis(2)).unwrap() {
            return count;
        }
    }
}

pub fn exported(store: &Store) -> Vec<String> {
    let all = store.export(nostr_fleet_relay::store::Committed::NONE);
    all.map(|item| String::from_utf8(item.unwrap().1).unwrap())
        .collect()
}

/// Does any file under `dir` hold these bytes?
pub fn on_disk(dir: &Path, needle: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|file| {
        let path = file.unwrap().path();
        if path.is_dir() {
            return on_disk(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

/// The files of the log, in order.
pub fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    files.sort();
    files
}

/// Changes bytes of a file where `needle` stands; in place, as a store may have it mapped.
pub fn change(path: &Path, needle: &str, change: impl FnOnce(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle.as_bytes())
        .unwrap();
    change(&mut bytes[at..]);
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
}
