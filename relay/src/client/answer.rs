//! What a relay says to a client (NIP-01, NIP-42, NIP-45, NIP-67), read leniently: other people's relays are spoken to as well.

use crate::wire::{Prefix, verdict::SHUTTING_DOWN};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One message of a relay. Texts borrow from the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A stored or live event.
    Event {
        /// The subscription's id.
        subscription: Cow<'a, str>,
        /// The event's text, byte for byte.
        event: &'a str,
    },
    /// The verdict on one EVENT.
    Ok {
        /// The event's id as the relay wrote it.
        id: Cow<'a, str>,
        /// Is the event held now?
        accepted: bool,
        /// Empty, or `prefix: text`.
        verdict: Cow<'a, str>,
    },
    /// The end of the stored events.
    Eose {
        /// The subscription's id.
        subscription: Cow<'a, str>,
        /// NIP-67: `finish` is true, `more` is false.
        finished: Option<bool>,
    },
    /// The subscription ended, or was refused.
    Closed {
        /// The subscription's id.
        subscription: Cow<'a, str>,
        /// `prefix: text`.
        verdict: Cow<'a, str>,
    },
    /// Words for a person.
    Notice(Cow<'a, str>),
    /// Anything else: AUTH, COUNT, NEG-MSG and what is yet to be invented.
    Other(Cow<'a, str>),
}

impl<'a> Answer<'a> {
    /// Reads one text message; `None` when it is not a relay's.
    pub fn read(text: &'a str) -> Option<Self> {
        let parts: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
        let text_at = |index: usize| parts.get(index).and_then(|part| string(part));
        let optional = |index: usize| text_at(index).unwrap_or_default();
        Some(match text_at(0)?.as_ref() {
            "EVENT" => Self::Event {
                subscription: text_at(1)?,
                event: parts.get(2)?.get(),
            },
            "OK" => Self::Ok {
                id: text_at(1)?,
                accepted: parts.get(2)?.get() == "true",
                verdict: optional(3),
            },
            "EOSE" => Self::Eose {
                subscription: text_at(1)?,
                finished: parts.get(2).and_then(|hints| finished(hints.get())),
            },
            "CLOSED" => Self::Closed {
                subscription: text_at(1)?,
                verdict: optional(2),
            },
            "NOTICE" => Self::Notice(optional(1)),
            _ => Self::Other(text_at(0)?),
        })
    }
}

fn string(part: &RawValue) -> Option<Cow<'_, str>> {
    let plain = serde_json::from_str::<&str>(part.get()).map(Cow::Borrowed);
    plain
        .or_else(|_| serde_json::from_str::<String>(part.get()).map(Cow::Owned))
        .ok()
}

fn finished(hints: &str) -> Option<bool> {
    let hints: Vec<Cow<'_, str>> = serde_json::from_str(hints).ok()?;
    if hints.iter().any(|hint| hint == "more") {
        return Some(false);
    }
    hints.iter().any(|hint| hint == "finish").then_some(true)
}

/// How one EVENT ended, as its OK says (NIP-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// New to the relay.
    Accepted,
    /// The relay had it.
    Duplicate,
    /// The relay has a newer version of it.
    Superseded,
    /// The relay does not want it.
    Refused,
}

impl Fate {
    /// The meaning of an OK's third and fourth element.
    pub fn of(accepted: bool, verdict: &str) -> Self {
        match (accepted, prefix(verdict)) {
            (true, Some(Prefix::Duplicate)) => Self::Duplicate,
            (true, _) => Self::Accepted,
            (false, Some(Prefix::Duplicate)) => Self::Superseded,
            (false, _) => Self::Refused,
        }
    }
}

/// The first word of a verdict (`duplicate`, `invalid`, …), also one that no NIP knows; empty when there is none.
pub fn word(verdict: &str) -> &str {
    match verdict.split_once(':') {
        Some((word, _)) if !word.is_empty() && !word.contains(' ') => word,
        _ => "",
    }
}

/// The standard prefix of a verdict.
pub fn prefix(verdict: &str) -> Option<Prefix> {
    let word = word(verdict);
    Prefix::ALL.into_iter().find(|known| known.as_str() == word)
}

/// Does our relay say that it ends, and with it what was asked?
pub fn is_goodbye(verdict: &str) -> bool {
    let text = verdict.split_once(": ").map_or("", |(_, text)| text);
    prefix(verdict) == Some(Prefix::Error) && text.starts_with(SHUTTING_DOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_of_nip_01_is_understood() {
        let event = r#"{"id":"aa","content":"\"[] ","n":1.50}"#;
        let text = format!(r#"["EVENT", "s\"1" , {event}]"#);
        let Some(Answer::Event {
            subscription,
            event: seen,
        }) = Answer::read(&text)
        else {
            panic!("{text}");
        };
        assert_eq!((subscription.as_ref(), seen), ("s\"1", event));
        let ok = Answer::read(r#"["OK","aa",false,"blocked: no"]"#);
        let Some(Answer::Ok {
            accepted: false,
            verdict,
            ..
        }) = ok
        else {
            panic!("{ok:?}");
        };
        assert_eq!(prefix(&verdict), Some(Prefix::Blocked));
        assert_eq!(
            Answer::read(r#"["NOTICE","x"]"#),
            Some(Answer::Notice("x".into()))
        );
        assert_eq!(
            Answer::read(r#"["AUTH","c"]"#),
            Some(Answer::Other("AUTH".into()))
        );
    }

    #[test]
    fn eose_hints_are_optional() {
        let finished = |text| match Answer::read(text) {
            Some(Answer::Eose { finished, .. }) => finished,
            other => panic!("{other:?}"),
        };
        assert_eq!(finished(r#"["EOSE","s"]"#), None);
        assert_eq!(finished(r#"["EOSE","s",["finish"]]"#), Some(true));
        assert_eq!(finished(r#"["EOSE","s",["more","x"]]"#), Some(false));
        assert_eq!(finished(r#"["EOSE","s","odd"]"#), None);
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in [
            "",
            "pong",
            "{}",
            "[]",
            "[1]",
            r#"["EVENT"]"#,
            r#"["EVENT","s"]"#,
        ] {
            assert_eq!(Answer::read(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_word_is_known_or_invented_or_none() {
        for text in ["no prefix here", "a b: c", "", ": c"] {
            assert_eq!((word(text), prefix(text)), ("", None), "{text}");
        }
        assert_eq!((word("fancy: no"), prefix("fancy: no")), ("fancy", None));
        for known in Prefix::ALL {
            assert_eq!(prefix(&format!("{known}: why")), Some(known));
        }
    }

    #[test]
    fn an_ok_says_how_an_event_ended() {
        assert_eq!(Fate::of(true, ""), Fate::Accepted);
        assert_eq!(Fate::of(true, "duplicate: have it"), Fate::Duplicate);
        assert_eq!(
            Fate::of(false, "duplicate: newer version stored"),
            Fate::Superseded
        );
        assert_eq!(Fate::of(false, "blocked: no"), Fate::Refused);
        assert_eq!(Fate::of(false, ""), Fate::Refused);
    }

    #[test]
    fn a_goodbye_is_known_from_other_errors() {
        assert!(is_goodbye("error: shutting down"));
        assert!(!is_goodbye("error: the stored events could not be read"));
        assert!(!is_goodbye("blocked: shutting down"));
    }
}
