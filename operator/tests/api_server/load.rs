//! Many resources: what a start costs, that rest is rest, and how long a change takes.

use crate::{
    broken::{Fault, broken_client},
    fleet::relay,
    operator::Operator,
    process::Process,
    server::{eventually, in_a_space},
    space::Space,
};
use http::Method;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// No pods: what is measured is the operator and the API server.
const SPEC: &str = "operation: Stopped";

/// An operator whose writes are counted.
async fn counted(space: &Space) -> (Operator, Arc<AtomicU64>) {
    let writes = Arc::new(AtomicU64::new(0));
    let count = writes.clone();
    let client = broken_client(move |request| {
        if request.method() != Method::GET {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Fault::None
    });
    let operator = Space::operator_as(client.await, space.settings());
    (operator, writes)
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

#[tokio::test]
async fn forty_resources_come_to_rest_and_a_new_operator_writes_nothing() {
    const COUNT: usize = 40;
    in_a_space(|space| async move {
        space.fleet(COUNT, SPEC).await;
        let operator = space.operator();
        until_observed(&space, COUNT).await;
        let quiet = space.until_fleet_quiet().await;
        operator.stop().await;
        let (operator, writes) = counted(&space).await;
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
#[ignore = "prints figures: make bench-operator"]
async fn figures_of_many_resources() {
    let count: usize = std::env::var("FLEET").map_or(300, |text| text.parse().unwrap());
    in_a_space(move |space| async move {
        space.fleet(count, SPEC).await;
        let started = Instant::now();
        let operator = space.process(&[]).await;
        until_observed(&space, count).await;
        println!(
            "{count} resources made: {:.1} s",
            started.elapsed().as_secs_f64()
        );
        space.until_fleet_quiet().await;
        operator.stop().await;

        let started = Instant::now();
        let operator = space.process(&[]).await;
        eventually("it has looked at all", || async {
            operator.visits().await >= count as u64
        })
        .await;
        println!(
            "cold start: {:.1} s to the last visit",
            started.elapsed().as_secs_f64()
        );
        let quiet = space.until_fleet_quiet().await;
        rest(&space, &operator, &quiet).await;
        let mut times = Vec::new();
        for round in 0..60 {
            times.push(change(&space, (round * 7) % count, round).await);
        }
        times.sort();
        println!(
            "change to applied: p50 {:?}, p99 {:?}, max {:?}",
            times[30], times[58], times[59]
        );
        let (resident, seconds) = operator.usage();
        println!("resident: {resident} KiB; CPU time: {seconds} s since its start");
    })
    .await;
}

/// What changes in a minute in which nobody asks for anything.
async fn rest(space: &Space, operator: &Process, quiet: &BTreeMap<String, String>) {
    let (visits, (resident, seconds)) = (operator.visits().await, operator.usage());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let now = space.until_fleet_quiet().await;
    let changed = now
        .iter()
        .filter(|(name, version)| quiet.get(*name) != Some(version));
    println!(
        "60 s of rest: {} versions changed, {} visits, {:.2} s CPU, {resident} KiB resident",
        changed.count(),
        operator.visits().await - visits,
        operator.usage().1 - seconds,
    );
}
