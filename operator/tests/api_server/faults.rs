//! The k-th request about a resource fails, for every k and in every way; watches break; two operators work at once.
//! What comes of it is always the same, and no pod and no claim is touched on the way.

use crate::{
    broken::{Fault, broken_client, is_watch},
    fleet::{about, relay},
    operator::Operator,
    server::{eventually, in_a_space},
    space::Space,
};
use http::{Method, Request};
use kube::{Client, api::DeleteParams, client::Body};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// More than the requests of one visit: the last ones fail in the next visit, or never.
const REQUESTS: usize = 28;

const MADE: &str = "{}";
/// One object more to write, one to remove, and none that replaces a pod.
const CHANGED: &str = "{info: {name: changed}, network: {policy: None}}";

/// For the relay of number k, the k-th request is the one that fails. Relay 0 is spared.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<usize, usize>>>);

impl Counts {
    /// Is it this request's turn to fail?
    pub fn strikes(&self, request: &Request<Body>) -> bool {
        if is_watch(request) {
            return false;
        }
        let Some(relay) = about(request) else {
            return false;
        };
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(relay).or_default();
        *count += 1;
        *count == relay
    }

    pub fn start_over(&self) {
        self.0.lock().unwrap().clear();
    }

    /// How many requests the spared relay had.
    pub fn spared(&self) -> usize {
        self.0.lock().unwrap().get(&0).copied().unwrap_or_default()
    }
}

/// All relays are as the one that was spared.
async fn all_alike(space: &Space, what: &str) {
    let made = space.made().await;
    assert_eq!(made.len(), REQUESTS, "{what}");
    let spared = &made[&relay(0)];
    for (name, made) in &made {
        assert_eq!(made, spared, "{name}: {what}");
    }
}

/// Makes and changes relays of which each has another request fail like this.
async fn every_request_fails_once(fault: Fault) {
    in_a_space(|space| async move {
        let counts = Counts::default();
        let (plan, fate) = (counts.clone(), fault.clone());
        let client = broken_client(move |request| {
            if plan.strikes(request) {
                fate.clone()
            } else {
                Fault::None
            }
        });
        let operator = Space::operator_as(client.await, space.settings());
        space.fleet(REQUESTS, MADE).await;
        space.until_fleet_built(REQUESTS).await;
        let visit = counts.spared();
        assert!(visit > 8, "only {visit} requests were counted");
        all_alike(&space, "made").await;
        space.until_fleet_quiet().await;
        let lasting = space.lasting().await;
        let sets = lasting
            .iter()
            .filter(|(name, _)| name.starts_with("StatefulSet"));
        for (name, set) in sets {
            assert!(
                set.ends_with("generation Some(1)"),
                "{name} is written once"
            );
        }

        counts.start_over();
        space.fleet(REQUESTS, CHANGED).await;
        space.until_fleet_built(REQUESTS).await;
        let quiet = space.until_fleet_quiet().await;
        all_alike(&space, "changed").await;
        assert_eq!(
            space.lasting().await,
            lasting,
            "pods, claims and templates stay"
        );
        operator.stop().await;

        let restarted = space.operator();
        eventually("it has looked at all", || async {
            restarted.visits() >= REQUESTS as u64
        })
        .await;
        assert_eq!(
            space.until_fleet_quiet().await,
            quiet,
            "nothing is left to write"
        );
        restarted.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_conflict_at_any_request_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Refused(409, None)).await;
}

#[tokio::test]
async fn a_busy_server_at_any_request_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Refused(429, Some(2))).await;
}

#[tokio::test]
async fn a_failing_server_at_any_request_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Refused(500, None)).await;
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_request_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Dropped).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_at_any_request_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::AnswerLost).await;
}

/// A visit that waits for an answer is given up after its time, and made good by the next.
#[tokio::test]
async fn a_request_that_nobody_answers_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Hang).await;
}

/// A client whose watches break when told, and are told `Gone` when they come back.
async fn client_with_weak_watches(gone: Arc<AtomicUsize>) -> (Client, watch::Sender<u32>) {
    let (cut, cuts) = watch::channel(0);
    let client = broken_client(move |request| {
        if !is_watch(request) {
            return Fault::None;
        }
        let left = gone.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        match left {
            Ok(_) => Fault::Gone,
            Err(_) => Fault::WatchCut(cuts.clone()),
        }
    });
    (client.await, cut)
}

/// What changes while nobody watches is made good when the watches are back.
async fn watches_break(gone: usize) {
    in_a_space(|space| async move {
        let left = Arc::new(AtomicUsize::new(0));
        let (client, cut) = client_with_weak_watches(left.clone()).await;
        let operator = Space::operator_as(client, space.settings());
        let names = ["first", "second", "third"];
        for (round, name) in names.iter().enumerate() {
            space.town(&format!("info: {{name: {name}}}")).await;
            space.until_built().await;
            left.store(gone, Ordering::SeqCst);
            cut.send_replace(u32::try_from(round).unwrap() + 1);
            let delete = DeleteParams::background();
            let _ = space.of("Service").delete("town-headless", &delete).await;
            space.town(&format!("info: {{name: {name}-changed}}")).await;
            eventually("it is made good", || async {
                let config = space.get("ConfigMap", "town-config").await.unwrap();
                config.data.to_string().contains(&format!("{name}-changed"))
                    && space.has("Service", "town-headless").await
            })
            .await;
        }
        assert_eq!(left.load(Ordering::SeqCst), 0, "all have met it");
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn watches_that_break_are_taken_up_again() {
    watches_break(0).await;
}

#[tokio::test]
async fn watches_that_are_too_old_start_over() {
    watches_break(9).await;
}

/// Fails one request in thirty-two until it is `calm`.
async fn shaky(seed: usize, calm: Arc<AtomicBool>) -> Client {
    let count = AtomicUsize::new(seed);
    broken_client(
        move |request| match count.fetch_add(1, Ordering::SeqCst) % 64 {
            _ if calm.load(Ordering::SeqCst) => Fault::None,
            0 if !is_watch(request) => Fault::Refused(500, None),
            32 if request.method() == Method::PATCH => Fault::AnswerLost,
            _ => Fault::None,
        },
    )
    .await
}

#[tokio::test]
async fn two_operators_at_once_do_not_quarrel() {
    const COUNT: usize = 8;
    in_a_space(|space| async move {
        let (mut operators, calm) = (Vec::<Operator>::new(), Arc::new(AtomicBool::new(false)));
        for seed in [0, 16] {
            let client = shaky(seed, calm.clone()).await;
            operators.push(Space::operator_as(client, space.settings()));
        }
        space.fleet(COUNT, MADE).await;
        space.until_fleet_built(COUNT).await;
        let lasting = space.lasting().await;
        for round in 0..3 {
            space
                .fleet(
                    COUNT,
                    &format!("{{info: {{name: '{round}'}}, network: {{policy: None}}}}"),
                )
                .await;
        }
        space.fleet(COUNT, CHANGED).await;
        calm.store(true, Ordering::SeqCst);
        space.until_fleet_built(COUNT).await;
        let quiet = space.until_fleet_quiet().await;
        let made = space.made().await;
        assert!(made.values().all(|it| *it == made[&relay(0)]));
        assert!(made[&relay(0)].contains("changed") && !made[&relay(0)].contains("NetworkPolicy"));
        assert_eq!(space.lasting().await, lasting);
        assert_eq!(space.until_fleet_quiet().await, quiet);
        for operator in operators {
            operator.stop().await;
        }
    })
    .await;
}
