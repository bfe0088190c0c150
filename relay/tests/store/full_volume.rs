//! A volume that is full: events are answered Full, deletions still work, and by them it heals.
//!
//! Needs root to mount a small tmpfs of its own; `WITHOUT_MOUNT=1` leaves that part out.

use crate::support::*;
use nostr_fleet_relay::store::{Failure, OpenError, Options, Outcome, Store};
use std::{
    io::Write,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// A mounted tmpfs that is unmounted at the end.
struct Volume {
    dir: tempfile::TempDir,
}

impl Volume {
    /// `None` only where `WITHOUT_MOUNT` says that this machine cannot mount.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Some(Self { dir }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let is_allowed = std::env::var_os("WITHOUT_MOUNT").is_some();
        assert!(
            is_allowed,
            "a tmpfs cannot be mounted: run as root, or set WITHOUT_MOUNT=1 to leave this out: {why}"
        );
        // Past libtest, which keeps what passing tests print to itself.
        let _ = writeln!(
            std::io::stderr(),
            "left out: a tmpfs cannot be mounted here: {why}"
        );
        None
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.dir.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

fn fill(store: &Store, text: &str, from: u64) -> (Vec<nostr_fleet_relay::wire::Verified>, bool) {
    let mut kept = Vec::new();
    for n in from..from + 4000 {
        let note = event(1, NOW + n, 1, &[], &format!("{n} {text}"));
        match submit(store, &note) {
            Outcome::Stored(_) => kept.push(note),
            Outcome::Failed(Failure::Full) => return (kept, true),
            other => panic!("{other:?}"),
        }
    }
    (kept, false)
}

fn lives_through_a_full_volume(options: Options) {
    let store = Store::open(options.clone()).unwrap();
    let text = "x".repeat(20_000);
    let (kept, full) = fill(&store, &text, 0);
    assert!(full, "{} events and never full", kept.len());
    assert!(store.status().full);
    assert_eq!(store.failure(), None, "a full volume is no failure");
    println!("full after {} events, {:?}", kept.len(), store.status());

    for note in &kept[..kept.len() / 2] {
        let deletion = event(1, NOW, 5, &[&["e", &note.id().to_string()]], "");
        stored(&store, &deletion);
    }
    // Compaction gives room back segment by segment.
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut more, mut n) = (0, 100_000);
    while more < kept.len() / 4 {
        n += 1;
        match submit(&store, &event(1, NOW + n, 1, &[], &format!("{n} {text}"))) {
            Outcome::Stored(_) => more += 1,
            Outcome::Failed(Failure::Full) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100));
            }
            other => panic!("room for only {more} more: {other:?}, {:?}", store.status()),
        }
    }
    assert!(!store.status().full);
    let there = |events: &[nostr_fleet_relay::wire::Verified]| {
        let ids: Vec<_> = events.iter().map(|event| event.id()).collect();
        store.contains(&ids).unwrap()
    };
    assert!(there(&kept[kept.len() / 2..]).iter().all(|there| *there));
    assert!(there(&kept[..kept.len() / 2]).iter().all(|there| !*there));
    let before = answer(&store, &["{}"]);
    store.close();
    let store = Store::open(options).unwrap();
    assert!(
        answer(&store, &["{}"]) == before,
        "the same after a restart"
    );
}

#[test]
fn a_deletion_in_many_groups_is_taken_by_a_full_volume() {
    let place = Place::new();
    let mut options = place.options();
    options.size = Some(24 << 20);
    options.group_bytes = 64 << 10;
    let store = Store::open(options).unwrap();
    let (kept, full) = fill(&store, &"x".repeat(20_000), 0);
    assert!(full && kept.len() > 100);
    let ids: Vec<String> = kept.iter().map(|note| note.id().to_string()).collect();
    let tags: Vec<[&str; 2]> = ids.iter().map(|id| ["e", id.as_str()]).collect();
    let tags: Vec<&[&str]> = tags.iter().map(|tag| &tag[..]).collect();
    stored(&store, &event(1, NOW, 5, &tags, ""));
    assert_eq!(store.status().events, 1);
}

/// Small events with many tags, whose keys take more room than their text, until the volume is full.
fn fill_with_keys(store: &Store) -> usize {
    let tags: Vec<String> = (0..30).map(|n| format!("tag{n}")).collect();
    let tags: Vec<[&str; 2]> = tags.iter().map(|tag| ["t", tag.as_str()]).collect();
    let tags: Vec<&[&str]> = tags.iter().map(|tag| &tag[..]).collect();
    let mut kept = 0;
    for batch in 0..1000 {
        let notes: Vec<_> = (0..50)
            .map(|n| event(1, NOW + batch * 50 + n, 1, &tags, ""))
            .collect();
        let outcomes = submit_all(store, &notes);
        kept += outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Stored(_)))
            .count();
        if outcomes.contains(&Outcome::Failed(Failure::Full)) {
            return kept;
        }
    }
    panic!("{kept} events and never full");
}

/// As after a power loss: nothing vouches for the view.
fn lose_power(options: &Options) {
    std::fs::remove_file(options.dir.join("CLEAN")).unwrap();
    for file in std::fs::read_dir(&options.runtime_dir).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
}

#[test]
fn on_a_full_volume_the_view_is_made_anew_or_it_is_said_what_to_do() {
    let Some(volume) = Volume::mount(16) else {
        return;
    };
    let runtime = runtime_dir();
    let options = Options::new(volume.data(), runtime.path());
    let store = Store::open(options.clone()).unwrap();
    let kept = fill_with_keys(&store);
    let before = answer(&store, &["{}"]);
    let view = options.dir.join("view");
    let size = std::fs::metadata(view.join("data.mdb")).unwrap().len();
    println!("{kept} events, a view of {size} bytes");
    store.close();

    lose_power(&options);
    let store = Store::open(options.clone()).unwrap();
    assert_eq!(store.status().start, "Rebuilt");
    assert!(answer(&store, &["{}"]) == before);
    store.close();

    lose_power(&options);
    std::fs::remove_dir_all(&view).unwrap();
    let ballast = volume.dir.path().join("ballast");
    let free = rustix::fs::statvfs(volume.dir.path()).unwrap();
    let free = free.f_bavail * free.f_frsize;
    let some = usize::try_from(free - (2 << 20)).unwrap(); // the view's beginning fits, all of it does not
    std::fs::write(&ballast, vec![1; some]).unwrap();
    let refused = Store::open(options.clone()).unwrap_err();
    assert!(matches!(refused, OpenError::NoRoom { .. }), "{refused}");
    let said = refused.to_string();
    assert!(
        said.contains("storage.size") && said.contains("nothing is lost"),
        "{said}"
    );
    let left = |name: &str| options.dir.join(name).exists();
    assert!(!left("view") && !left("rebuild"), "nothing is left behind");

    std::fs::remove_file(ballast).unwrap();
    let store = Store::open(options.clone()).unwrap();
    assert!(answer(&store, &["{}"]) == before);
}

#[test]
fn a_full_file_system_answers_full_and_heals_after_deletions() {
    let Some(volume) = Volume::mount(32) else {
        return;
    };
    let runtime = runtime_dir();
    lives_through_a_full_volume(Options::new(volume.data(), runtime.path()));
}

#[test]
fn a_full_claim_answers_full_and_heals_after_deletions() {
    let place = Place::new();
    let mut options = place.options();
    options.size = Some(24 << 20);
    lives_through_a_full_volume(options);
}
