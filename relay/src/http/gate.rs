//! Who may come in: the cap on half-open connections, and the limits on open ones, in all and per address.
//!
//! A connection is *half-open* until its HTTP phase is over; those are capped and silently closed beyond the cap, because
//! an answer would cost what the cap is there to save. A *session* is an upgraded connection; beyond its limits an upgrade
//! is answered 503 or 429. Both limits are hot: they are judged when somebody comes, and nobody who is in is thrown out.
//!
//! IPv6 clients are counted by their /64, which is what one customer gets.

use crate::{
    metrics::{Limited, Metrics},
    telemetry::Seldom,
};
use arc_swap::ArcSwap;
use relay_config::Hot;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

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
    half_open: usize,
    sessions: usize,
    addresses: HashMap<IpAddr, Count>,
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
    address: IpAddr,
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

    /// A connection was accepted. None: too many are half-open, in all or from this address.
    pub fn accept(self: &Arc<Self>, address: IpAddr) -> Option<HalfOpen> {
        let address = network(address);
        let per_address = self.hot.load().limits.connections_per_address.len();
        let mut counts = self.counts();
        let same = counts.addresses.get(&address).copied().unwrap_or_default();
        if counts.half_open >= self.caps.half_open || same.half_open >= per_address {
            drop(counts);
            self.refuse(Limited::HalfOpen);
            return None;
        }
        counts.half_open += 1;
        counts.addresses.entry(address).or_default().half_open += 1;
        Some(HalfOpen {
            gate: Arc::clone(self),
            address,
        })
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

    fn refuse(&self, limit: Limited) {
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
    fn leave(&mut self, address: IpAddr, part: impl Fn(&mut Count)) {
        if let Some(count) = self.addresses.get_mut(&address) {
            part(count);
            if *count == Count::default() {
                self.addresses.remove(&address);
            }
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.half_open -= 1;
        counts.leave(self.address, |count| count.half_open -= 1);
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

    #[test]
    fn half_open_connections_are_capped_until_one_is_through() {
        let gate = gate(10, 10, 2);
        let first = gate.accept(address("10.0.0.1"));
        let second = gate.accept(address("10.0.0.2"));
        assert!(first.is_some() && second.is_some());
        assert!(gate.accept(address("10.0.0.3")).is_none());
        drop(first);
        assert!(gate.accept(address("10.0.0.3")).is_some());
    }

    #[test]
    fn one_address_cannot_take_all_half_open_places() {
        let gate = gate(10, 1, 100);
        let first = gate.accept(address("10.0.0.1"));
        assert!(first.is_some());
        assert!(gate.accept(address("10.0.0.1")).is_none());
        assert!(gate.accept(address("10.0.0.2")).is_some());
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
