//! The operator is killed between any two writes; the next one makes it good, and nobody is let in meanwhile who should not be.

use crate::{
    broken::{Fault, broken_client, is_watch},
    fleet::{LISTED, about, relay},
    server::{eventually, in_a_space},
    shut::{ANNA, BEN, beside, until_let_in},
    space::Space,
};
use http::Method;
use kube::Client;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// More than the writes of one visit.
const WRITES: usize = 20;

/// What became of each relay's visit.
type Visits = Arc<Mutex<BTreeMap<usize, Visit>>>;

#[derive(Default)]
struct Visit {
    /// How often it was written, or tried to be.
    writes: usize,
    /// Was the last write of all made?
    done: bool,
}

/// A client that is cut off from the relay of number k after k writes: what an operator can do before it is killed.
async fn dying_client(visits: Visits) -> Client {
    broken_client(move |request| {
        let Some(relay) = about(request).filter(|_| !is_watch(request)) else {
            return Fault::None;
        };
        let mut visits = visits.lock().unwrap();
        let visit = visits.entry(relay).or_default();
        if visit.writes > relay {
            return Fault::Dropped;
        }
        if request.method() == Method::GET {
            return Fault::None;
        }
        visit.writes += 1;
        if visit.writes > relay {
            return Fault::Dropped;
        }
        visit.done |= request.uri().path().ends_with("/status");
        Fault::None
    })
    .await
}

/// Waits until every relay's visit was cut off or is done.
async fn until_dead(visits: &Visits) {
    eventually("each is cut off or done", || async {
        let visits = visits.lock().unwrap();
        let over = |(relay, visit): &(&usize, &Visit)| visit.done || visit.writes > **relay;
        visits.iter().filter(over).count() == WRITES
    })
    .await;
    let visits = visits.lock().unwrap();
    assert!(
        visits[&(WRITES - 1)].done,
        "a visit has more writes than {WRITES}: more relays"
    );
    let cut = visits.values().filter(|visit| !visit.done);
    assert!(cut.count() > 8, "too few were cut off");
}

#[tokio::test]
async fn an_operator_that_is_killed_between_any_two_writes_is_made_good_by_the_next() {
    in_a_space(|space| async move {
        let changed = format!("info: {{name: changed}}\nnetwork: {{policy: None}}\n{LISTED}");
        let here = space.clone();
        let work = async move {
            let mut lasting = None;
            for (spec, key) in [(LISTED, ANNA), (changed.as_str(), BEN)] {
                let visits = Visits::default();
                let client = dying_client(visits.clone()).await;
                space.lists(WRITES, key).await;
                space.fleet(WRITES, spec).await;
                let dying = Space::operator_as(client, space.settings());
                until_dead(&visits).await;
                dying.kill();
                let next = space.operator();
                until_let_in(&space, WRITES, key).await;
                space.until_fleet_built(WRITES).await;
                space.until_fleet_quiet().await;
                next.stop().await;
                let made = space.made().await;
                assert_eq!(made.len(), WRITES);
                for (name, made_of_it) in &made {
                    assert_eq!(*made_of_it, made[&relay(WRITES - 1)], "{name}");
                }
                let now = space.lasting().await;
                assert_eq!(
                    *lasting.get_or_insert_with(|| now.clone()),
                    now,
                    "pods, claims and templates stay"
                );
            }
        };
        let looks = beside(&here, WRITES, work).await;
        assert!(looks > 10, "only {looks} looks");
    })
    .await;
}
