//! AUTH (NIP-42): from a signed answer to our challenge to a proved key.
//!
//! A challenge is 128 random bits, one per connection, sent when it opens and valid until it is closed: so several keys
//! may answer it. AUTH events are never stored, passed on or logged.

use crate::{
    metrics::AuthFailure,
    policy::place,
    wire::{Event, PublicKey, Verdict, Verified, id::push_hex, kind},
};

/// How far an AUTH event's `created_at` may be from now, in seconds.
const WINDOW: u64 = 600;

/// Keys that one connection may prove.
pub(super) const MOST: usize = 10;

/// What a client must sign to say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Challenge([u8; 16]);

impl Challenge {
    /// One that nobody can guess.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// As it stands in AUTH, both ways.
    pub(super) fn text(self) -> String {
        let mut text = String::with_capacity(32);
        push_hex(&mut text, &self.0);
        text
    }
}

/// Who asked, and when.
pub(super) struct Asked<'a> {
    pub(super) challenge: Challenge,
    /// What clients call us, if we know it.
    pub(super) url: Option<&'a str>,
    pub(super) now: u64,
}

impl Asked<'_> {
    /// The key that an AUTH event proves; the signature is looked at last.
    ///
    /// # Errors
    /// What is wrong with it, for the client and for the metrics.
    pub(super) fn check(&self, event: Event) -> Result<PublicKey, (AuthFailure, Verdict)> {
        self.check_claims(&event)?;
        match Verified::check(event) {
            Ok(event) => Ok(event.pubkey()),
            Err(invalid) => Err((AuthFailure::Signature, invalid.verdict)),
        }
    }

    fn check_claims(&self, event: &Event) -> Result<(), (AuthFailure, Verdict)> {
        let wrong = |failure, text: &'static str| Err((failure, Verdict::invalid(text)));
        let tag = |name| event.tags().first(name).and_then(|tag| tag.value());
        if event.kind() != kind::AUTH {
            return wrong(AuthFailure::Kind, "AUTH takes an event of kind 22242");
        }
        if event.created_at().abs_diff(self.now) > WINDOW {
            return wrong(
                AuthFailure::Time,
                "created_at is more than ten minutes from now, look at your clock",
            );
        }
        if tag("challenge") != Some(self.challenge.text().as_str()) {
            return wrong(
                AuthFailure::Challenge,
                "the challenge tag is not the challenge of this connection",
            );
        }
        if !tag("relay").is_some_and(|named| place::is_ours(self.url, named)) {
            return Err((AuthFailure::Relay, self.another_relay()));
        }
        Ok(())
    }

    fn another_relay(&self) -> Verdict {
        match self.url {
            Some(url) => Verdict::invalid(format!("the relay tag does not name {url}")),
            None => Verdict::invalid(
                "the relay tag must name this machine, for example ws://127.0.0.1: this relay was not told its url",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::Signer;

    const NOW: u64 = 1_700_000_000;

    const ASKED: Asked<'_> = Asked {
        challenge: Challenge([0xab; 16]),
        url: Some("wss://relay.example"),
        now: NOW,
    };

    fn check(created_at: u64, kind: u16, tags: &[&[&str]]) -> Result<PublicKey, AuthFailure> {
        let text = Signer::from_seed(1).event(created_at, kind, tags, "");
        let checked = ASKED.check(Event::read(&text).unwrap());
        checked.map_err(|(failure, verdict)| {
            assert!(verdict.to_string().starts_with("invalid: "), "{verdict}");
            failure
        })
    }

    #[test]
    fn a_signed_answer_to_our_challenge_proves_its_author() {
        let text = ASKED.challenge.text();
        assert_eq!(text, "ab".repeat(16));
        let tags: &[&[&str]] = &[&["relay", "wss://RELAY.example/"], &["challenge", &text]];
        let alice = Ok(Signer::from_seed(1).public_key());
        for created_at in [NOW, NOW - 600, NOW + 600] {
            assert_eq!(check(created_at, 22_242, tags), alice);
        }
    }

    #[test]
    fn whatever_is_wrong_with_an_answer_is_named() {
        let text = ASKED.challenge.text();
        let challenge: &[&str] = &["challenge", &text];
        let relay: &[&str] = &["relay", "wss://relay.example"];
        for (created_at, kind, tags, failure) in [
            (NOW, 1, &[relay, challenge][..], AuthFailure::Kind),
            (NOW - 601, 22_242, &[relay, challenge], AuthFailure::Time),
            (NOW + 601, 22_242, &[relay, challenge], AuthFailure::Time),
            (NOW, 22_242, &[relay], AuthFailure::Challenge),
            (
                NOW,
                22_242,
                &[relay, &["challenge", ""]],
                AuthFailure::Challenge,
            ),
            (
                NOW,
                22_242,
                &[relay, &["challenge", &text[1..]]],
                AuthFailure::Challenge,
            ),
            (NOW, 22_242, &[challenge], AuthFailure::Relay),
            (
                NOW,
                22_242,
                &[challenge, &["relay", "relay.example"]],
                AuthFailure::Relay,
            ),
            (
                NOW,
                22_242,
                &[challenge, &["relay", "wss://evil.example"]],
                AuthFailure::Relay,
            ),
        ] {
            assert_eq!(check(created_at, kind, tags), Err(failure), "{tags:?}");
        }
    }

    #[test]
    fn an_answer_that_somebody_else_signed_proves_nothing() {
        let text = ASKED.challenge.text();
        let tags: &[&[&str]] = &[&["relay", "wss://relay.example"], &["challenge", &text]];
        let signed = Signer::from_seed(1).event(NOW, 22_242, tags, "");
        let key = |seed| Signer::from_seed(seed).public_key().to_string();
        let stolen = signed.replace(&key(1), &key(2));
        let (failure, _) = ASKED.check(Event::read(&stolen).unwrap()).unwrap_err();
        assert_eq!(failure, AuthFailure::Signature);
        let (text, digit) = (
            signed.trim_end_matches("\"}"),
            if signed.ends_with("0\"}") { '1' } else { '0' },
        );
        let forged = format!("{}{digit}\"}}", &text[..text.len() - 1]);
        let (failure, _) = ASKED.check(Event::read(&forged).unwrap()).unwrap_err();
        assert_eq!(failure, AuthFailure::Signature);
    }

    #[test]
    fn no_two_connections_are_asked_the_same() {
        assert_ne!(Challenge::random(), Challenge::random());
    }
}
