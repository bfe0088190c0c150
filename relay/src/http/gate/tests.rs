use super::*;
use relay_config::{Bounded, Lists, lists::Terms};

fn gate(connections: u64, per_address: u64, half_open: usize) -> Arc<Gate> {
    let caps = Caps {
        half_open,
        sessions: 100,
    };
    let hot = hot(connections, per_address);
    Gate::new(hot, open(), Arc::new(Metrics::new()), caps)
}

fn open() -> Arc<ArcSwap<Rules>> {
    Arc::new(ArcSwap::from_pointee(Rules::open()))
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

/// The proxies may change between the accept and the header.
#[test]
fn a_connection_takes_one_place_though_two_addresses_are_named_for_it() {
    let gate = gate(10, 1, 100);
    let half_open = gate.accept(address("10.0.0.1")).unwrap();
    half_open.belongs_to(address("192.0.2.7"));
    let second = gate.accept(address("10.0.0.1")).unwrap();
    assert!(!is_over(&half_open), "the first address is free again");
    drop((half_open, second));
    assert!(gate.counts().addresses.is_empty());
}

#[test]
fn listed_addresses_are_judged_by_what_is_in_force() {
    let gate = gate(10, 10, 10);
    assert!(gate.lets_in(address("192.0.2.7")));
    let mut terms = Terms::default();
    terms.addresses.deny = vec!["192.0.2.0/24".parse().unwrap()];
    let rules = Rules::new(&Lists::new(terms, Vec::new()));
    gate.rules.store(Arc::new(rules));
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
    let gate = Gate::new(
        hot(1000, 1000),
        open(),
        Arc::new(Metrics::new()),
        Caps::of_files(8),
    );
    let held: Vec<_> = (0..20).map(|_| gate.admit(address("10.0.0.1"))).collect();
    assert_eq!(held.iter().filter(|held| held.is_ok()).count(), 5);
}
