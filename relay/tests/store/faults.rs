//! Damage, other processes, failing disks: what the store does about them.

use crate::support::*;
use nostr_fleet_relay::store::{Failure, OpenError, Outcome, Store};
use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

fn notes(numbers: std::ops::Range<u64>) -> Vec<nostr_fleet_relay::wire::Verified> {
    numbers
        .map(|n| event(1, NOW + n, 1, &[], &format!("note number {n}.")))
        .collect()
}

#[test]
fn without_the_run_token_the_view_is_rebuilt_and_the_answers_are_the_same() {
    let place = Place::new();
    let store = place.open();
    submit_all(&store, &notes(0..30));
    let deletion = [event(
        1,
        NOW,
        5,
        &[&["e", &notes(3..4)[0].id().to_string()]],
        "",
    )];
    submit_all(&store, &deletion);
    let before = (answer(&store, &["{}"]), store.status());
    store.close();
    fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    place.forget_run();
    let store = place.open();
    let status = store.status();
    assert_eq!(status.start, "Rebuilt");
    assert_eq!(answer(&store, &["{}"]), before.0);
    assert_eq!(status.events, before.1.events);
    assert_eq!(status.log_live_bytes, before.1.log_live_bytes);
    assert_eq!(status.log_dead_bytes, before.1.log_dead_bytes);
    assert_eq!(status.committed, before.1.committed);
}

#[test]
fn a_torn_tail_is_cut_and_the_log_goes_on_behind_it() {
    let place = Place::new();
    let store = place.open();
    submit_all(&store, &notes(0..10));
    submit_all(&store, &notes(10..13));
    store.close();
    fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    let log = &segments(place.dir.path())[0];
    change(log, "note number 11.", |bytes| bytes[..4096].fill(0));
    let store = place.open();
    assert_eq!(store.committed().get(), 10, "the whole torn group is gone");
    assert!(store.status().quarantined.is_empty());
    assert_eq!(count(&store, &["{}"]), 10);
    submit_all(&store, &notes(10..20));
    store.close();
    let store = place.open();
    assert_eq!(count(&store, &["{}"]), 20);
}

#[test]
fn a_flipped_bit_is_found_the_segment_set_aside_and_the_rest_served() {
    let place = Place::new();
    let store = place.open();
    for note in notes(0..20) {
        stored(&store, &note);
    }
    store.close();
    fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    let log = &segments(place.dir.path())[0];
    change(log, "note number 7.", |bytes| bytes[3] ^= 1);
    let store = place.open();
    let quarantined = store.status().quarantined;
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].lost, [(8, 8)]);
    assert!(place.dir.path().join(&quarantined[0].file).exists());
    assert_eq!(count(&store, &["{}"]), 19);
    assert_eq!(store.contains(&[notes(7..8)[0].id()]).unwrap(), [false]);
    stored(&store, &notes(7..8)[0]);
    assert_eq!(store.committed().get(), 21, "numbers are not given twice");
    store.close();
    let store = place.open();
    assert_eq!(store.status().quarantined, quarantined, "the note stays");
    assert_eq!(count(&store, &["{}"]), 20);
}

#[test]
fn an_old_version_does_not_come_back_because_the_entry_that_replaced_it_was_lost() {
    let place = Place::new();
    let store = place.open();
    for n in 0..3 {
        stored(
            &store,
            &event(1, NOW + n, 0, &[], &format!("profile number {n}.")),
        );
    }
    store.close();
    fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    let log = &segments(place.dir.path())[0];
    change(log, "profile number 1.", |bytes| bytes[3] ^= 1);
    let store = place.open();
    assert_eq!(store.status().quarantined[0].lost, [(2, 2)]);
    let newest = event(1, NOW + 2, 0, &[], "profile number 2.");
    submit(&store, &newest);
    assert_eq!(ids(&store, &["{}"]), [newest.id()]);
    let older = event(1, NOW + 1, 0, &[], "another profile of that time.");
    assert_eq!(
        submit(&store, &older),
        Outcome::Superseded,
        "what was removed did not take the newest one's address along"
    );
}

#[test]
fn the_scrub_finds_a_flipped_bit_while_the_store_runs() {
    let place = Place::new();
    let store = place.open();
    for note in notes(0..20) {
        stored(&store, &note);
    }
    let doomed = notes(4..5)[0].id();
    stored(
        &store,
        &event(1, NOW, 5, &[&["e", &doomed.to_string()]], ""),
    );
    store.compact().unwrap();
    let log = &segments(place.dir.path())[0];
    change(log, "note number 7.", |bytes| bytes[3] ^= 1);
    for _ in 0..200 {
        // The note comes first: the mended segment takes its place a moment later.
        if !store.status().quarantined.is_empty() && count(&store, &["{}"]) == 19 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(store.status().quarantined[0].lost, [(8, 8)]);
    assert_eq!(count(&store, &["{}"]), 19);
    stored(&store, &notes(7..8)[0]);
    store.close();
    let store = place.open();
    assert_eq!(
        store.status().start,
        "Rebuilt",
        "the view forgets what was lost"
    );
    assert_eq!(count(&store, &["{}"]), 20);
}

#[test]
fn a_log_that_lost_its_newest_segment_makes_the_view_anew() {
    let place = Place::new();
    let store = place.open();
    submit_all(&store, &notes(0..5));
    store.close();
    fs::remove_file(&segments(place.dir.path())[0]).unwrap();
    let store = place.open();
    assert_eq!(count(&store, &["{}"]), 0);
    submit_all(&store, &notes(0..5));
    assert_eq!(count(&store, &["{}"]), 5);
}

#[test]
fn a_second_opener_is_refused_and_told_who_has_the_store() {
    let place = Place::new();
    let store = place.open();
    let refused = Store::open(place.options()).unwrap_err();
    let OpenError::Locked { holder, .. } = &refused else {
        panic!("{refused}");
    };
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    drop(store);
    place.open();
}

#[test]
fn a_format_from_the_future_is_refused_and_nothing_is_touched() {
    let place = Place::new();
    place.open().close();
    let path = place.dir.path().join("FORMAT");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"format\":1", "\"format\":2")).unwrap();
    let refused = Store::open(place.options()).unwrap_err();
    assert!(
        matches!(refused, OpenError::Newer { format: 2, .. }),
        "{refused}"
    );
    fs::write(&path, text).unwrap();
    assert_eq!(place.open().status().start, "Empty");
}

#[test]
fn a_log_without_its_format_is_refused_and_nothing_is_set_aside() {
    let place = Place::new();
    let store = place.open();
    stored(&store, &event(1, NOW, 1, &[], "kept"));
    store.close();
    let path = place.dir.path().join("FORMAT");
    let text = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let refused = Store::open(place.options()).unwrap_err().to_string();
    assert!(refused.contains("FORMAT"), "{refused}");
    assert!(!place.dir.path().join("quarantine").exists());
    let foreign = br#"{"format":1,"storeId":"000000000000000000000000000000aa"}"#;
    fs::write(&path, foreign).unwrap();
    let refused = Store::open(place.options()).unwrap_err();
    assert!(!place.dir.path().join("quarantine").exists(), "{refused}");
    fs::write(&path, text).unwrap();
    assert_eq!(count(&place.open(), &["{}"]), 1);
}

#[test]
fn numbers_of_an_unreadable_newest_segment_are_not_given_twice() {
    let place = Place::new();
    let store = place.open();
    for note in notes(0..5) {
        stored(&store, &note);
    }
    store.close();
    let log = &segments(place.dir.path())[0];
    let mut bytes = fs::read(log).unwrap();
    bytes[9] ^= 1; // the seed of the checksums: no frame can be told from noise
    fs::write(log, bytes).unwrap();
    let store = place.open();
    let lost = store.status().quarantined[0].lost[0];
    assert!(lost.0 == 1 && lost.1 >= 5, "{lost:?}");
    stored(&store, &event(1, NOW, 1, &[], "after the loss"));
    assert!(store.committed().get() > lost.1);
}

#[test]
fn a_failed_sync_answers_an_error_and_loses_nothing_that_was_answered_ok() {
    for allowed in [1, 3, 8] {
        let place = Place::new();
        let mut options = place.options();
        let syncs = Arc::new(AtomicUsize::new(0));
        options.faults.sync = Some(Arc::new({
            let syncs = syncs.clone();
            move || {
                let allowed = syncs.fetch_add(1, Ordering::SeqCst) < allowed;
                allowed
                    .then_some(())
                    .ok_or_else(|| io::Error::other("the disk is gone"))
            }
        }));
        let store = Store::open(options).unwrap();
        let mut promised = Vec::new();
        let mut failed = 0;
        for note in notes(0..12) {
            match submit(&store, &note) {
                Outcome::Stored(_) => promised.push(note.id()),
                Outcome::Failed(Failure::Broken) => failed += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(promised.len(), allowed);
        assert_eq!(failed, 12 - allowed);
        assert!(store.failure().is_some(), "not ready, and the process ends");
        assert_eq!(
            syncs.load(Ordering::SeqCst),
            allowed + 1,
            "never tried again"
        );
        store.close();
        assert!(!place.dir.path().join("CLEAN").exists());
        for reboot in [false, true] {
            if reboot {
                place.forget_run();
                let _ = fs::remove_file(place.dir.path().join("CLEAN"));
            }
            let store = place.open();
            assert_eq!(store.failure(), None);
            let stored = store.contains(&promised).unwrap();
            assert!(stored.iter().all(|stored| *stored), "{stored:?}");
        }
    }
}

#[test]
fn a_failed_append_answers_an_error_and_the_next_start_serves() {
    let place = Place::new();
    let mut options = place.options();
    options.faults.append = Some(Arc::new(|| Err(io::Error::other("the disk is gone"))));
    let store = Store::open(options).unwrap();
    let note = notes(0..1).remove(0);
    assert_eq!(submit(&store, &note), Outcome::Failed(Failure::Broken));
    assert_eq!(submit(&store, &note), Outcome::Failed(Failure::Broken));
    store.close();
    let store = place.open();
    stored(&store, &note);
}

#[test]
fn what_is_submitted_after_the_close_is_answered_too() {
    let place = Place::new();
    let store = place.open();
    store.clone().close();
    assert_eq!(
        submit(&store, &notes(0..1)[0]),
        Outcome::Failed(Failure::Broken)
    );
    assert_eq!(count(&store, &["{}"]), 0);
}
