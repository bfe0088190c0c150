//! What is let in: pure functions of an event, the limits and the time. No I/O, no configuration of its own, no session.
//!
//! Each file is one rule or one family of rules; [`check`] is the order in which they are asked: after the text was
//! read strictly, before its signature costs anything (`session/judge.rs` has all steps). [`lists`] are asked with who is
//! speaking.

pub mod limits;
pub mod lists;
pub mod network;
pub mod place;
pub mod pow;
pub mod private;
pub mod protected;
pub mod time;
pub mod vanish;

use crate::wire::{Event, Verdict, kind};
use relay_config::{Hot, access::Kinds};

/// Asks every rule that needs neither the signature nor the store, and does not ask who is speaking. `kinds` are those in
/// force, which is not always what `hot` says.
///
/// # Errors
/// The verdict for the client, of the first rule that objects.
pub fn check(event: &Event, hot: &Hot, kinds: &Kinds, now: u64) -> Result<(), Verdict> {
    let limits = &hot.limits;
    if event.kind() == kind::AUTH {
        return Err(Verdict::invalid("AUTH events go in AUTH"));
    }
    takes(event, hot, kinds)?;
    limits::check(event, limits)?;
    time::check(event, limits.created_at_ahead.get(), now)?;
    pow::check(event, limits.min_pow.get())?;
    protected::check(event)?;
    vanish::check(event)
}

/// Is this kind taken? To vanish from here is everybody's right.
///
/// # Errors
/// `blocked:` with the kind.
pub fn takes(event: &Event, hot: &Hot, kinds: &Kinds) -> Result<(), Verdict> {
    let kind = event.kind();
    if kinds.takes(kind) || vanish::names_us(event, hot.url.as_deref()) {
        return Ok(());
    }
    Err(Verdict::blocked(format!("kind {kind} is not taken here")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A readable event, not a valid one: rules here run before id and signature are looked at.
    pub(crate) fn event(kind: u16, tags: &str, content: &str) -> Event {
        event_at(kind, tags, content, 1_700_000_000)
    }

    pub(crate) fn event_at(kind: u16, tags: &str, content: &str, created_at: u64) -> Event {
        let (id, pubkey, sig) = ("0f".repeat(32), "a1".repeat(32), "b2".repeat(64));
        let content = serde_json::to_string(content).unwrap();
        Event::read(&format!(
            r#"{{"id":"{id}","pubkey":"{pubkey}","created_at":{created_at},"kind":{kind},"tags":{tags},"content":{content},"sig":"{sig}"}}"#
        ))
        .unwrap()
    }

    #[test]
    fn an_auth_event_is_refused_and_its_neighbours_are_not() {
        let now = 1_700_000_000;
        let (hot, kinds) = (Hot::default(), Kinds::default());
        let check = |kind| check(&event(kind, "[]", ""), &hot, &kinds, now);
        assert_eq!(
            check(22_242).unwrap_err().to_string(),
            "invalid: AUTH events go in AUTH"
        );
        assert_eq!(check(22_241), Ok(()));
        assert_eq!(check(1), Ok(()));
    }

    #[test]
    fn a_kind_that_is_not_taken_is_named_and_a_request_to_vanish_from_here_always_is_taken() {
        let (hot, mut kinds) = (Hot::default(), Kinds::default());
        kinds.deny = vec!["4".parse().unwrap(), "62".parse().unwrap()];
        let check = |kind, tags| check(&event(kind, tags, ""), &hot, &kinds, 1_700_000_000);
        let refused = check(4, "[]").unwrap_err().to_string();
        assert_eq!(refused, "blocked: kind 4 is not taken here");
        assert_eq!(check(1, "[]"), Ok(()));
        assert_eq!(check(62, r#"[["relay","ALL_RELAYS"]]"#), Ok(()));
        assert!(check(62, r#"[["relay","wss://other.example"]]"#).is_err());
    }
}
