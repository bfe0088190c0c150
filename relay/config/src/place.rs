//! Relay URLs as places: do two spellings name the same relay? One rule for the configuration (`hot.url`), logins (NIP-42) and
//! requests to vanish (NIP-62).
//!
//! URLs are parsed (WHATWG: host in lower case and punycode, default ports known), never searched for parts of each other.

use url::{Host, Url};

/// Where a relay URL leads. The scheme counts only for its default port: a proxy may speak TLS for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name or address.
    pub host: Host,
    /// Its own, or the scheme's.
    pub port: u16,
    /// Without a slash at its end: empty for the root.
    pub path: String,
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

    /// The place of a relay's own URL, which is written for people to type: nothing in it that parsers forgive or leave out.
    pub fn of_relay(url: &str) -> Option<Self> {
        let rest = url
            .strip_prefix("wss://")
            .or_else(|| url.strip_prefix("ws://"))?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\');
        let authority = rest.split('/').next().unwrap_or_default();
        if url.contains(odd) || authority.is_empty() || authority.contains('@') {
            return None;
        }
        let place = Self::of(url)?;
        let is_whole = match &place.host {
            Host::Domain(name) => name.split('.').all(|label| !label.is_empty()),
            Host::Ipv4(_) | Host::Ipv6(_) => true,
        };
        (is_whole && place.port != 0).then_some(place)
    }

    /// Is this the machine itself?
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_url_is_what_a_login_can_match() {
        for url in [
            "wss://relay.example.com",
            "wss://relay.example.com/",
            "ws://10.0.0.1:8080/path/deeper",
            "ws://[2001:db8::1]:65535",
            "ws://town.here.svc:8080",
            "wss://bücher.example",
            "ws://r:1",
            "wss://a.example/with@sign",
        ] {
            assert!(Place::of_relay(url).is_some(), "{url}");
        }
        for url in [
            "",
            "wss://",
            "wss:///path",
            "relay.example.com",
            "https://relay.example.com",
            "WSS://relay.example.com",
            "wss://host:99999",
            "wss://host:0",
            "wss://host:port",
            "wss://a b",
            "wss://a\tb",
            "wss://x..y",
            "wss://.x",
            "wss://x.",
            "wss://999.1.1.1",
            "wss://[::1",
            "wss://[12345::]",
            "wss://user@relay.example.com",
            "wss://@relay.example.com",
            "wss://relay.example.com?query",
            "wss://relay.example.com/#top",
            "wss:\\\\relay.example.com",
        ] {
            assert_eq!(Place::of_relay(url), None, "{url}");
        }
    }

    #[test]
    fn a_path_has_no_slash_at_its_end() {
        let path = |url| Place::of_relay(url).unwrap().path;
        assert_eq!(path("wss://a.example/"), "");
        assert_eq!(path("wss://a.example/town/"), "/town");
        assert_eq!(path("wss://a.example/bücher"), "/b%C3%BCcher");
    }
}
