//! Is the relay that a client names us? One rule for AUTH (NIP-42) and requests to vanish (NIP-62); what a URL means is
//! [`relay_config::place`]'s.

use relay_config::Place;

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
