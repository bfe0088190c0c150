//! Damaged segments that were set aside: they count, and their text does not outlive `eraseWithin`.

use crate::support::*;
use nostr_fleet_relay::{
    store::{Store, quarantine},
    wire::Verified,
};
use std::{fs, path::Path, time::Duration};

fn notes() -> Vec<Verified> {
    (0..20)
        .map(|n| event(1, NOW + n, 1, &[], &format!("note number {n}.")))
        .collect()
}

/// Writes notes one by one, lets one of them be deleted, and flips a bit in another; the number of the damaged one is 8.
fn damaged() -> Place {
    let place = Place::new();
    let store = place.open();
    for note in notes() {
        stored(&store, &note);
    }
    let third = notes()[3].id().to_string();
    stored(&store, &event(1, NOW, 5, &[&["e", &third]], ""));
    store.close();
    fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    change(&segments(place.dir.path())[0], "note number 7.", |bytes| {
        bytes[3] ^= 1;
    });
    place
}

fn is_erased(place: &Place, store: &Store) -> bool {
    let left = store.status().quarantined[0].erase_at;
    assert_eq!(
        left.is_none(),
        fs::read_dir(place.dir.path().join("quarantine"))
            .unwrap()
            .all(|file| file.unwrap().path().extension().unwrap() == "json"),
        "the status says what the directory holds"
    );
    left.is_none()
}

fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..100 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not within 10 s");
}

#[test]
fn a_segment_set_aside_counts_as_used_and_is_erased_in_time_and_its_note_stays() {
    let place = damaged();
    let size = fs::metadata(&segments(place.dir.path())[0]).unwrap().len();
    let store = place.open();
    store.set_limits(Some(256 << 20), Duration::from_secs(4000));
    let status = store.status();
    let note = &status.quarantined[0];
    assert_eq!((note.set_aside_at, note.erase_at), (NOW, Some(NOW + 3000)));
    assert!(on_disk(
        &place.dir.path().join("quarantine"),
        "note number 3."
    ));
    place.clock.set(NOW + 2999);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!is_erased(&place, &store), "not yet due");

    place.clock.set(NOW + 3000);
    eventually("the damaged file is erased", || is_erased(&place, &store));
    let after = store.status();
    assert_eq!(after.quarantined[0].lost, [(8, 8)], "the note stays");
    assert!(
        after.used_bytes + size <= status.used_bytes,
        "it no longer counts: {} of {}",
        after.used_bytes,
        status.used_bytes
    );
    eventually("the deleted text is nowhere", || {
        !on_disk(place.dir.path(), "note number 3.")
    });
    assert_eq!(count(&store, &["{}"]), 19);
    store.close();
    let store = place.open();
    let note = &store.status().quarantined[0];
    assert_eq!((note.lost[0], note.erase_at), ((8, 8), None));
}

#[test]
fn compaction_by_hand_erases_what_was_set_aside_at_once() {
    let place = damaged();
    let store = place.open();
    assert!(!is_erased(&place, &store));
    let report = store.compact().unwrap();
    assert!(is_erased(&place, &store));
    assert!(report.freed_bytes > 0);
    assert!(!on_disk(place.dir.path(), "note number 3."));
}

#[test]
fn a_segment_whose_header_is_damaged_loses_nothing_that_can_be_read() {
    let place = Place::new();
    let store = place.open();
    for note in notes() {
        stored(&store, &note);
    }
    let before = answer(&store, &["{}"]);
    store.close();
    let log = &segments(place.dir.path())[0];
    flip(log, 3);
    let store = place.open();
    let status = store.status();
    assert_eq!(status.start, "Rebuilt");
    assert_eq!(status.quarantined[0].lost, []);
    assert_eq!(answer(&store, &["{}"]), before);
    stored(&store, &event(2, NOW, 1, &[], "and it goes on"));
    assert_eq!(store.committed().get(), 21);
}

#[test]
fn a_segment_that_was_renamed_is_refused_and_nothing_is_set_aside() {
    let place = Place::new();
    let store = place.open();
    stored(&store, &notes()[0]);
    store.close();
    let log = &segments(place.dir.path())[0];
    let renamed = log.with_file_name("00000000000000000007.seg");
    fs::rename(log, &renamed).unwrap();
    let refused = Store::open(place.options()).unwrap_err().to_string();
    assert!(refused.contains("its first number is 1"), "{refused}");
    assert!(!place.dir.path().join("quarantine").exists());
    fs::rename(&renamed, log).unwrap();
    assert_eq!(count(&place.open(), &["{}"]), 1);
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_lost_is_acknowledged_while_the_store_is_open_and_stays_so() {
    let place = damaged();
    let store = place.open();
    let used = store.status().used_bytes;
    let dir = place.dir.path();
    let notes = quarantine::acknowledge(dir).unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!(
        (notes[0].numbers().as_str(), notes[0].lost.len()),
        ("8-8", 1)
    );
    let status = store.status();
    assert!(status.quarantined.is_empty(), "{status:?}");
    assert!(status.used_bytes < used, "its bytes count no more");
    assert_eq!(fs::read_dir(dir.join("quarantine")).unwrap().count(), 0);
    assert!(quarantine::acknowledge(dir).unwrap().is_empty());
    store.close();
    let store = place.open();
    assert!(store.status().quarantined.is_empty());
    let left = store.status().events;
    assert_eq!(
        left, 19,
        "20 notes, one deleted, one lost, and the deletion"
    );
    store.close();
}
