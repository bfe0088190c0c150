//! Deleted text leaves the files, not only the answers.

use crate::support::*;
use nostr_fleet_relay::store::Outcome;
use std::time::Duration;

#[test]
fn after_compaction_a_deleted_text_stands_in_no_file_and_all_else_is_served() {
    let place = Place::new();
    let store = place.open();
    let secret = event(1, NOW, 1, &[&["t", "a-secret-topic"]], "a very secret text");
    let other = event(2, NOW, 1, &[], "an ordinary text");
    submit_all(&store, &[secret.clone(), other.clone()]);
    stored(
        &store,
        &event(1, NOW + 1, 5, &[&["e", &secret.id().to_string()]], ""),
    );
    let dir = place.dir.path();
    assert!(on_disk(dir, "a very secret text"), "the test can see texts");
    assert!(store.status().log_dead_bytes > 0);
    let report = store.compact().unwrap();
    assert_eq!(report.segments, 1);
    assert!(!on_disk(dir, "a very secret text"));
    assert!(!on_disk(dir, "a-secret-topic"));
    assert!(on_disk(dir, "an ordinary text"));
    assert_eq!(store.status().log_dead_bytes, 0);
    assert_eq!(count(&store, &["{}"]), 2);
    assert_eq!(exported(&store).len(), 2);
    assert_eq!(submit(&store, &secret), Outcome::Deleted);
    store.close();
    assert!(!on_disk(dir, "a very secret text"));
}

#[test]
fn a_deleted_text_is_erased_in_time_without_being_asked() {
    let place = Place::new();
    let store = place.open();
    store.set_limits(Some(256 << 20), Duration::from_secs(3600));
    let gone = event(1, NOW, 1, &[], "who vanishes is forgotten");
    stored(&store, &gone);
    stored(
        &store,
        &event(1, NOW + 1, 62, &[&["relay", "ALL_RELAYS"]], ""),
    );
    place.clock.set(NOW + 60);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(
        on_disk(place.dir.path(), "who vanishes is forgotten"),
        "not yet due"
    );
    place.clock.set(NOW + 3600);
    for _ in 0..100 {
        if !on_disk(place.dir.path(), "who vanishes is forgotten") {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the text is still there");
}

#[test]
fn readers_in_the_middle_of_an_answer_survive_a_compaction() {
    let place = Place::new();
    let store = place.open();
    let notes: Vec<_> = (0..200)
        .map(|n| event(1, NOW - n, 1, &[], &format!("note {n}")))
        .collect();
    submit_all(&store, &notes);
    let mut query = store.query(
        filters(&["{}"]),
        std::sync::Arc::new(nostr_fleet_relay::store::SeesAll),
    );
    let mut seen = 0;
    let mut half = |_: &nostr_fleet_relay::store::Row<'_>| {
        seen += 1;
        if seen == 100 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    query.slice(Duration::from_secs(5), &mut half).unwrap();
    let last = notes[150].id().to_string();
    stored(&store, &event(1, NOW, 5, &[&["e", &last]], ""));
    store.compact().unwrap();
    let (rest, _) = run(query, Duration::from_millis(2));
    assert_eq!(
        rest.len(),
        99,
        "all but the deleted one, and not the newer deletion"
    );
}

#[test]
fn replaced_versions_are_compacted_and_do_not_come_back_by_a_rebuild() {
    let place = Place::new();
    let store = place.open();
    for n in 0..30 {
        stored(&store, &event(1, NOW + n, 0, &[], &format!("version {n}.")));
        if n % 10 == 9 {
            store.compact().unwrap();
        }
    }
    assert!(!on_disk(place.dir.path(), "version 3."));
    store.close();
    std::fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
    let store = place.open();
    assert_eq!(store.status().start, "Rebuilt");
    assert_eq!(count(&store, &["{}"]), 1);
    assert_eq!(
        submit(&store, &event(1, NOW + 2, 0, &[], "version 2.")),
        Outcome::Superseded
    );
}
