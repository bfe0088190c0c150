//! Which address a request comes from: the connection's, or the one that a trusted proxy names in `X-Forwarded-For`.
//!
//! Each proxy appends the address that it saw, so the list is read from its right end: the first address that is no trusted
//! proxy's is the client's. What stands left of it was written by the client, and is not looked at. From an address that
//! is not trusted the header means nothing.

use http::HeaderMap;
use relay_config::Cidr;
use std::net::{IpAddr, SocketAddr};

/// As proxies write it; there may be several, and they count as one list.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Is this the address of a trusted proxy?
pub fn is_trusted(address: IpAddr, proxies: &[Cidr]) -> bool {
    proxies.iter().any(|range| range.contains(address))
}

/// The client's address. A list that cannot be read up to the client's entry leaves the connection's own.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
    if !is_trusted(peer, proxies) {
        return peer;
    }
    let values = headers.get_all(X_FORWARDED_FOR).into_iter();
    let entries: Vec<&[u8]> = values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    let mut client = peer;
    for entry in entries.into_iter().rev() {
        match address(entry) {
            Some(address) => client = address,
            None => return peer,
        }
        if !is_trusted(client, proxies) {
            break;
        }
    }
    client
}

/// An address; some proxies add the port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let alone = bare.unwrap_or(text).parse::<IpAddr>();
    let address = alone.or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client behind the trusted proxies 10.0.0.0/8 and 2001:db8::/32.
    fn behind(peer: &str, lists: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|range| range.parse().unwrap());
        let headers = lists.iter().map(|list| {
            let name = http::header::HeaderName::from_static(X_FORWARDED_FOR);
            (
                name,
                http::HeaderValue::from_bytes(list.as_bytes()).unwrap(),
            )
        });
        let headers = headers.collect();
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        for (lists, client) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["192.0.2.7:4711"], "192.0.2.7"),
            (&["::ffff:192.0.2.7"], "192.0.2.7"),
            (&["2a00::7"], "2a00::7"),
            (&["[2a00::7]"], "2a00::7"),
            (&["[2a00::7]:4711"], "2a00::7"),
            (&["192.0.2.7, 10.0.0.9 ,2001:db8::1"], "192.0.2.7"),
            (&["192.0.2.7", "10.0.0.9"], "192.0.2.7"),
        ] {
            assert_eq!(behind("10.0.0.1", lists), client, "{lists:?}");
        }
    }

    #[test]
    fn what_a_client_wrote_before_the_proxies_did_is_not_believed() {
        for lists in [
            &["127.0.0.1, 192.0.2.7"][..],
            &["10.0.0.5, 192.0.2.7, 10.0.0.9"],
            &["<script>, 192.0.2.7"],
            &["127.0.0.1", "192.0.2.7"],
        ] {
            assert_eq!(behind("10.0.0.1", lists), "192.0.2.7", "{lists:?}");
        }
    }

    #[test]
    fn nobody_else_names_a_client() {
        assert_eq!(behind("192.0.2.1", &["127.0.0.1"]), "192.0.2.1");
    }

    #[test]
    fn an_unreadable_list_leaves_the_connections_address() {
        for lists in [
            &[][..],
            &[""],
            &["unknown"],
            &["192.0.2.7, "],
            &["192.0.2.7, _hidden"],
            &["192.0.2.256"],
            &["\u{fc}"],
        ] {
            assert_eq!(behind("10.0.0.1", lists), "10.0.0.1", "{lists:?}");
        }
    }

    #[test]
    fn if_all_are_proxies_the_farthest_is_the_client() {
        assert_eq!(behind("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }
}
