//! A store takes events, answers filters, and has everything again after it was closed.

use crate::support::*;
use nostr_fleet_relay::store::{Committed, Outcome, Step};
use std::{ops::ControlFlow, time::Duration};

#[test]
fn what_is_stored_is_found_again_also_after_a_restart() {
    let place = Place::new();
    let store = place.open();
    assert_eq!(store.status().start, "Empty");
    let notes: Vec<_> = (0..50)
        .map(|n| event(n % 3, NOW - n, 1, &[&["t", "a"]], &format!("note {n}")))
        .collect();
    let outcomes = submit_all(&store, &notes);
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Stored(_))));
    assert_eq!(submit(&store, &notes[7]), Outcome::Duplicate);
    let expected: Vec<_> = notes.iter().map(|n| n.id()).collect();
    assert_eq!(ids(&store, &["{}"]), expected);
    assert_eq!(ids(&store, &[r##"{"#t":["a"],"limit":3}"##]), expected[..3]);
    assert_eq!(count(&store, &["{}", r#"{"kinds":[1]}"#]), 50);
    assert_eq!(store.contains(&expected[..2]).unwrap(), [true, true]);
    assert_eq!(store.status().events, 50);
    store.close();

    let store = place.open();
    assert_eq!(store.status().start, "Clean");
    assert_eq!(ids(&store, &["{}"]), expected);
    stored(&store, &event(9, NOW, 1, &[], "one more"));
    drop(store);
    place.forget_run();
    let store = place.open();
    assert_eq!(store.status().start, "Clean", "a dropped store is closed");
    assert_eq!(store.committed().get(), 51);
}

#[test]
fn an_answer_in_many_small_slices_is_the_answer_in_one() {
    let place = Place::new();
    let store = place.open();
    let notes: Vec<_> = (0..300)
        .map(|n| {
            event(
                n % 7,
                NOW - n / 4,
                (n % 5) as u16 + 1000,
                &[],
                &format!("{n}"),
            )
        })
        .collect();
    submit_all(&store, &notes);
    let asked = filters(&[
        r#"{"kinds":[1000,1001],"limit":40}"#,
        r#"{"kinds":[1001,1002,1003]}"#,
        &format!(r#"{{"authors":["{}","{}"],"limit":30}}"#, key(1), key(2)),
    ]);
    let sees_all = || std::sync::Arc::new(nostr_fleet_relay::store::SeesAll);
    let whole = run(
        store.query(asked.clone(), sees_all()),
        Duration::from_secs(5),
    );
    let sliced = run(store.query(asked, sees_all()), Duration::ZERO);
    assert_eq!(whole, sliced);
    assert!(whole.1, "limits cut it");
}

#[test]
fn the_tail_gives_what_was_committed_in_between() {
    let place = Place::new();
    let store = place.open();
    let notes: Vec<_> = (0..20)
        .map(|n| event(1, NOW + n, 1, &[], &format!("{n}")))
        .collect();
    submit_all(&store, &notes[..10]);
    let middle = store.committed();
    submit_all(&store, &notes[10..]);
    let mut tail = store.tail(middle, store.committed());
    let mut heard = Vec::new();
    while tail
        .slice(Duration::ZERO, &mut |row| {
            heard.push(row.id());
            ControlFlow::Break(())
        })
        .unwrap()
        == Step::More
    {}
    let expected: Vec<_> = notes[10..].iter().map(|n| n.id()).collect();
    assert_eq!(heard, expected);
    assert_eq!(exported(&store).len(), 20);
    assert_eq!(store.export(middle).count(), 10);
    assert_eq!(store.export(Committed::resume(19)).count(), 1);
}
