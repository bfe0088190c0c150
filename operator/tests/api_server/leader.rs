//! Several operators and one Lease on a real API server: never two at work.

use crate::{
    broken::{Fault, broken_client},
    server::{eventually, in_a_space, operator_config},
    space::{LEASE, Space},
};
use http::{Method, Request};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::PostParams,
    client::{Body, ClientBuilder},
};
use nostr_fleet_operator::{
    admin::Health,
    leader::{Candidate, Lost, Seat, election::Terms},
    metrics::Metrics,
    run::Operator,
};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, filter::FilterLayer};

/// A lease lasts whole seconds. The machine may be busy: who is late for no other reason must still be in time.
const TERMS: Terms = Terms {
    lease: Duration::from_secs(6),
    renew: Duration::from_secs(5),
    retry: Duration::from_millis(300),
};

/// Who worked from when to when.
type Diary = Arc<Mutex<Vec<(String, Instant, Option<Instant>)>>>;

/// Notes the end of the work, however it comes.
struct Shift(String, Diary);

impl Shift {
    fn begin(name: &str, diary: &Diary) -> Self {
        let entry = (name.to_owned(), Instant::now(), None);
        diary.lock().unwrap().push(entry);
        Self(name.to_owned(), diary.clone())
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        let mut diary = self.1.lock().unwrap();
        let open = |entry: &&mut (String, _, Option<_>)| entry.0 == self.0 && entry.2.is_none();
        if let Some(entry) = diary.iter_mut().find(open) {
            entry.2 = Some(Instant::now());
        }
    }
}

/// Nobody begins before the one before has ended; in order of beginning.
fn shifts(diary: &Diary) -> Vec<(String, Instant, Option<Instant>)> {
    let diary = diary.lock().unwrap().clone();
    for pair in diary.windows(2) {
        let ended = pair[0].2.expect("the one before has ended");
        assert!(ended <= pair[1].1, "two at once: {pair:?}");
    }
    diary
}

fn working(diary: &Diary) -> Option<String> {
    let diary = diary.lock().unwrap();
    let last = diary.last()?;
    last.2.is_none().then(|| last.0.clone())
}

fn seat(space: &Space, name: &str) -> Seat {
    Seat {
        namespace: space.name.clone(),
        lease: LEASE.to_owned(),
        identity: name.to_owned(),
        terms: TERMS,
    }
}

struct Runner {
    stop: CancellationToken,
    health: Health,
    metrics: Metrics,
    task: JoinHandle<Result<(), Lost>>,
}

/// Takes part; its work is to be there.
fn run(space: &Space, client: Client, name: &str, diary: &Diary) -> Runner {
    let (stop, health, metrics) = (
        CancellationToken::new(),
        Health::default(),
        Metrics::default(),
    );
    let candidate = Candidate::new(client, seat(space, name), metrics.clone());
    let (token, ready) = (stop.clone(), health.clone());
    let (name, diary) = (name.to_owned(), diary.clone());
    let task = tokio::spawn(async move {
        let work = || async {
            let _shift = Shift::begin(&name, &diary);
            ready.set_working(true);
            token.cancelled().await;
        };
        candidate.lead(&ready, &token, work).await
    });
    Runner {
        stop,
        health,
        metrics,
        task,
    }
}

async fn lease(space: &Space) -> Lease {
    let leases = Api::<Lease>::namespaced(space.client.clone(), &space.name);
    leases.get(LEASE).await.unwrap()
}

#[tokio::test]
async fn one_of_two_works_and_when_it_is_killed_the_other_waits_for_the_lease_to_expire() {
    in_a_space(|space| async move {
        let diary = Diary::default();
        let first = run(&space, space.operator.clone(), "first", &diary);
        eventually("the first works", || async { working(&diary).is_some() }).await;
        let second = run(&space, space.operator.clone(), "second", &diary);
        eventually("the standby is ready", || async {
            second.health.is_working()
        })
        .await;
        sleep(TERMS.lease + TERMS.retry).await;
        assert_eq!(working(&diary).as_deref(), Some("first"), "it renews");
        assert!(first.metrics.text().contains("operator_leader 1"));
        assert!(second.metrics.text().contains("operator_leader 0"));
        first.task.abort();
        eventually("the second works", || async {
            working(&diary).as_deref() == Some("second")
        })
        .await;
        let shifts = shifts(&diary);
        let gap = shifts[1].1 - shifts[0].2.unwrap();
        assert!(gap > TERMS.renew && gap < TERMS.lease * 2, "{gap:?}");
        assert_eq!(lease(&space).await.spec.unwrap().lease_transitions, Some(1));
        second.stop.cancel();
        assert_eq!(second.task.await.unwrap(), Ok(()));
    })
    .await;
}

#[tokio::test]
async fn who_stops_gives_the_lease_back_and_the_next_begins_at_once() {
    in_a_space(|space| async move {
        let diary = Diary::default();
        let mut runners = Vec::new();
        for name in ["a", "b", "c"] {
            let runner = run(&space, space.operator.clone(), name, &diary);
            eventually("it is ready", || async { runner.health.is_working() }).await;
            runners.push((name, runner));
        }
        for _ in 0..3 {
            eventually("somebody works", || async { working(&diary).is_some() }).await;
            let name = working(&diary).unwrap();
            let at = runners
                .iter()
                .position(|(other, _)| *other == name)
                .unwrap();
            let (_, runner) = runners.remove(at);
            runner.stop.cancel();
            assert_eq!(runner.task.await.unwrap(), Ok(()));
        }
        for pair in shifts(&diary).windows(2) {
            let gap = pair[1].1 - pair[0].2.unwrap();
            assert!(gap < TERMS.renew, "{gap:?} is longer than a look");
        }
        let left = lease(&space).await.spec.unwrap();
        assert_eq!(left.holder_identity.as_deref(), Some(""));
    })
    .await;
}

#[tokio::test]
async fn who_read_a_stale_lease_gets_a_conflict_and_does_not_lead() {
    in_a_space(|space| async move {
        let diary = Diary::default();
        let free: Lease = serde_json::from_value(
            json!({"metadata": {"name": LEASE}, "spec": {"holderIdentity": ""}}),
        )
        .unwrap();
        let leases = Api::<Lease>::namespaced(space.client.clone(), &space.name);
        leases.create(&PostParams::default(), &free).await.unwrap();
        // Between its look and its write lies a second in which the other one takes the lease.
        let client = broken_client(|request| match *request.method() {
            Method::PUT => Fault::Late(Duration::from_millis(900)),
            _ => Fault::None,
        })
        .await;
        let slow = run(&space, client, "slow", &diary);
        sleep(Duration::from_millis(300)).await;
        let quick = run(&space, space.operator.clone(), "quick", &diary);
        eventually("somebody works", || async { working(&diary).is_some() }).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(working(&diary).as_deref(), Some("quick"));
        assert_eq!(shifts(&diary).len(), 1);
        for runner in [slow, quick] {
            runner.stop.cancel();
            assert_eq!(runner.task.await.unwrap(), Ok(()));
        }
    })
    .await;
}

/// A client whose way to the API server can be cut: no answers come any more.
async fn cuttable() -> (Client, Arc<AtomicBool>) {
    let cut = Arc::new(AtomicBool::new(false));
    let seen = cut.clone();
    let client = broken_client(move |_| {
        if seen.load(Ordering::SeqCst) {
            Fault::Hang
        } else {
            Fault::None
        }
    });
    (client.await, cut)
}

#[tokio::test]
async fn a_holder_that_cannot_renew_drops_its_work_before_another_can_begin() {
    in_a_space(|space| async move {
        let diary = Diary::default();
        let (client, cut) = cuttable().await;
        let lonely = run(&space, client, "lonely", &diary);
        eventually("it works", || async { working(&diary).is_some() }).await;
        let other = run(&space, space.operator.clone(), "other", &diary);
        sleep(TERMS.retry * 2).await;
        let since = Instant::now();
        cut.store(true, Ordering::SeqCst);
        let lost = lonely.task.await.unwrap();
        assert_eq!(lost, Err(Lost::Overdue(LEASE.to_owned())));
        assert!(
            since.elapsed() <= TERMS.renew + TERMS.retry,
            "{:?}",
            since.elapsed()
        );
        assert!(lonely.metrics.text().contains("operator_leader 0"));
        assert!(!lonely.health.is_working());
        eventually("the other works", || async {
            working(&diary).as_deref() == Some("other")
        })
        .await;
        let shifts = shifts(&diary);
        let gap = shifts[1].1 - shifts[0].2.unwrap();
        assert!(
            gap * 2 > TERMS.lease.saturating_sub(TERMS.renew),
            "only {gap:?} between them"
        );
        other.stop.cancel();
        assert_eq!(other.task.await.unwrap(), Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_was_given_to_another_ends_the_work_of_its_holder() {
    in_a_space(|space| async move {
        let diary = Diary::default();
        let holder = run(&space, space.operator.clone(), "holder", &diary);
        eventually("it works", || async { working(&diary).is_some() }).await;
        let leases = Api::<Lease>::namespaced(space.client.clone(), &space.name);
        eventually("it is given away", || async {
            let mut given = lease(&space).await;
            given.spec.as_mut().unwrap().holder_identity = Some("somebody".to_owned());
            leases
                .replace(LEASE, &PostParams::default(), &given)
                .await
                .is_ok()
        })
        .await;
        assert_eq!(
            holder.task.await.unwrap(),
            Err(Lost::Taken(LEASE.to_owned()))
        );
        assert_eq!(working(&diary), None);
    })
    .await;
}

/// A whole operator that takes part; it says why it ended.
async fn operator(
    space: &Space,
    name: &str,
) -> (CancellationToken, JoinHandle<Result<(), String>>, Health) {
    let (stop, health) = (CancellationToken::new(), Health::default());
    let operator = Operator {
        settings: space.settings(),
        metrics: Metrics::default(),
        health: health.clone(),
    };
    let config = operator_config().await;
    let run = operator.lead(config, seat(space, name), stop.clone());
    let task = tokio::spawn(async move { run.await.map_err(|why| why.to_string()) });
    (stop, task, health)
}

#[tokio::test]
async fn of_two_operators_the_second_goes_on_where_the_first_was_killed() {
    in_a_space(|space| async move {
        let (_, mut first, _) = operator(&space, "first").await;
        space.town("{}").await;
        tokio::select! {
            () = space.until_built() => {}
            ended = &mut first => panic!("the first one is gone: {ended:?}"),
        }
        let (stop, second, health) = operator(&space, "second").await;
        eventually("the standby is ready", || async { health.is_working() }).await;
        first.abort();
        let _ = first.await;
        space.town("info: {name: changed}").await;
        space.until_observed().await;
        let config = space.get("ConfigMap", "town-config").await.unwrap();
        assert!(config.data.to_string().contains("changed"));
        stop.cancel();
        assert_eq!(second.await.unwrap(), Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_closed_fence_lets_no_request_of_the_work_pass() {
    in_a_space(|space| async move {
        let asked = Arc::new(AtomicU64::new(0));
        let seen = asked.clone();
        let count = FilterLayer::new(move |request: Request<Body>| {
            seen.fetch_add(1, Ordering::SeqCst);
            Ok::<_, BoxError>(request)
        });
        let candidate = Candidate::new(space.client.clone(), seat(&space, "x"), Metrics::default());
        let fence = candidate.fence();
        let builder = ClientBuilder::try_from(operator_config().await).unwrap();
        let client = builder
            .with_layer(&count)
            .with_layer(&fence.layer())
            .build();
        let why = client.apiserver_version().await.unwrap_err().to_string();
        assert!(why.contains("does not lead"), "{why}");
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        fence.open_until(Instant::now() + Duration::from_secs(60));
        client.apiserver_version().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    })
    .await;
}
