//! Whose share a client's address takes: IPv6 clients are counted by their /64, which is what one customer gets.

use std::net::{IpAddr, Ipv6Addr};

/// What is counted as one address.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
