//! Requests to vanish (NIP-62): which relays they name. What they delete is the store's business.

use crate::wire::{Event, Verdict, kind::VANISH};
use relay_config::Place;

/// The tag value that names every relay.
const ALL_RELAYS: &str = "ALL_RELAYS";

/// A request must name at least one relay.
///
/// # Errors
/// `invalid:` when it names none.
pub fn check(event: &Event) -> Result<(), Verdict> {
    if event.kind() == VANISH && relays(event).next().is_none() {
        return Err(Verdict::invalid(
            "a request to vanish needs at least one relay tag",
        ));
    }
    Ok(())
}

/// Is this a request to vanish from the relay that clients know as `url`, or from all relays? The whole URL counts, its
/// path too: what is deleted does not come back.
pub fn names_us(event: &Event, url: Option<&str>) -> bool {
    if event.kind() != VANISH {
        return false;
    }
    let ours = url.and_then(Place::of);
    relays(event).any(|relay| {
        let same = |ours: &Place| Place::of(relay).as_ref() == Some(ours);
        relay == ALL_RELAYS || ours.as_ref().is_some_and(same)
    })
}

fn relays(event: &Event) -> impl Iterator<Item = &str> {
    let named = event.tags().iter().filter(|tag| tag.name() == "relay");
    named.filter_map(|tag| tag.value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event;

    fn named(relay: &str) -> bool {
        let tags = format!(r#"[["relay","wss://other.example"],["relay","{relay}"]]"#);
        names_us(&event(62, &tags, ""), Some("wss://Relay.example/path"))
    }

    #[test]
    fn a_request_names_us_however_our_url_is_spelled() {
        assert!(named("wss://relay.example/path"));
        assert!(named("WSS://RELAY.example:443/path/"));
        assert!(named("https://relay.example/path"));
        assert!(named("ALL_RELAYS"));
    }

    #[test]
    fn a_request_that_names_others_does_not_name_us() {
        assert!(!named("wss://relay.example"));
        assert!(!named("wss://relay.example:444/path"));
        assert!(!named("wss://relay.example.evil/path"));
        assert!(!named("wss://evil@relay.example/path"));
        assert!(!named("all_relays"));
        assert!(!names_us(
            &event(1, r#"[["relay","ALL_RELAYS"]]"#, ""),
            None
        ));
    }

    #[test]
    fn a_request_that_names_no_relay_is_invalid() {
        assert!(check(&event(62, "[]", "")).is_err());
        assert_eq!(check(&event(62, r#"[["relay","wss://x"]]"#, "")), Ok(()));
        assert_eq!(check(&event(1, "[]", "")), Ok(()));
    }
}
