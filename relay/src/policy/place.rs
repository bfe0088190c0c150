//! Relay URLs as places: do two spellings name the same relay? One rule for AUTH (NIP-42) and requests to vanish (NIP-62).
//!
//! URLs are parsed (WHATWG: host in lower case and punycode, default ports known), never searched for parts of each other.

use url::{Host, Url};

/// Where a relay URL leads. The scheme counts only for its default port: a proxy may speak TLS for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    host: Host,
    port: u16,
    /// Without a slash at its end.
    path: String,
}

impl Place {
    /// The place of a `ws`, `wss`, `http` or `https` URL that carries no user name.
    pub fn of(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let speaks = matches!(url.scheme(), "ws" | "wss" | "http" | "https");
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !speaks || !anonymous {
            return None;
        }
        Some(Self {
            host: url.host()?.to_owned(),
            port: url.port_or_known_default()?,
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Is this the machine itself?
    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }
}

/// May a client that means us call us `named`? With `url` it must be that host and port, and the path too where `url` has
/// one, for then others are served beside us. Without it we know no name but the machine's own: what a client put into its
/// `Host` header is no proof, because whoever passes a stranger's login on to us chooses that header.
pub fn is_ours(url: Option<&str>, named: &str) -> bool {
    let Some(named) = Place::of(named) else {
        return false;
    };
    let Some(ours) = url else {
        return named.is_loopback();
    };
    Place::of(ours).is_some_and(|ours| {
        let same_host = ours.host == named.host && ours.port == named.port;
        same_host && (ours.path.is_empty() || ours.path == named.path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_many_spellings() {
        let ours = Some("wss://Relay.example");
        for named in [
            "wss://relay.example",
            "WSS://RELAY.example:443/",
            "https://relay.example/",
            "wss://relay.example/any/path?and=query",
            "ws://relay.example:443",
        ] {
            assert!(is_ours(ours, named), "{named}");
        }
        assert!(is_ours(
            Some("wss://bücher.example"),
            "wss://xn--bcher-kva.example"
        ));
        assert!(is_ours(
            Some("wss://xn--bcher-kva.example"),
            "wss://BÜCHER.example/"
        ));
        assert!(is_ours(Some("ws://[::1]:7777"), "ws://[0:0::1]:7777"));
    }

    #[test]
    fn what_only_looks_alike_is_another_place() {
        let ours = Some("wss://relay.example");
        for named in [
            "wss://relay.example.evil",
            "wss://evil.example/relay.example",
            "wss://evil.example/?wss://relay.example",
            "wss://relay.example@evil.example",
            "wss://user@relay.example",
            "wss://:secret@relay.example",
            "wss://relay.example:444",
            "ws://relay.example",
            "ftp://relay.example:443",
            "wss://sub.relay.example",
            "relay.example",
            "",
            "wss://",
        ] {
            assert!(!is_ours(ours, named), "{named}");
        }
    }

    #[test]
    fn a_path_counts_where_others_are_served_beside_us() {
        let ours = Some("wss://example.org/town/");
        assert!(is_ours(ours, "wss://example.org/town"));
        assert!(!is_ours(ours, "wss://example.org/village"));
        assert!(!is_ours(ours, "wss://example.org"));
    }

    #[test]
    fn without_a_url_only_the_machine_itself_is_ours() {
        for named in ["ws://127.0.0.1:8080", "ws://localhost:8080/", "ws://[::1]"] {
            assert!(is_ours(None, named), "{named}");
        }
        for named in [
            "ws://192.0.2.1:8080",
            "wss://relay.example",
            "ws://localhost.evil",
        ] {
            assert!(!is_ours(None, named), "{named}");
        }
    }
}
