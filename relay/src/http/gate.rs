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
//! IPv6 clients are counted by their /64, which is what one customer gets.

use super::peer_addr;
use crate::{
    metrics::{Limited, Metrics},
    telemetry::Seldom,
};
use arc_swap::ArcSwap;
use relay_config::Hot;
use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Counts who is in.
#[derive(Debug)]
pub struct Gate {
    hot: Arc<ArcSwap<Hot>>,
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
    pub fn new(hot: Arc<ArcSwap<Hot>>, metrics: Arc<Metrics>, caps: Caps) -> Arc<Self> {
        Arc::new(Self {
            hot,
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
        let admitted = self.hot.load().addresses.admit(address);
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
        let Counts {
            half_open,
            addresses,
            ..
        } = &mut *counts;
        // It may have had to give way itself meanwhile.
        if let Some(waiting) = half_open.get_mut(&self.number) {
            waiting.address = Some(address);
            addresses.entry(address).or_default().half_open += 1;
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

/// What is counted as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_config::Bounded;

    fn gate(connections: u64, per_address: u64, half_open: usize) -> Arc<Gate> {
        let caps = Caps {
            half_open,
            sessions: 100,
        };
        let hot = hot(connections, per_address);
        Gate::new(hot, Arc::new(Metrics::new()), caps)
    }

    fn hot(connections: u64, per_address: u64) -> Arc<ArcSwap<Hot>> {
        Arc::new(ArcSwap::from_pointee(limits(connections, per_address)))
    }

    fn limits(connections: u64, per_address: u64) -> Hot {
        let mut hot = Hot::default();
        hot.limits.connections = bounded(connections);
        hot.limits.connections_per_address = bounded(per_address);
        hot
    }

    fn bounded(value: u64) -> Bounded<1, 1_000_000> {
        serde_json::from_value(value.into()).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Has it had to give way?
    fn is_over(half_open: &HalfOpen) -> bool {
        half_open.gives_way.is_cancelled()
    }

    #[test]
    fn where_half_open_places_are_full_the_oldest_gives_way() {
        let gate = gate(10, 10, 2);
        let accept = |text| gate.accept(address(text)).unwrap();
        let first = accept("10.0.0.1");
        let second = accept("10.0.0.2");
        assert!(!is_over(&first) && !is_over(&second));
        let third = accept("10.0.0.3");
        assert!(is_over(&first) && !is_over(&second) && !is_over(&third));
        drop(first);
        assert_eq!(gate.counts().half_open.len(), 2, "it is counted out once");
        drop(second);
        let _fourth = accept("10.0.0.4");
        assert!(!is_over(&third), "there was a place");
    }

    #[test]
    fn one_address_only_pushes_out_its_own() {
        let gate = gate(10, 2, 100);
        let accept = |text| gate.accept(address(text)).unwrap();
        let other = accept("10.0.0.2");
        let held: Vec<_> = (0..5).map(|_| accept("10.0.0.1")).collect();
        let over: Vec<_> = held.iter().map(is_over).collect();
        assert_eq!(over, [true, true, true, false, false]);
        assert!(!is_over(&other));
        assert_eq!(gate.counts().half_open.len(), 3);
    }

    #[test]
    fn a_trusted_proxy_has_no_share_but_its_clients_have() {
        let trusting = |proxies: &str| {
            let mut hot = limits(10, 1);
            hot.trusted_proxies = vec![proxies.parse().unwrap()];
            hot
        };
        let gate = gate(10, 1, 100);
        gate.hot.store(Arc::new(trusting("10.0.0.0/8")));
        let proxied: Vec<_> = (0..4)
            .map(|_| gate.accept(address("10.0.0.1")).unwrap())
            .collect();
        assert!(!proxied.iter().any(is_over));
        for half_open in &proxied[..3] {
            half_open.belongs_to(address("192.0.2.7"));
        }
        proxied[3].belongs_to(address("192.0.2.8"));
        let over: Vec<_> = proxied.iter().map(is_over).collect();
        assert_eq!(over, [true, true, false, false]);
        drop(proxied);
        assert!(gate.counts().addresses.is_empty());
    }

    #[test]
    fn listed_addresses_are_judged_by_what_is_in_force() {
        let gate = gate(10, 10, 10);
        assert!(gate.lets_in(address("192.0.2.7")));
        let mut hot = limits(10, 10);
        hot.addresses.deny = vec!["192.0.2.0/24".parse().unwrap()];
        gate.hot.store(Arc::new(hot));
        assert!(!gate.lets_in(address("192.0.2.7")) && !gate.lets_in(address("::ffff:192.0.2.7")));
        assert!(gate.lets_in(address("192.0.3.7")) && gate.lets_in(address("2001:db8::1")));
    }

    #[test]
    fn sessions_are_limited_in_all_and_per_address() {
        let gate = gate(3, 2, 10);
        let one = gate.admit(address("10.0.0.1")).unwrap();
        let _two = gate.admit(address("::ffff:10.0.0.1")).unwrap();
        assert_eq!(gate.admit(address("10.0.0.1")).unwrap_err(), Full::Address);
        let _three = gate.admit(address("10.0.0.2")).unwrap();
        assert_eq!(
            gate.admit(address("10.0.0.3")).unwrap_err(),
            Full::Connections
        );
        assert_eq!(gate.metrics.active_connections.get(), 3);
        drop(one);
        assert!(gate.admit(address("10.0.0.1")).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let gate = gate(10, 1, 10);
        let _one = gate.admit(address("2001:db8:1:2::1")).unwrap();
        assert!(gate.admit(address("2001:db8:1:2:ffff::9")).is_err());
        assert!(gate.admit(address("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn a_lowered_limit_throws_nobody_out() {
        let gate = gate(10, 10, 10);
        let one = gate.admit(address("10.0.0.1")).unwrap();
        let _two = gate.admit(address("10.0.0.1")).unwrap();
        gate.hot.store(Arc::new(limits(1, 1)));
        assert!(gate.admit(address("10.0.0.1")).is_err());
        assert_eq!(gate.counts().sessions, 2);
        drop(one);
        assert!(gate.admit(address("10.0.0.1")).is_err(), "one is still in");
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let gate = gate(10, 10, 10);
        drop(gate.accept(address("10.0.0.1")));
        drop(gate.admit(address("10.0.0.2")));
        assert!(gate.counts().half_open.is_empty());
        assert!(gate.counts().addresses.is_empty());
    }

    #[test]
    fn clients_never_use_up_the_limit_of_open_files() {
        let large = Caps {
            half_open: 1024,
            sessions: 18_720,
        };
        assert_eq!(Caps::of_files(20_000), large);
        for files in [0, 1, 8, 64, 256, 1024, 4096, 1 << 20] {
            let caps = Caps::of_files(files);
            assert!(
                caps.half_open + caps.sessions <= files - files.min(1024) / 4,
                "{files}: {caps:?}"
            );
        }
        let gate = Gate::new(hot(1000, 1000), Arc::new(Metrics::new()), Caps::of_files(8));
        let held: Vec<_> = (0..20).map(|_| gate.admit(address("10.0.0.1"))).collect();
        assert_eq!(held.iter().filter(|held| held.is_ok()).count(), 5);
    }
}
