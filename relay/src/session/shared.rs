//! What all sessions share.

use super::{
    refusals::Refusals,
    rights::Roll,
    room::{Full, Room, Rooms},
    warmth::Warmth,
};
use crate::{
    clock::Clock,
    hub::{Flow, Hub, flow},
    metrics::{Limited, Metrics},
    obituary::Obituaries,
    policy::lists::Rules,
    pool::Pool,
    role::Role,
    store::Store,
    wire::{Filter, PublicKey, Verdict},
};
use arc_swap::ArcSwap;
use relay_config::Hot;
use std::{fmt, io, net::IpAddr, sync::Arc, thread, time::Duration};

/// What the process has ready before the first session begins.
pub struct Parts {
    /// The open store.
    pub store: Store,
    /// The configuration in force; each message takes one snapshot.
    pub hot: Arc<ArcSwap<Hot>>,
    /// Who gets in: terms and lists in force; [`Shared::rejudge`] follows each swap.
    pub rules: Arc<ArcSwap<Rules>>,
    /// What the role of this process decides.
    pub role: Arc<dyn Role>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// Where the hub's thread leaves its obituary.
    pub obituaries: Obituaries,
}

/// What all sessions share.
pub struct Shared {
    pub(super) store: Store,
    pub(super) hub: Hub,
    pub(super) hot: Arc<ArcSwap<Hot>>,
    pub(super) rules: Arc<ArcSwap<Rules>>,
    pub(super) roll: Roll,
    pub(super) role: Arc<dyn Role>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) verifiers: Pool,
    pub(super) readers: Pool,
    pub(super) flow: Flow,
    pub(super) rooms: Arc<Rooms>,
    pub(super) refusals: Refusals,
    pub(super) pace: Pace,
    pub(super) warmth: Warmth,
}

/// How often, how long and how soon.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two WebSocket pings; who leaves two of them unanswered is dropped.
    pub ping: Duration,
    /// After a delivery was flushed, the next one waits for company until this time is over.
    pub rest: Duration,
    /// Who takes nothing for this long is dropped.
    pub stall: Duration,
    /// How long a goodbye may take.
    pub goodbye: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(30),
            rest: Duration::from_millis(4),
            stall: Duration::from_secs(60),
            goodbye: Duration::from_secs(1),
        }
    }
}

impl Shared {
    /// Starts the hub and the pools, one verify and one read thread per core, and makes the hub listen to the store.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(parts: Parts) -> io::Result<Arc<Self>> {
        Self::start_at_pace(parts, Pace::default())
    }

    /// The same at another pace, for tests.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start_at_pace(parts: Parts, pace: Pace) -> io::Result<Arc<Self>> {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let hub = Hub::start(Arc::clone(&parts.metrics), parts.obituaries.of("the hub"))?;
        parts.store.listen(Arc::new(hub.clone()));
        Ok(Arc::new(Self {
            store: parts.store,
            hub,
            hot: parts.hot,
            rules: parts.rules,
            roll: Roll::new(),
            role: parts.role,
            clock: parts.clock,
            metrics: parts.metrics,
            verifiers: Pool::start("verify", cores)?,
            readers: Pool::start("read", cores)?,
            flow: flow::whole(),
            rooms: Rooms::new(),
            refusals: Refusals::default(),
            pace,
            warmth: Warmth::default(),
        }))
    }

    /// Room for filters of this weight, beside all that is open on other connections.
    pub(super) fn room(&self, address: IpAddr, weight: usize) -> Result<Room, Verdict> {
        let limits = &self.hot.load().limits;
        let connections = (
            limits.connections_per_address.len(),
            limits.connections.len(),
        );
        self.rooms.take(address, weight, connections).map_err(|full| {
            self.metrics.limited(Limited::Filters);
            Verdict::rate_limited(match full {
                Full::Process => {
                    "the relay holds as many filters as it can, come back later".to_owned()
                }
                Full::Address(most) => format!(
                    "the filters of all subscriptions and counts from your address hold at most {most} values, close one first"
                ),
            })
        })
    }

    /// May a client that proved `keys` ask for this? The gate of REQ and COUNT.
    pub(super) fn may_ask(&self, filters: &[Filter], keys: &[PublicKey]) -> Result<(), Verdict> {
        self.may_read(keys)?;
        self.role.admit(filters, keys)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Shared").finish_non_exhaustive()
    }
}
