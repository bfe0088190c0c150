//! Who may come in: the cap on half-open connections, the limits on open ones, in all and per address, and the addresses.
//!
//! A connection is *half-open* until its HTTP phase is over. Those are capped, in all and per address, and where a cap is reached the
//! oldest gives way, closed without a word: somebody who is slow on purpose loses to somebody who comes now, and never shuts others
//! out. A trusted proxy has no share of its own: it brings many clients. Once its PROXY header names one, the connection is that
//! client's.
//!
//! A *session* is an upgraded connection; beyond its limits an upgrade is answered 503 or 429. The limits are hot: they are
//! judged when somebody comes, and nobody who is in is thrown out.
//!
//! IPv6 clients are counted by their /64 ([`network`]).

use super::peer_addr;
use crate::{
    metrics::{Limited, Metrics},
    policy::{lists::Rules, network::network},
    telemetry::Seldom,
};
use arc_swap::ArcSwap;
use relay_config::Hot;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Counts who is in.
#[derive(Debug)]
pub struct Gate {
    hot: Arc<ArcSwap<Hot>>,
    rules: Arc<ArcSwap<Rules>>,
    metrics: Arc<Metrics>,
    caps: Caps,
    counts: Mutex<Counts>,
    line: Seldom,
}

#[derive(Debug, Default)]
struct Counts {
    next: u64,
    /// By the order in which they came.
    half_open: BTreeMap<u64, Waiting>,
    sessions: usize,
    addresses: HashMap<IpAddr, Count>,
}

/// A half-open connection.
#[derive(Debug)]
struct Waiting {
    /// Whose share it takes; nobody's while only the proxy is known.
    address: Option<IpAddr>,
    gives_way: CancellationToken,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    half_open: usize,
    sessions: usize,
}

/// What the process can hold, whatever the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Connections whose HTTP phase is not over.
    pub half_open: usize,
    /// Sessions: what the limit of open files leaves.
    pub sessions: usize,
}

impl Caps {
    /// Most half-open connections that are worth having.
    const HALF_OPEN: usize = 1024;

    /// Files of the store, of the ops port, of the log.
    const RESERVE: usize = 256;

    /// Shares out a limit of open files, so that the store and the ops port never find it used up by clients.
    pub fn of_files(files: usize) -> Self {
        let half_open = Self::HALF_OPEN.min(files / 8);
        let reserve = Self::RESERVE.min(files / 4);
        Self {
            half_open,
            sessions: files.saturating_sub(half_open + reserve),
        }
    }
}

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The process has as many sessions as it may.
    Connections,
    /// This address has as many sessions as it may.
    Address,
}

/// One half-open connection, until it is dropped.
#[derive(Debug)]
pub struct HalfOpen {
    gate: Arc<Gate>,
    number: u64,
    gives_way: CancellationToken,
}

/// One session, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Gate {
    /// A gate that nobody has passed yet.
    pub fn new(
        hot: Arc<ArcSwap<Hot>>,
        rules: Arc<ArcSwap<Rules>>,
        metrics: Arc<Metrics>,
        caps: Caps,
    ) -> Arc<Self> {
        Arc::new(Self {
            hot,
            rules,
            metrics,
            caps,
            counts: Mutex::default(),
            line: Seldom::default(),
        })
    }

    /// A connection was accepted from `peer`. None: there is no room for any.
    pub fn accept(self: &Arc<Self>, peer: IpAddr) -> Option<HalfOpen> {
        if self.caps.half_open == 0 {
            return None;
        }
        let hot = self.hot.load();
        let client = !peer_addr::is_trusted(peer, &hot.trusted_proxies);
        let mut counts = self.counts();
        if counts.half_open.len() >= self.caps.half_open && counts.push_out(None) {
            self.refuse(Limited::HalfOpen);
        }
        let number = counts.next;
        counts.next += 1;
        let gives_way = CancellationToken::new();
        let waiting = Waiting {
            address: None,
            gives_way: gives_way.clone(),
        };
        counts.half_open.insert(number, waiting);
        drop(counts);
        let half_open = HalfOpen {
            gate: Arc::clone(self),
            number,
            gives_way,
        };
        if client {
            half_open.belongs_to(peer);
        }
        Some(half_open)
    }

    /// May a client with this address be here at all (`hot.addresses`)?
    pub fn lets_in(&self, address: IpAddr) -> bool {
        let admitted = self.rules.load().terms().addresses.admit(address);
        if !admitted {
            self.refuse(Limited::Addresses);
        }
        admitted
    }

    /// The configuration in force.
    pub(super) fn hot(&self) -> arc_swap::Guard<Arc<Hot>> {
        self.hot.load()
    }

    /// A connection asks to become a session.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, Full> {
        let address = network(address);
        let hot = self.hot.load();
        let mut counts = self.counts();
        let same = counts.addresses.get(&address).copied().unwrap_or_default();
        let most = hot.limits.connections.len().min(self.caps.sessions);
        if counts.sessions >= most {
            self.refuse(Limited::Connections);
            return Err(Full::Connections);
        }
        if same.sessions >= hot.limits.connections_per_address.len() {
            self.refuse(Limited::ConnectionsPerAddress);
            return Err(Full::Address);
        }
        counts.sessions += 1;
        counts.addresses.entry(address).or_default().sessions += 1;
        self.metrics.active_connections.inc();
        self.metrics.connections.inc();
        Ok(Admitted {
            gate: Arc::clone(self),
            address,
        })
    }

    /// Counts a refusal, and says so now and then.
    pub(super) fn refuse(&self, limit: Limited) {
        self.metrics.limited(limit);
        if self.line.is_due() {
            let limit = limit.as_str();
            tracing::warn!(
                limit,
                "connections are refused; further ones are only counted for a while"
            );
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// The oldest half-open connection is over: of one address, or of all.
    fn push_out(&mut self, of: Option<IpAddr>) -> bool {
        let mut waiting = self.half_open.iter();
        let oldest = waiting.find(|(_, waiting)| of.is_none() || waiting.address == of);
        let Some(number) = oldest.map(|(number, _)| *number) else {
            return false;
        };
        if let Some(waiting) = self.forget(number) {
            waiting.gives_way.cancel();
        }
        true
    }

    fn forget(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.half_open.remove(&number)?;
        if let Some(address) = waiting.address {
            self.leave(address, |count| count.half_open -= 1);
        }
        Some(waiting)
    }

    fn leave(&mut self, address: IpAddr, part: impl Fn(&mut Count)) {
        if let Some(count) = self.addresses.get_mut(&address) {
            part(count);
            if *count == Count::default() {
                self.addresses.remove(&address);
            }
        }
    }
}

impl HalfOpen {
    /// Whose it is: it takes a place of this address' share. The oldest one of a full share gives way.
    pub fn belongs_to(&self, client: IpAddr) {
        let address = network(client);
        let share = self.gate.hot.load().limits.connections_per_address.len();
        let mut counts = self.gate.counts();
        let count = counts.addresses.get(&address);
        let full = count.is_some_and(|count| count.half_open >= share);
        if full && counts.push_out(Some(address)) {
            self.gate.refuse(Limited::HalfOpen);
        }
        // It may have had to give way itself meanwhile.
        let Some(waiting) = counts.half_open.get_mut(&self.number) else {
            return;
        };
        let before = waiting.address.replace(address);
        counts.addresses.entry(address).or_default().half_open += 1;
        if let Some(before) = before {
            counts.leave(before, |count| count.half_open -= 1);
        }
    }

    /// Resolves when this connection has to give way to a newer one.
    pub fn gives_way(&self) -> impl Future<Output = ()> + Send + use<> {
        self.gives_way.clone().cancelled_owned()
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.gate.counts().forget(self.number);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.sessions -= 1;
        counts.leave(self.address, |count| count.sessions -= 1);
        self.gate.metrics.active_connections.dec();
    }
}

#[cfg(test)]
mod tests;
