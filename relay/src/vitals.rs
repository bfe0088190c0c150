//! How the process fares, for probes: since when it runs, whether its event loop turns, whether it takes traffic and why not.

use crate::{drain::Drain, obituary::Obituaries, policy::lists::Rules, store::Store};
use arc_swap::ArcSwap;
use relay_config::status::StoreStatus;
use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the event loop says that it turns.
pub const BEAT: Duration = Duration::from_secs(1);

/// Without a beat for so long the process is not alive.
pub const DEAD_AFTER: Duration = Duration::from_secs(15);

/// What probes ask of the store.
pub trait Volume: Send + Sync {
    /// What it holds and how it fares.
    fn status(&self) -> StoreStatus;
    /// Why nothing can be written any more. The process must end then.
    fn failure(&self) -> Option<&'static str>;
    /// Rewrites what holds deleted text. Blocks, for minutes on a large store; says what it did.
    fn compact(&self) -> Result<String, String>;
}

impl Volume for Store {
    fn status(&self) -> StoreStatus {
        Store::status(self)
    }

    fn failure(&self) -> Option<&'static str> {
        Store::failure(self)
    }

    fn compact(&self) -> Result<String, String> {
        let report = Store::compact(self).map_err(|error| error.to_string())?;
        let (segments, bytes) = (report.segments, report.freed_bytes);
        Ok(format!(
            "{segments} segments rewritten, {bytes} bytes freed"
        ))
    }
}

/// Why the process must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The store can write nothing any more, for this reason.
    Store(&'static str),
    /// A thread or task of this name, which must live as long as the process, panicked.
    Panicked(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => write!(f, "the store failed: {why}"),
            Self::Panicked(name) => write!(f, "{name} panicked"),
        }
    }
}

/// Says in words what the start is doing, such as `rebuilding 41 %`.
pub type Progress = Box<dyn Fn() -> String + Send + Sync>;

/// How the process fares.
pub struct Vitals {
    started: Instant,
    /// Milliseconds from the start to the last beat.
    beat: AtomicU64,
    drain: Drain,
    progress: Progress,
    volume: OnceLock<Box<dyn Volume>>,
    /// The public port takes connections.
    listens: AtomicBool,
    obituaries: Obituaries,
    rules: Arc<ArcSwap<Rules>>,
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vitals")
            .field("not_ready", &self.not_ready())
            .finish_non_exhaustive()
    }
}

impl Vitals {
    /// A process that starts now. Until [`Vitals::opened`] it is not ready, and `progress` says why; nor until [`Vitals::listens`].
    pub fn new(drain: Drain, progress: Progress) -> Self {
        Self {
            started: Instant::now(),
            beat: AtomicU64::new(0),
            drain,
            progress,
            volume: OnceLock::new(),
            listens: AtomicBool::new(false),
            obituaries: Obituaries::default(),
            rules: Arc::new(ArcSwap::from_pointee(Rules::open())),
        }
    }

    /// Not ready either as long as these rules are shut.
    #[must_use]
    pub fn with_rules(self, rules: Arc<ArcSwap<Rules>>) -> Self {
        Self { rules, ..self }
    }

    /// The store is open.
    pub fn opened(&self, volume: Box<dyn Volume>) {
        let _ = self.volume.set(volume); // a process opens one store
    }

    /// The public port takes connections: whoever dials from now on is not refused by the kernel.
    pub fn listens(&self) {
        self.listens.store(true, Ordering::Release);
    }

    /// Where threads and tasks that must live as long as the process leave their obituaries.
    pub fn obituaries(&self) -> Obituaries {
        self.obituaries.clone()
    }

    /// Seconds since the start.
    pub fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Beats for ever, on the event loop that is to be watched.
    pub async fn beat(&self) {
        let mut ticks = tokio::time::interval(BEAT);
        loop {
            ticks.tick().await;
            self.beat.store(self.millis(), Ordering::Relaxed);
        }
    }

    /// Does the event loop turn?
    pub fn is_alive(&self) -> bool {
        self.silence() < DEAD_AFTER
    }

    fn silence(&self) -> Duration {
        let since = self
            .millis()
            .saturating_sub(self.beat.load(Ordering::Relaxed));
        Duration::from_millis(since)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Is it saying goodbye?
    pub fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }

    /// Why it takes no traffic; empty when it does.
    pub fn not_ready(&self) -> Cow<'static, str> {
        if let Some(failure) = self.failure() {
            return Cow::Owned(failure.to_string());
        }
        match self.volume.get() {
            None => Cow::Owned((self.progress)()),
            Some(_) if self.is_draining() => Cow::Borrowed("draining"),
            Some(_) if !self.listens.load(Ordering::Acquire) => {
                Cow::Borrowed("the public port is not open yet")
            }
            Some(_) if self.rules.load().is_shut() => {
                Cow::Borrowed("the allowlist has not arrived")
            }
            Some(_) => Cow::Borrowed(""),
        }
    }

    /// What the store holds; all zero until it is open.
    pub fn store(&self) -> StoreStatus {
        let volume = self.volume.get();
        volume.map(|volume| volume.status()).unwrap_or_default()
    }

    /// Compacts the store, once it is open. Blocks.
    pub fn compact(&self) -> Result<String, String> {
        match self.volume.get() {
            Some(volume) => volume.compact(),
            None => Err((self.progress)()),
        }
    }

    /// Why the process must end, if it must.
    pub fn failure(&self) -> Option<Failure> {
        let store = self.volume.get().and_then(|volume| volume.failure());
        let died = self.obituaries.first();
        let store = store.map(Failure::Store);
        store.or(died.map(Failure::Panicked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Option<&'static str>);

    impl Volume for Fake {
        fn status(&self) -> StoreStatus {
            StoreStatus {
                events: 7,
                ..StoreStatus::default()
            }
        }
        fn failure(&self) -> Option<&'static str> {
            self.0
        }
        fn compact(&self) -> Result<String, String> {
            Err("full".into())
        }
    }

    fn starting() -> (Drain, Vitals) {
        let drain = Drain::new(Duration::ZERO);
        let vitals = Vitals::new(drain.clone(), Box::new(|| "rebuilding 41 %".into()));
        (drain, vitals)
    }

    fn serving() -> (Drain, Vitals) {
        let (drain, vitals) = starting();
        vitals.opened(Box::new(Fake(None)));
        vitals.listens();
        (drain, vitals)
    }

    #[test]
    fn a_start_says_what_it_does_and_ends_ready() {
        let (_drain, vitals) = starting();
        assert_eq!(vitals.not_ready(), "rebuilding 41 %");
        assert_eq!(vitals.store(), StoreStatus::default());
        vitals.opened(Box::new(Fake(None)));
        assert_eq!(vitals.not_ready(), "the public port is not open yet");
        vitals.listens();
        assert_eq!(vitals.not_ready(), "");
        assert_eq!(vitals.store().events, 7);
    }

    #[test]
    fn a_drain_an_unknown_allowlist_and_a_broken_store_are_not_ready() {
        let (drain, vitals) = serving();
        drain.begin();
        assert_eq!(vitals.not_ready(), "draining");

        let (_drain, vitals) = serving();
        let rules = Arc::new(ArcSwap::from_pointee(Rules::shut()));
        let vitals = vitals.with_rules(Arc::clone(&rules));
        assert_eq!(vitals.not_ready(), "the allowlist has not arrived");
        rules.store(Arc::new(Rules::open()));
        assert_eq!(vitals.not_ready(), "");

        let (_drain, vitals) = starting();
        vitals.opened(Box::new(Fake(Some("fdatasync failed"))));
        assert_eq!(vitals.not_ready(), "the store failed: fdatasync failed");
        assert_eq!(vitals.failure(), Some(Failure::Store("fdatasync failed")));
    }

    #[test]
    fn a_thread_that_panicked_is_a_failure() {
        let (_drain, vitals) = serving();
        assert_eq!(vitals.failure(), None);
        let obituary = vitals.obituaries().of("the hub");
        let died = std::thread::spawn(move || {
            let _obituary = obituary;
            panic!("on purpose");
        });
        assert!(died.join().is_err());
        assert_eq!(vitals.failure(), Some(Failure::Panicked("the hub")));
        assert_eq!(vitals.not_ready(), "the hub panicked");
    }

    #[tokio::test]
    async fn the_event_loop_beats_at_once() {
        let (_drain, vitals) = starting();
        let _ = tokio::time::timeout(Duration::from_millis(20), vitals.beat()).await;
        assert!(vitals.is_alive());
        assert!(vitals.silence() < Duration::from_millis(500));
    }
}
