//! The k-th request about a resource fails, for every k and in every way; watches break; two operators work at once.
//! What comes of it is always the same, no pod and no claim is touched on the way, and told Allow nobody else is let in.

use crate::{
    broken::{Fault, broken_client, is_watch},
    fleet::{LISTED, about, relay},
    operator::Operator,
    server::{eventually, in_a_space},
    shut::{ANNA, BEN, beside, only, until_let_in},
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

/// More than the requests of the first visit, which is asserted.
const REQUESTS: usize = 36;

/// More than the requests of a later visit, which is asserted: so many go on, the others are left as they were made.
const LATER: usize = 24;

/// One object to write anew, one to remove, and none that replaces a pod.
const CHANGED: &str = "info: {name: changed}\nnetwork: {policy: None}\n";

/// For the relay of number k, the k-th request is the one that fails. Relay 0 is spared.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    requests: BTreeMap<usize, usize>,
    /// The requests of the spared relay's first visit, once it has ended.
    visit: Option<usize>,
}

impl Counts {
    /// Is it this request's turn to fail?
    fn strikes(&self, request: &Request<Body>) -> bool {
        if is_watch(request) {
            return false;
        }
        let Some(relay) = about(request) else {
            return false;
        };
        let mut seen = self.0.lock().unwrap();
        let count = seen.requests.entry(relay).or_default();
        *count += 1;
        let count = *count;
        // The last request of a visit that found something new.
        if relay == 0 && request.uri().path().ends_with("/status") {
            seen.visit.get_or_insert(count);
        }
        count == relay
    }

    fn start_over(&self) {
        *self.0.lock().unwrap() = Seen::default();
    }

    /// A visit had more than `least` requests, and among so many relays each of them failed once.
    async fn cover(&self, least: usize, relays: usize) {
        let visit = || self.0.lock().unwrap().visit;
        eventually("the spared relay's visit is over", || async {
            visit().is_some()
        })
        .await;
        let visit = visit().unwrap();
        assert!(visit > least, "only {visit} requests were counted");
        assert!(
            visit < relays,
            "the last of {visit} requests never failed: more relays"
        );
    }
}

/// The first `relays` are as the one that was spared.
async fn all_alike(space: &Space, relays: usize, what: &str) {
    let made = space.made().await;
    assert_eq!(made.len(), REQUESTS, "{what}");
    let spared = &made[&relay(0)];
    for name in (0..relays).map(relay) {
        assert_eq!(made[&name], *spared, "{name}: {what}");
    }
}

/// Makes relays, rotates their lists, breaks and changes them, while of each another request fails like this. What a pod could
/// read meanwhile is a list that was asked for, or not whole.
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
        let work = async {
            make(&space, &counts).await;
            let lasting = space.lasting().await;
            rotate(&space, &counts).await;
            let quiet = break_and_change(&space, &counts).await;
            assert_eq!(
                space.lasting().await,
                lasting,
                "pods, claims and templates stay"
            );
            operator.stop().await;
            a_new_operator_has_nothing_to_write(&space, &quiet).await;
        };
        let looks = beside(&space, REQUESTS, work).await;
        assert!(looks > 10, "only {looks} looks");
    })
    .await;
}

async fn make(space: &Space, counts: &Counts) {
    space.lists(REQUESTS, ANNA).await;
    space.fleet(REQUESTS, LISTED).await;
    space.until_fleet_built(REQUESTS).await;
    counts.cover(30, REQUESTS).await;
    until_let_in(space, REQUESTS, ANNA).await;
    space.until_fleet_quiet().await;
    all_alike(space, REQUESTS, "made").await;
    for (name, object) in space.lasting().await {
        let once = !name.starts_with("StatefulSet") || object.ends_with("generation Some(1)");
        assert!(once, "{name} is written once");
    }
}

async fn rotate(space: &Space, counts: &Counts) {
    counts.start_over();
    space.lists(LATER, BEN).await;
    until_let_in(space, LATER, BEN).await;
    counts.cover(16, LATER).await;
    space.until_fleet_quiet().await;
    space.until_fleet_built(REQUESTS).await;
}

/// The last good list is read back, because the new one cannot be used. Says the versions of all objects.
async fn break_and_change(space: &Space, counts: &Counts) -> BTreeMap<String, String> {
    counts.start_over();
    space.lists(LATER, "nobody's key").await;
    space.fleet(LATER, &format!("{CHANGED}{LISTED}")).await;
    space.until_fleet_built(REQUESTS).await;
    space.until_fleet_says(LATER, "BadKey").await;
    counts.cover(16, LATER).await;
    until_let_in(space, LATER, BEN).await;
    let quiet = space.until_fleet_quiet().await;
    all_alike(space, LATER, "changed").await;
    quiet
}

async fn a_new_operator_has_nothing_to_write(space: &Space, quiet: &BTreeMap<String, String>) {
    let operator = space.operator();
    eventually("it has looked at all", || async {
        operator.visits() >= REQUESTS as u64
    })
    .await;
    let now = space.until_fleet_quiet().await;
    assert_eq!(now, *quiet, "nothing is left to write");
    operator.stop().await;
}

#[tokio::test]
async fn a_conflict_at_any_request_opens_no_door_and_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Refused(409, None)).await;
}

#[tokio::test]
async fn a_busy_server_at_any_request_opens_no_door_and_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Refused(429, Some(2))).await;
}

#[tokio::test]
async fn a_failing_server_at_any_request_opens_no_door_and_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Refused(500, None)).await;
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_request_opens_no_door_and_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::Dropped).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_at_any_request_opens_no_door_and_changes_nothing_in_the_end() {
    every_request_fails_once(Fault::AnswerLost).await;
}

/// A visit that waits for an answer is given up after its time, and made good by the next.
#[tokio::test]
async fn a_request_that_nobody_answers_opens_no_door_and_changes_nothing_in_the_end() {
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
        space.fleet(COUNT, &only(ANNA)).await;
        space.until_fleet_built(COUNT).await;
        let lasting = space.lasting().await;
        let changed =
            only(BEN).replacen('{', "{info: {name: changed}, network: {policy: None}, ", 1);
        let work = async {
            for spec in [&only(BEN), &only(ANNA), &changed] {
                space.fleet(COUNT, spec).await;
            }
            until_let_in(&space, COUNT, BEN).await;
        };
        let looks = beside(&space, COUNT, work).await;
        assert!(looks > 3, "only {looks} looks");
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
