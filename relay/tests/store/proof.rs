//! When the view is believed: after a clean close, or when only the process died and it is still the same file.

use crate::support::*;
use nostr_fleet_relay::store::{Options, Store};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

fn write_notes(store: &Store) {
    let notes: Vec<_> = (0..30)
        .map(|n| event(1, NOW + n, 1, &[], &format!("note number {n}.")))
        .collect();
    submit_all(store, &notes);
}

/// The run token in `runtime`.
fn token(runtime: &Path) -> PathBuf {
    let mut files = fs::read_dir(runtime).unwrap();
    files.next().expect("a run token").unwrap().path()
}

/// Closes the store and makes it look as if its process had died instead: no CLEAN, the token still there.
fn die(store: Store, place: &Place) {
    let token = token(place.runtime.path());
    let text = fs::read(&token).unwrap();
    store.close();
    fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    fs::write(token, text).unwrap();
}

#[test]
fn after_a_death_of_the_process_alone_the_view_is_kept() {
    let place = Place::new();
    let store = place.open();
    write_notes(&store);
    die(store, &place);
    let store = place.open();
    assert_eq!(store.status().start, "Replayed");
    assert_eq!(count(&store, &["{}"]), 30);
}

#[test]
fn a_token_of_another_run_proves_nothing() {
    let place = Place::new();
    let store = place.open();
    write_notes(&store);
    die(store, &place);
    let token = token(place.runtime.path());
    let text = fs::read_to_string(&token).unwrap();
    fs::write(token, text.replacen(|c: char| c.is_ascii_digit(), "x", 1)).unwrap();
    let store = place.open();
    assert_eq!(store.status().start, "Rebuilt");
    assert_eq!(count(&store, &["{}"]), 30);
}

#[test]
fn a_copy_of_a_running_store_does_not_believe_the_token_of_the_original() {
    let place = Place::new();
    let store = place.open();
    write_notes(&store);
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(place.dir.path())
        .arg(copy.path().join("data"))
        .status();
    assert!(copied.unwrap().success());
    let options = Options {
        dir: copy.path().join("data"),
        ..place.options()
    };
    let second = Store::open(options).unwrap();
    assert_eq!(second.status().start, "Rebuilt", "it is another file");
    assert_eq!(answer(&second, &["{}"]), answer(&store, &["{}"]));
}

/// A directory that is on no tmpfs; `None` where there is none.
fn on_a_disk() -> Option<tempfile::TempDir> {
    const TMPFS: i64 = 0x0102_1994;
    let is_disk = |dir: &&str| rustix::fs::statfs(*dir).is_ok_and(|fs| fs.f_type != TMPFS);
    let candidates = [env!("CARGO_TARGET_TMPDIR"), "/var/tmp"];
    let Some(dir) = candidates.into_iter().find(is_disk) else {
        // Past libtest, which keeps what passing tests print to itself.
        let _ = writeln!(
            std::io::stderr(),
            "left out: {candidates:?} are all on a tmpfs: no runtime directory on a disk"
        );
        return None;
    };
    Some(tempfile::tempdir_in(dir).unwrap())
}

#[test]
fn a_runtime_directory_on_a_disk_proves_nothing_but_a_clean_close_does() {
    let Some(disk) = on_a_disk() else {
        return;
    };
    let place = Place::new();
    let options = Options {
        runtime_dir: disk.path().to_owned(),
        ..place.options()
    };
    let store = Store::open(options.clone()).unwrap();
    write_notes(&store);
    let id = store.status().store_id;
    store.close();
    let clean = place.dir.path().join("CLEAN");
    fs::remove_file(&clean).unwrap();
    let token = disk.path().join(format!("nostr-fleet-{id}.run"));
    fs::copy(place.dir.path().join("DIRTY"), &token).unwrap();
    let store = Store::open(options.clone()).unwrap();
    assert_eq!(
        store.status().start,
        "Rebuilt",
        "a power loss would leave that too"
    );
    assert_eq!(count(&store, &["{}"]), 30);
    store.close();
    let store = Store::open(options).unwrap();
    assert_eq!(store.status().start, "Clean");
}
