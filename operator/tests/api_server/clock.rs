//! Clocks that jump: the operator's own process, whose wall clock libfaketime sets while it works.

use crate::{
    process::variable,
    server::{eventually, in_a_space},
    shut::{ANNA, BEN, beside, only, until_let_in},
    space::{LEASE, Space},
};
use jiff::Timestamp;
use nostr_fleet_operator::names;
use serde_json::json;
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::time::sleep;

const RELAYS: usize = 6;
/// An hour and a month, both ways: past leases, past what a condition says of its time, before the API server's certificate began. Then home.
const JUMPS: [&str; 5] = ["+3600", "-3600", "+2592000", "-2592000", "+0"];

/// Of Debian's package libfaketime.
fn library() -> String {
    let path = format!(
        "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
        std::env::consts::ARCH
    );
    assert!(
        Path::new(&path).exists(),
        "{path} is missing: apt-get install libfaketime, as `make test` does"
    );
    path
}

/// Waits until the operator renewed its lease by a clock that is so many seconds off.
async fn until_jumped(space: &Space, seconds: i64) {
    eventually(&format!("the clock is {seconds} s off"), || async {
        let lease = space.get("Lease", LEASE).await.unwrap();
        let said = lease.data["spec"]["renewTime"].as_str().unwrap();
        let ahead = said.parse::<Timestamp>().unwrap() - Timestamp::now();
        let ahead = ahead.total(jiff::Unit::Second).unwrap();
        (ahead - seconds as f64).abs() < 120.0
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_jumps_opens_no_door_replaces_no_pod_and_costs_no_lease() {
    in_a_space(|space| async move {
        let dir = TempDir::new().unwrap();
        let clock = dir.path().join("clock");
        fs::write(&clock, "+0").unwrap();
        let mut operator = space
            .process(&[
                variable("LD_PRELOAD", library()),
                variable("FAKETIME_TIMESTAMP_FILE", &clock),
                variable("FAKETIME_NO_CACHE", "1"),
                // Nothing sets a monotonic clock.
                variable("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ])
            .await;
        space.fleet(RELAYS, &only(ANNA)).await;
        until_let_in(&space, RELAYS, ANNA).await;
        space.until_fleet_built(RELAYS).await;
        space.until_fleet_quiet().await;
        let (made, lasting) = (space.made().await, space.lasting().await);

        let work = async {
            for (round, jump) in JUMPS.iter().enumerate() {
                fs::write(&clock, jump).unwrap();
                let key = [BEN, ANNA][round % 2];
                space.fleet(RELAYS, &only(key)).await;
                let meddled = json!({"spec": {"selector": {names::LABEL_INSTANCE: "elsewhere"}}});
                space.meddle("Service", "r00", &meddled).await;
                until_jumped(&space, jump.parse().unwrap()).await;
                until_let_in(&space, RELAYS, key).await;
                eventually("what was meddled with is put back", || async {
                    let service = space.get("Service", "r00").await.unwrap();
                    service.data["spec"]["selector"][names::LABEL_INSTANCE] == "r00"
                })
                .await;
            }
            space.fleet(RELAYS, &only(ANNA)).await;
            until_let_in(&space, RELAYS, ANNA).await;
        };
        let looks = beside(&space, RELAYS, work).await;
        assert!(looks > JUMPS.len(), "only {looks} looks");

        space.until_fleet_built(RELAYS).await;
        space.until_fleet_quiet().await;
        assert_eq!(space.made().await, made, "the same objects in the end");
        assert_eq!(space.lasting().await, lasting, "no pod, no claim replaced");
        let visits = operator.visits().await;
        sleep(Duration::from_secs(3)).await;
        assert_eq!(operator.visits().await, visits, "it rests");
        assert!(!operator.has_ended());
        let log = operator.log();
        assert_eq!(log.matches("leading").count(), 1, "{log}");
    })
    .await;
}
