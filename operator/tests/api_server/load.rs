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
/// The ConfigMap with the list of those that have one.
const LIST: &str = "residents";

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

/// The list of every tenth relay.
async fn list(space: &Space, text: &str) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": LIST}, "data": {"pubkeys": text},
    });
    let force = PatchParams::apply("user").force();
    let maps = space.of("ConfigMap");
    maps.patch(LIST, &force, &Patch::Apply(&map)).await.unwrap();
}

/// So many relays, every tenth with a list; how many those are.
async fn fleet_with_lists(space: &Space, count: usize) -> usize {
    list(space, &pubkey(1)).await;
    space.fleet(count, SPEC).await;
    let access = json!({"spec": {"access": {"write": {
        "mode": "Allow", "from": [{"configMap": {"name": LIST}}],
    }}}});
    let (relays, user) = (space.of("NostrRelay"), PatchParams::default());
    let listed = (0..count).step_by(10);
    for name in listed.clone().map(relay) {
        let patched = relays.patch(&name, &user, &Patch::Merge(&access)).await;
        patched.unwrap();
    }
    listed.len()
}

/// Generations of lists that configurations name, and how many name each.
async fn generations(space: &Space) -> BTreeMap<String, usize> {
    let maps = space.of("ConfigMap");
    let mut found = BTreeMap::new();
    for map in maps.list(&ListParams::default()).await.unwrap() {
        let text = map.data["data"]["relay.yaml"].as_str().unwrap_or_default();
        if let Some((_, rest)) = text.split_once("generation: ") {
            let generation = rest.lines().next().unwrap_or_default();
            *found.entry(generation.to_owned()).or_default() += 1;
        }
    }
    found
}

/// From the apply of a changed list until all configurations that have it name the new one.
async fn change_the_list(space: &Space, relays: usize) -> Duration {
    let before = generations(space).await;
    let started = Instant::now();
    list(space, &pubkey(2)).await;
    eventually("the list is in all configurations", || async {
        let now = generations(space).await;
        now.values().copied().eq([relays]) && now != before
    })
    .await;
    started.elapsed()
}

fn pubkey(number: u8) -> String {
    format!("{}{number:02x}", "a7".repeat(31))
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
        space.until_at_rest(&operator).await;
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
        let with_lists = fleet_with_lists(&space, count).await;
        let started = Instant::now();
        let operator = space.process(&[]).await;
        until_observed(&space, count).await;
        println!(
            "{count} resources made, {with_lists} of them with a list: {:.1} s",
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
            "cold start (target: 30 s for 1,000): {:.1} s to the last visit",
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
            "change to applied (target: p99 of 250 ms): p50 {:?}, p99 {:?}, max {:?}",
            times[30], times[58], times[59]
        );
        let took = change_the_list(&space, with_lists).await;
        println!("change of a list to the configurations of {with_lists} relays: {took:?}");
        let (resident, seconds) = operator.usage();
        println!("resident (target: 80 MB): {resident} KiB; CPU time: {seconds} s since its start");
    })
    .await;
}

/// Nothing changes in a minute in which nobody asks for anything.
async fn rest(space: &Space, operator: &Process, quiet: &BTreeMap<String, String>) {
    let (visits, (resident, seconds)) = (operator.visits().await, operator.usage());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let now = space.until_fleet_quiet().await;
    let changed: Vec<_> = now
        .iter()
        .filter(|(name, version)| quiet.get(*name) != Some(version))
        .collect();
    assert!(changed.is_empty(), "changed at rest: {changed:?}");
    println!(
        "60 s of rest: no version of {} objects changed, {} visits, {:.2} s CPU, {resident} KiB resident",
        now.len(),
        operator.visits().await - visits,
        operator.usage().1 - seconds,
    );
}
