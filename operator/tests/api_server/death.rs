//! The operator is killed between any two writes; the next one makes it good.

use crate::{
    broken::{Fault, broken_client, is_watch},
    fleet::{about, relay},
    server::{eventually, in_a_space},
    space::Space,
};
use http::Method;
use kube::Client;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// More than the writes of one visit.
const WRITES: usize = 14;

/// How often each relay was written, or tried to be.
type Written = Arc<Mutex<BTreeMap<usize, usize>>>;

/// A client that is cut off from the relay of number k after k writes: what an operator can do before it is killed.
async fn dying_client(written: Written) -> Client {
    broken_client(move |request| {
        let Some(relay) = about(request).filter(|_| !is_watch(request)) else {
            return Fault::None;
        };
        let mut written = written.lock().unwrap();
        let count = written.entry(relay).or_default();
        if *count > relay {
            return Fault::Dropped;
        }
        if request.method() == Method::GET {
            return Fault::None;
        }
        *count += 1;
        if *count > relay {
            Fault::Dropped
        } else {
            Fault::None
        }
    })
    .await
}

#[tokio::test]
async fn an_operator_that_is_killed_between_any_two_writes_is_made_good_by_the_next() {
    in_a_space(|space| async move {
        let mut lasting = None;
        for spec in ["{}", "{info: {name: changed}, network: {policy: None}}"] {
            let written = Written::default();
            let dying = Space::operator_as(dying_client(written.clone()).await, space.settings());
            space.fleet(WRITES, spec).await;
            eventually("half of them are cut off", || async {
                let written = written.lock().unwrap();
                let cut = written.iter().filter(|(relay, count)| count > relay);
                cut.count() > WRITES / 2
            })
            .await;
            dying.kill();
            let next = space.operator();
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
    })
    .await;
}
