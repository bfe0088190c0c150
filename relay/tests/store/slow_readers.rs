//! A minute of writes while slow readers take their time: LMDB's file does not grow by them.

use crate::support::*;
use nostr_fleet_relay::store::{Outcome, Removal, SeesAll, Step, Store};
use nostr_fleet_relay::wire::Verified;
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

/// Stops the readers also when the test fails, or it would wait for them for ever.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn notes(batches: u64, size: u64) -> Vec<Vec<Verified>> {
    (0..batches)
        .map(|batch| {
            (batch * size..batch * size + size)
                .map(|n| event(n % 5, NOW - n, 1, &[&["t", &n.to_string()]], "note"))
                .collect()
        })
        .collect()
}

/// Reads a row at a time and dawdles over it inside the slice: that holds back pages, and the view fills up.
fn dawdle(store: &Store, stop: &AtomicBool, pause: Duration) {
    while !stop.load(Ordering::Relaxed) {
        let mut query = store.query(filters(&["{}"]), Arc::new(SeesAll));
        query
            .slice(Duration::ZERO, &mut |_| {
                thread::sleep(pause);
                ControlFlow::Continue(())
            })
            .unwrap();
    }
}

#[test]
fn a_view_that_must_grow_in_the_middle_of_anything_loses_nothing() {
    let batches = notes(12, 20);
    let all: Vec<_> = batches.iter().flatten().map(|event| event.id()).collect();
    for round in 1..12 {
        let place = Place::new();
        let mut options = place.options();
        options.size = Some(32 << 20);
        let store = Store::open(options).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let stopping = Stopping(&stop);
            scope.spawn(|| dawdle(&store, &stop, Duration::from_millis(20 + round)));
            for turn in 0..6 {
                for batch in &batches {
                    let size = 1 + (turn * 7 + round as usize) % batch.len();
                    for part in batch.chunks(size) {
                        let outcomes = submit_all(&store, part);
                        let kept = |o: &Outcome| matches!(o, Outcome::Stored(_));
                        assert!(outcomes.iter().all(kept), "{outcomes:?}");
                    }
                }
                if turn < 5 {
                    assert_eq!(store.remove(all.clone(), Removal::Outdated).unwrap(), 240);
                }
            }
            drop(stopping);
        });
        assert_eq!(store.failure(), None);
        assert_eq!(count(&store, &["{}"]), 240);
        assert_eq!(store.status().events, 240);
    }
}

#[test]
fn a_minute_of_writes_with_slow_readers_keeps_the_view_small() {
    let place = Place::new();
    let store = place.open();
    let stop = AtomicBool::new(false);
    let rows = AtomicU64::new(0);
    // Signing costs more than storing, so the same events are stored and removed in turns.
    let batches = notes(64, 16);
    let mut written = 0;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| read_slowly(&store, &stop, &rows));
        }
        let stopping = Stopping(&stop);
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
        drop(stopping);
    });
    let view = std::fs::metadata(place.dir.path().join("view/data.mdb")).unwrap();
    let rows = rows.into_inner();
    println!(
        "{written} events written, {rows} rows read, the view has {} bytes",
        view.len()
    );
    assert!(rows >= 63 * 16, "not even one reader came through once");
    // An open read transaction costs 40 KB per event written; a machine under load stretches slices, hence the margin.
    assert!(view.len() <= 64 << 20, "{} bytes", view.len());
    assert_eq!(store.status().events, 63 * 16);
}
