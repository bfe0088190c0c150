//! Many resources: what a start costs, that rest is rest, and how long a change takes.

use crate::{
    broken::{Fault, broken_client},
    fleet::relay,
    operator::Operator,
    server::{eventually, in_a_space},
    space::Space,
};
use http::Method;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// No pods: what is measured is the operator and the API server.
const SPEC: &str = "operation: Stopped";

/// An operator whose requests are counted, reads and writes.
async fn counted(space: &Space) -> (Operator, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (reads, writes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (r, w) = (reads.clone(), writes.clone());
    let client = broken_client(move |request| {
        let count = if request.method() == Method::GET {
            &r
        } else {
            &w
        };
        count.fetch_add(1, Ordering::SeqCst);
        Fault::None
    });
    (
        Space::operator_as(client.await, space.settings()),
        reads,
        writes,
    )
}

/// Waits until each relay's status is about its newest spec.
async fn until_observed(space: &Space, count: usize) {
    eventually("all are observed", || async {
        let relays = space
            .of("NostrRelay")
            .list(&ListParams::default())
            .await
            .unwrap();
        let done = |relay: &kube::api::DynamicObject| {
            relay.data["status"]["observedGeneration"].as_i64() == relay.metadata.generation
        };
        relays.iter().filter(|relay| done(relay)).count() == count
    })
    .await;
}

/// From the apply of a changed spec until the ConfigMap has it.
async fn change(space: &Space, number: usize, round: usize) -> Duration {
    let (name, text) = (relay(number), format!("round {round}"));
    let patch = json!({"spec": {"info": {"name": text}}});
    let (relays, maps) = (space.of("NostrRelay"), space.of("ConfigMap"));
    let started = Instant::now();
    let user = PatchParams::default();
    let changed = relays.patch(&name, &user, &Patch::Merge(&patch)).await;
    changed.unwrap();
    loop {
        let map = maps.get(&format!("{name}-config")).await.unwrap();
        if map.data.to_string().contains(&text) {
            return started.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The resident set of this process, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn forty_resources_come_to_rest_and_a_new_operator_writes_nothing() {
    const COUNT: usize = 40;
    in_a_space(|space| async move {
        space.fleet(COUNT, SPEC).await;
        let operator = space.operator();
        until_observed(&space, COUNT).await;
        let quiet = space.until_fleet_quiet().await;
        operator.stop().await;
        let (operator, _, writes) = counted(&space).await;
        eventually("it has looked at all", || async {
            operator.visits() >= COUNT as u64
        })
        .await;
        assert_eq!(space.until_fleet_quiet().await, quiet, "versions");
        let applied = writes.load(Ordering::SeqCst);
        eventually("it is at rest", || async {
            let before = operator.visits();
            tokio::time::sleep(Duration::from_secs(2)).await;
            operator.visits() == before
        })
        .await;
        assert!(
            applied >= COUNT as u64,
            "it applies, and the API server sees that nothing changed"
        );
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
#[ignore = "prints figures: FLEET=300 cargo test --workspace --test api_server -- --ignored figures --nocapture"]
async fn figures_of_many_resources() {
    let count: usize = std::env::var("FLEET").map_or(300, |text| text.parse().unwrap());
    in_a_space(move |space| async move {
        space.fleet(count, SPEC).await;
        let before = resident();
        let started = Instant::now();
        let operator = space.operator();
        until_observed(&space, count).await;
        println!(
            "{count} resources made in {:.1} s, {} visits",
            started.elapsed().as_secs_f64(),
            operator.visits()
        );
        space.until_fleet_quiet().await;
        operator.stop().await;

        let started = Instant::now();
        let (operator, reads, writes) = counted(&space).await;
        eventually("it has looked at all", || async {
            operator.visits() >= count as u64
        })
        .await;
        println!(
            "cold start {:.1} s: {} reads, {} writes",
            started.elapsed().as_secs_f64(),
            reads.load(Ordering::SeqCst),
            writes.load(Ordering::SeqCst),
        );
        let quiet = space.until_fleet_quiet().await;
        let visits = operator.visits();
        tokio::time::sleep(Duration::from_secs(60)).await;
        let now = space.until_fleet_quiet().await;
        let changed = now
            .iter()
            .filter(|(name, version)| quiet.get(*name) != Some(version))
            .count();
        println!(
            "60 s of rest: {changed} versions changed, {} visits",
            operator.visits() - visits
        );
        let mut times = Vec::new();
        for round in 0..60 {
            times.push(change(&space, (round * 7) % count, round).await);
        }
        times.sort();
        println!(
            "change to applied: p50 {:?}, p99 {:?}, max {:?}",
            times[30], times[58], times[59]
        );
        println!(
            "resident: {} KiB before, {} KiB after (test and operator in one process)",
            before,
            resident()
        );
        operator.stop().await;
    })
    .await;
}
