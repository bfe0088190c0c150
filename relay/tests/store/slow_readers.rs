//! A minute of writes while slow readers take their time: LMDB's file does not grow by them.

use crate::support::*;
use nostr_fleet_relay::store::{Outcome, Removal, SeesAll, Step, Store};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Reads everything again and again: short slices with long pauses, as for a client with a full outbox.
fn read_slowly(store: &Store, stop: &AtomicBool, rows: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let mut query = store.query(filters(&["{}"]), Arc::new(SeesAll));
        loop {
            let step = query.slice(Duration::from_millis(2), &mut |_| {
                rows.fetch_add(1, Ordering::Relaxed);
                ControlFlow::Continue(())
            });
            if step.unwrap() != Step::More || stop.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_minute_of_writes_with_slow_readers_keeps_the_view_small() {
    let place = Place::new();
    let store = place.open();
    let stop = AtomicBool::new(false);
    let rows = AtomicU64::new(0);
    // Signing costs more than storing, so the same events are stored and removed in turns.
    let batches: Vec<Vec<_>> = (0..64u64)
        .map(|batch| {
            (batch * 16..batch * 16 + 16)
                .map(|n| event(n % 5, NOW - n, 1, &[&["t", &n.to_string()]], "note"))
                .collect()
        })
        .collect();
    let mut written = 0;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| read_slowly(&store, &stop, &rows));
        }
        let began = Instant::now();
        for turn in 0.. {
            if began.elapsed() > Duration::from_secs(60) {
                break;
            }
            let oldest = &batches[(turn + 1) % batches.len()];
            let oldest = oldest.iter().map(|event| event.id()).collect();
            store.remove(oldest, Removal::Outdated).unwrap();
            let outcomes = submit_all(&store, &batches[turn % batches.len()]);
            assert!(outcomes.iter().all(|o| matches!(o, Outcome::Stored(_))));
            written += outcomes.len();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let view = std::fs::metadata(place.dir.path().join("view/data.mdb")).unwrap();
    println!(
        "{written} events written, {} rows read, the view has {} bytes",
        rows.into_inner(),
        view.len()
    );
    // An open read transaction costs 40 KB per event written; a machine under load stretches slices, hence the margin.
    assert!(view.len() <= 64 << 20, "{} bytes", view.len());
    assert_eq!(store.status().events, 63 * 16);
}
