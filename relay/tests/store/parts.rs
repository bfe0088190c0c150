//! Requests that remove more than one group has room for: they are done in parts, others write in between, and in the end
//! they are done as a whole.

use crate::support::*;
use nostr_fleet_relay::{
    store::{Answers, Failure, Outcome, Removal, Store, Ticket},
    wire::Verified,
};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Room for about four of the notes.
const ROOM: usize = 4096;
const NOTES: u64 = 40;

fn narrow(place: &Place) -> Store {
    let mut options = place.options();
    options.group_bytes = ROOM;
    Store::open(options).unwrap()
}

/// Notes of a kilobyte each.
fn notes(tags: &[&[&str]]) -> Vec<Verified> {
    let note = |n| event(1, NOW + n, 1, tags, &format!("{n} {}", "x".repeat(700)));
    (0..NOTES).map(note).collect()
}

fn deletion_of(notes: &[Verified]) -> Verified {
    let ids: Vec<String> = notes.iter().map(|note| note.id().to_string()).collect();
    let tags: Vec<[&str; 2]> = ids.iter().map(|id| ["e", id.as_str()]).collect();
    let tags: Vec<&[&str]> = tags.iter().map(<[&str; 2]>::as_slice).collect();
    event(1, NOW + 100, 5, &tags, "")
}

fn vanishing() -> Verified {
    event(1, NOW + 100, 62, &[&["relay", "ALL_RELAYS"]], "")
}

/// Outcomes in the order in which they were told.
#[derive(Default)]
struct Told(Mutex<Vec<(u64, Outcome)>>);

impl Answers for Told {
    fn answer(&self, outcomes: &[(u64, Outcome)]) {
        self.0.lock().unwrap().extend(outcomes);
    }
}

/// Submits as one batch; the places in it, in the order of the answers.
fn answered(store: &Store, events: &[Verified]) -> Vec<(u64, Outcome)> {
    let told = Arc::new(Told::default());
    let ticket = |(token, event): (usize, &Verified)| Ticket {
        event: event.clone(),
        vanish: event.kind() == 62,
        token: token as u64,
        to: told.clone(),
    };
    store.submit(events.iter().enumerate().map(ticket).collect());
    for _ in 0..600 {
        if told.0.lock().unwrap().len() == events.len() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let told = told.0.lock().unwrap().clone();
    assert_eq!(told.len(), events.len(), "all are answered");
    told
}

/// The same after a start that replays, and one that makes the view anew.
fn lasts(place: &Place, store: Store, expected: &[Verified]) {
    let expected: Vec<_> = expected.iter().map(|event| event.id()).collect();
    let mut store = store;
    for start in ["Clean", "Rebuilt"] {
        assert_eq!(ids(&store, &["{}"]), expected);
        assert_eq!(store.status().events, expected.len() as u64);
        store.close();
        if start == "Rebuilt" {
            std::fs::remove_file(place.dir.path().join("CLEAN")).unwrap();
            place.forget_run();
        }
        store = narrow(place);
        assert_eq!(store.status().start, start);
    }
    assert_eq!(ids(&store, &["{}"]), expected);
}

#[test]
fn others_write_between_the_parts_of_a_deletion_and_it_is_whole_in_the_end() {
    let place = Place::new();
    let store = narrow(&place);
    let notes = notes(&[]);
    submit_all(&store, &notes);
    let request = deletion_of(&notes);
    let others = (0..30).map(|n| event(2, NOW - n, 1, &[], &"y".repeat(700)));
    let first = event(2, NOW + 50, 1, &[], "in the same group");
    let batch = [request.clone(), first.clone()].into_iter();
    let batch: Vec<_> = batch.chain(others).collect();
    let sent: Vec<_> = [first, request]
        .into_iter()
        .chain(batch[2..].to_vec())
        .collect();

    let told = answered(&store, &sent);
    assert!(told.iter().all(|(_, it)| matches!(it, Outcome::Stored(_))));
    let place_of_request = told.iter().position(|(token, _)| *token == 1).unwrap();
    assert!(
        place_of_request > 8,
        "others wait for one part, not for all"
    );

    for note in &notes {
        assert_eq!(submit(&store, note), Outcome::Deleted);
    }
    lasts(&place, store, &batch);
}

#[test]
fn a_key_vanishes_in_parts_though_others_go_on_writing_to_it() {
    let place = Place::new();
    let store = narrow(&place);
    let notes = notes(&[]);
    submit_all(&store, &notes);
    let key = key(1);
    let text = |n: u64| format!("{n} {}", "z".repeat(700));
    let wrap = |n| event(50, NOW + n % 50, 1059, &[&["p", &key]], &text(n));
    let old: Vec<_> = (0..20).map(wrap).collect();
    submit_all(&store, &old);
    let batch: Vec<_> = [vanishing()]
        .into_iter()
        .chain((20..250).map(wrap))
        .collect();

    let told = answered(&store, &batch);
    let vanished = told.iter().position(|(token, _)| *token == 0).unwrap();
    let (before, after) = (&told[..vanished], &told[vanished + 1..]);
    assert!(before.len() > 4, "others come in between");
    assert!(
        before
            .iter()
            .all(|(_, it)| matches!(it, Outcome::Stored(_)))
    );
    assert!(!after.is_empty(), "nobody can keep it from its end");
    assert!(after.iter().all(|(_, it)| *it == Outcome::Vanished));
    for event in old.iter().chain(&notes) {
        assert_eq!(submit(&store, event), Outcome::Vanished);
    }
    lasts(&place, store, &batch[..1]);
}

#[test]
fn what_expires_at_once_is_swept_in_parts() {
    let place = Place::new();
    let store = narrow(&place);
    let at = (NOW + 1000).to_string();
    let stays = event(2, NOW, 1, &[], "stays");
    submit_all(&store, &notes(&[&["expiration", &at]]));
    stored(&store, &stays);
    place.clock.set(NOW + 1000);
    let before = store.committed().get();
    store.sweep().unwrap();
    assert!(store.committed().get() > before + 8, "in many entries");
    lasts(&place, store, &[stays]);
}

#[test]
fn what_an_operator_removes_in_parts_is_counted_as_one_and_stays_away() {
    let place = Place::new();
    let store = narrow(&place);
    let notes = notes(&[]);
    submit_all(&store, &notes);
    let strangers = [event(3, NOW, 1, &[], "never seen")];
    let all = notes.iter().chain(&strangers);
    let ids = all.clone().map(|event| event.id()).collect();
    let before = store.committed().get();
    assert_eq!(store.remove(ids, Removal::Ordered).unwrap(), NOTES);
    assert!(store.committed().get() > before + 8, "in many entries");
    for note in all {
        assert_eq!(submit(&store, note), Outcome::Deleted);
    }
    lasts(&place, store, &[]);
}

#[test]
fn a_deletion_that_failed_in_its_middle_is_made_whole_by_sending_it_again() {
    let place = Place::new();
    let notes = notes(&[]);
    let other = event(2, NOW, 1, &[], "other");
    let store = narrow(&place);
    submit_all(&store, &notes);
    stored(&store, &other);
    store.close();

    let groups = Arc::new(AtomicUsize::new(0));
    let mut options = place.options();
    options.group_bytes = ROOM;
    options.faults.append = Some(Arc::new(move || {
        match groups.fetch_add(1, Ordering::Relaxed) {
            0..4 => Ok(()),
            _ => Err(io::Error::other("the disk is gone")),
        }
    }));
    let store = Store::open(options).unwrap();
    let request = deletion_of(&notes);
    assert_eq!(
        submit(&store, &request),
        Outcome::Failed(Failure::Broken),
        "never OK before the last part"
    );
    drop(store);

    let store = narrow(&place);
    let left = count(&store, &["{}"]);
    assert!((2..NOTES).contains(&left), "{left}: some parts were done");
    assert_eq!(store.contains(&[request.id()]).unwrap(), [false]);
    stored(&store, &request);
    lasts(&place, store, &[request, other]);
}

#[test]
fn who_closes_the_store_does_not_wait_for_the_end_of_a_deletion() {
    let place = Place::new();
    let store = narrow(&place);
    let notes = notes(&[]);
    submit_all(&store, &notes);
    let request = deletion_of(&notes);
    let told = Arc::new(Told::default());
    store.submit(vec![Ticket {
        event: request.clone(),
        vanish: false,
        token: 0,
        to: told.clone(),
    }]);
    store.close();
    let answer = told.0.lock().unwrap().clone();
    assert_eq!(answer, [(0, Outcome::Failed(Failure::Broken))]);

    let store = narrow(&place);
    assert!(count(&store, &["{}"]) > 1, "the rest is left");
    stored(&store, &request);
    lasts(&place, store, &[request]);
}

#[test]
fn two_requests_of_one_key_and_a_roll_in_between_end_well() {
    let place = Place::new();
    let store = narrow(&place);
    let notes = notes(&[]);
    submit_all(&store, &notes);
    let again = event(1, NOW + 101, 5, &[&["e", &key(7)]], "again");
    let batch = [deletion_of(&notes), again, event(2, NOW, 1, &[], "other")];
    let told = std::thread::scope(|scope| {
        let told = scope.spawn(|| answered(&store, &batch));
        store.compact().unwrap();
        told.join().unwrap()
    });
    assert!(told.iter().all(|(_, it)| matches!(it, Outcome::Stored(_))));
    let [request, again, other] = batch;
    lasts(&place, store, &[again, request, other]);
}

#[test]
fn many_small_requests_of_a_key_that_vanishes_hold_up_nobody_else_s() {
    let place = Place::new();
    let store = narrow(&place);
    let mine = notes(&[]);
    let text = "x".repeat(700);
    let yours: Vec<_> = (0..NOTES)
        .map(|n| event(2, NOW + n, 1, &[], &format!("{n} {text}")))
        .collect();
    submit_all(&store, &mine);
    submit_all(&store, &yours);
    let small = |n: u64| event(1, NOW + 101, 5, &[&["e", &key(100 + n)]], "");
    let vanish = |seed| event(seed, NOW + 100, 62, &[&["relay", "ALL_RELAYS"]], "");
    let batch: Vec<_> = [deletion_of(&mine)]
        .into_iter()
        .chain([vanish(2)])
        .chain((0..60).map(small))
        .collect();

    let told = answered(&store, &batch);
    assert!(told.iter().all(|(_, it)| matches!(it, Outcome::Stored(_))));
    let place_of = |token| told.iter().position(|(of, _)| *of == token).unwrap();
    assert!(
        place_of(1) < 8,
        "the other key's vanishing is among the first"
    );
    assert_eq!(store.status().events, batch.len() as u64);
}
