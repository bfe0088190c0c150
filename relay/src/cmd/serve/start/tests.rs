//! What cannot go on ends the process: exit code 1 and one line, never a relay that looks well and does nothing.

use super::*;
use crate::{
    clock::{Clock, SystemClock},
    hub::{Hub, Recipient},
    policy::{lists::Rules, private::Addressed},
    role::{Answer, Relay, Role},
    session::Parts,
    sign::Signer,
    store::{Answers, Outcome, Ticket},
    wire::{Event, Filter, PublicKey, Verdict, Verified},
};
use arc_swap::ArcSwap;
use relay_config::{Config, cold::LogFormat, hot::LogLevel};
use std::{fs, path::Path, thread};
use tokio::time::timeout;

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Nobody;

impl Answers for Nobody {
    fn answer(&self, _: &[(u64, Outcome)]) {}
}

fn options(dir: &Path) -> Options {
    Options::new(dir.join("data"), dir)
}

fn publish(store: &Store) {
    let text = Signer::from_seed(1).event(1_700_000_000, 1, &[], "hello");
    let event = Verified::check(Event::read(&text).unwrap()).unwrap();
    let to: Arc<dyn Answers> = Arc::new(Nobody);
    store.submit(vec![Ticket {
        event,
        vanish: false,
        token: 0,
        to,
    }]);
}

/// The vitals of a relay that serves from this store.
fn serving(store: &Store) -> Arc<Vitals> {
    let vitals = Vitals::new(Drain::new(Duration::ZERO), Box::new(String::new));
    vitals.opened(Box::new(store.clone()));
    vitals.listens();
    assert_eq!(vitals.not_ready(), "");
    Arc::new(vitals)
}

/// The line with which the process ends, and its exit code is 1. Not ready is why, meanwhile.
async fn last_line(store: Store, vitals: Arc<Vitals>) -> String {
    let started = Started {
        store,
        drain: Drain::new(Duration::ZERO),
        vitals: Arc::clone(&vitals),
        accepting: tokio::spawn(async {}),
    };
    let mut stops = Stops::listen().unwrap();
    let served = timeout(PATIENCE, started.serve(&mut stops)).await;
    let failure = served.expect("the relay goes on as if nothing had happened");
    let failure = failure.expect("no signal was sent");
    assert_eq!(vitals.not_ready(), failure.to_string());
    let stopped = timeout(PATIENCE, started.stop(&mut stops)).await;
    stopped.expect("the relay hangs at its end");
    let error = ServeError::Failed(failure);
    assert_eq!(error.exit_code(), 1);
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[tokio::test]
async fn a_store_that_fails_ends_the_relay_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.faults.sync = Some(Arc::new(|| Err(io::Error::other("broken disk"))));
    let store = Store::open(options).unwrap();
    let vitals = serving(&store);
    publish(&store);
    let line = last_line(store, vitals).await;
    assert!(line.starts_with("the store failed: "), "{line}");
    assert!(line.contains("check the volume"), "{line}");
}

/// A clock that breaks the thread of this name.
#[derive(Debug)]
struct Breaks(&'static str);

impl Clock for Breaks {
    fn now(&self) -> u64 {
        assert_ne!(thread::current().name(), Some(self.0), "on purpose");
        SystemClock.now()
    }
}

#[tokio::test]
async fn a_maintenance_thread_that_panics_ends_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.clock = Arc::new(Breaks("store-upkeep"));
    let store = Store::open(options).unwrap();
    let vitals = serving(&store);
    let line = last_line(store, vitals).await;
    assert!(line.contains("the maintenance thread"), "{line}");
}

/// A role that breaks whoever asks what may be seen.
struct Broken;

impl Role for Broken {
    fn answer(&self, _: &Event) -> Answer {
        Answer::Store
    }

    fn admit(&self, _: &[Filter], _: &[PublicKey]) -> Result<(), Verdict> {
        Ok(())
    }

    fn is_open(&self, _: u16) -> bool {
        panic!("on purpose")
    }

    fn may_read(&self, _: &dyn Addressed, _: &[PublicKey]) -> bool {
        false
    }
}

#[tokio::test]
async fn a_hub_that_panics_ends_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(options(dir.path())).unwrap();
    let vitals = serving(&store);
    let hub = Hub::start(Arc::default(), vitals.obituaries().of("the hub")).unwrap();
    let filters = [Filter::read("{}").unwrap()].into();
    hub.subscribe(Arc::new(Recipient::new(Arc::new(Broken))), filters);
    store.listen(Arc::new(hub));
    publish(&store);
    let line = last_line(store, vitals).await;
    assert!(line.starts_with("the hub panicked; "), "{line}");
}

#[tokio::test]
async fn a_watch_over_dates_that_panics_ends_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(options(dir.path())).unwrap();
    let vitals = serving(&store);
    let here = Box::leak(
        thread::current()
            .name()
            .unwrap()
            .to_owned()
            .into_boxed_str(),
    );
    let shared = Shared::start(Parts {
        store: store.clone(),
        hot: Arc::default(),
        rules: Arc::new(ArcSwap::from_pointee(Rules::open())),
        role: Arc::new(Relay),
        clock: Arc::new(Breaks(here)),
        metrics: Arc::default(),
        obituaries: vitals.obituaries(),
    });
    let dates = shared.unwrap().watch_dates();
    tokio::spawn(vitals.obituaries().over("the watch over dates", dates));
    let line = last_line(store, vitals).await;
    assert!(
        line.starts_with("the watch over dates panicked; "),
        "{line}"
    );
}

#[tokio::test]
async fn a_watch_over_the_configuration_that_panics_ends_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.yaml");
    fs::write(&path, "version: 1\n").unwrap();
    let data = dir.path().to_owned();
    let source = Source {
        path: Some(path.clone()),
        flags: Box::new(move |config: &mut Config| config.cold.data.clone_from(&data)),
    };
    let loaded = source.load().unwrap();
    let ground = Ground::new(&loaded, None, Arc::default());
    let reached = Reached {
        metrics: Arc::clone(&ground.metrics),
        level: telemetry::start(LogFormat::Text, LogLevel::Error),
        others: Box::new(|_| panic!("on purpose")),
        rejudge: Box::new(|| {}),
    };
    let store = Store::open(options(dir.path())).unwrap();
    ground.vitals.opened(Box::new(store.clone()));
    ground.watch(source, loaded, reached).await.unwrap();
    ground.vitals.listens();
    assert_eq!(ground.vitals.not_ready(), "");
    fs::write(&path, "version: 1\nhot: {limits: {subscriptions: 20}}\n").unwrap();
    let line = last_line(store, ground.vitals).await;
    assert!(
        line.starts_with("the watch over the configuration panicked; "),
        "{line}"
    );
}
