//! What was refused, for the log: facts for whoever wants to know why clients fail, and few lines, because strangers cause them.
//!
//! The first of each reason in each session is told, up to a bound for the process; of what follows one in ten seconds. A line says
//! what was asked and the verdict's prefix, and its text where that is words of this program alone: never content, a key or an id.

use crate::{
    telemetry::{Portion, Seldom},
    wire::{Prefix, Verdict},
};
use std::{
    borrow::Cow,
    sync::atomic::{AtomicU16, Ordering},
};

/// First refusals that are told in ten seconds, of all sessions.
const FIRST: u32 = 20;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Event,
    Auth,
    /// REQ or COUNT: CLOSED is the answer to both.
    Query,
    /// Nothing that can be named.
    Message,
}

impl Asked {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "EVENT",
            Self::Auth => "AUTH",
            Self::Query => "REQ or COUNT",
            Self::Message => "a message",
        }
    }
}

/// What the log was told of one session: a bit for each reason.
#[derive(Debug, Default)]
pub(super) struct Told(AtomicU16);

impl Told {
    /// Is this the session's first refusal with this reason?
    fn is_first(&self, reason: Prefix) -> bool {
        let bit = 1 << reason as u16;
        self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// What the log was told of all sessions.
#[derive(Debug)]
pub(super) struct Refusals {
    first: Portion,
    again: [Seldom; Prefix::ALL.len()],
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            first: Portion::new(FIRST),
            again: Default::default(),
        }
    }
}

impl Refusals {
    /// May a line be written about this refusal?
    pub(super) fn is_due(&self, told: &Told, reason: Prefix) -> bool {
        let again = self.again.get(reason as usize).is_some_and(Seldom::is_due);
        (told.is_first(reason) && self.first.is_due()) || again
    }
}

/// The verdict's text if all of it is words of this program; else nothing: it may quote what the client sent.
pub(super) fn fixed_words(verdict: &Verdict) -> &'static str {
    match verdict.text {
        Cow::Borrowed(words) => words,
        Cow::Owned(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_reason_in_each_session_is_told_and_what_follows_is_not() {
        let refusals = Refusals::default();
        for _session in 0..3 {
            let told = Told::default();
            for reason in [Prefix::Invalid, Prefix::Error] {
                assert!(refusals.is_due(&told, reason));
                assert!(!refusals.is_due(&told, reason));
            }
        }
    }

    #[test]
    fn many_sessions_do_not_fill_the_log() {
        let refusals = Refusals::default();
        let told = (0..1000).filter(|_| refusals.is_due(&Told::default(), Prefix::Blocked));
        assert_eq!(told.count(), 20);
    }

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        let (refusals, told) = (Refusals::default(), Told::default());
        for reason in Prefix::ALL {
            assert!(refusals.is_due(&told, reason), "{reason}");
        }
    }

    #[test]
    fn words_that_quote_a_client_are_left_out() {
        let fixed = Verdict::invalid("id is not the hash of the event");
        assert_eq!(fixed_words(&fixed), "id is not the hash of the event");
        let quoting = Verdict::unsupported(format!("the filter field {} is not known here", "x"));
        assert_eq!(fixed_words(&quoting), "");
    }
}
