//! When an event may be from, and until when it is worth keeping (NIP-40).

use crate::wire::{Class, Event, Verdict};
use std::time::Duration;

/// An ephemeral event older than this many seconds is of no use to anybody.
pub const EPHEMERAL_SECONDS: u64 = 60;

/// `created_at` at most `ahead` in the future; ephemeral events fresh; not expired.
///
/// # Errors
/// `invalid:` with the field and its bound.
pub fn check(event: &Event, ahead: Duration, now: u64) -> Result<(), Verdict> {
    let (created_at, ahead) = (event.created_at(), ahead.as_secs());
    if created_at > now.saturating_add(ahead) {
        return Err(Verdict::invalid(format!(
            "created_at is more than {ahead} s in the future"
        )));
    }
    if event.class() == Class::Ephemeral && created_at.saturating_add(EPHEMERAL_SECONDS) < now {
        return Err(Verdict::invalid(format!(
            "created_at of an ephemeral event is more than {EPHEMERAL_SECONDS} s in the past"
        )));
    }
    if event.expiration().is_some_and(|end| end <= now) {
        return Err(Verdict::invalid("the event has expired"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event_at;

    const NOW: u64 = 1_700_000_000;

    fn at(kind: u16, created_at: u64, tags: &str) -> Result<(), Verdict> {
        check(
            &event_at(kind, tags, "", created_at),
            Duration::from_secs(900),
            NOW,
        )
    }

    #[test]
    fn the_future_begins_after_fifteen_minutes() {
        assert_eq!(at(1, NOW + 900, "[]"), Ok(()));
        assert!(at(1, NOW + 901, "[]").is_err());
    }

    #[test]
    fn the_past_has_no_bound() {
        assert_eq!(at(1, 0, "[]"), Ok(()));
        assert_eq!(at(1059, NOW - 200_000, "[]"), Ok(()));
    }

    #[test]
    fn an_ephemeral_event_is_welcome_for_a_minute() {
        assert_eq!(at(20_001, NOW - 60, "[]"), Ok(()));
        assert!(at(20_001, NOW - 61, "[]").is_err());
        assert_eq!(at(30_001, NOW - 61, "[]"), Ok(()));
    }

    #[test]
    fn an_expired_event_is_refused_and_an_unreadable_date_is_ignored() {
        let tag = |value: &str| format!(r#"[["expiration","{value}"]]"#);
        assert_eq!(at(1, NOW, &tag(&(NOW + 1).to_string())), Ok(()));
        assert!(at(1, NOW, &tag(&NOW.to_string())).is_err());
        assert_eq!(at(1, NOW, &tag("tomorrow")), Ok(()));
    }
}
