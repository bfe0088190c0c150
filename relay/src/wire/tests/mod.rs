//! What `wire` accepts and refuses, in the words that clients send.

mod address;
mod event;
mod filter;
mod frame;
mod json;
mod nostr_crate;
mod properties;
mod reply;
mod style;
mod verified;

use super::{Event, FrameLimits, Verdict};

/// The limits that the relay has by default.
pub(super) const LIMITS: FrameLimits = FrameLimits {
    filters: 50,
    filter_values: 3_000,
    subscription_id_characters: 64,
};

pub(super) const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(super) const KEY: &str = "aa112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The seven fields in NIP-01's order, each with a value that is in form.
pub(super) fn fields() -> Vec<(&'static str, String)> {
    vec![
        ("id", format!("\"{ID}\"")),
        ("pubkey", format!("\"{KEY}\"")),
        ("created_at", "1700000000".into()),
        ("kind", "1".into()),
        ("tags", "[[\"t\",\"x\"]]".into()),
        ("content", "\"hello\"".into()),
        ("sig", format!("\"{ID}{KEY}\"")),
    ]
}

/// A JSON object with these members and no white space.
pub(super) fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// An event in form (its signature is not) whose `field` has the JSON `value`.
pub(super) fn with(field: &str, value: &str) -> String {
    let mut members = fields();
    for (name, known) in &mut members {
        if *name == field {
            *known = value.into();
        }
    }
    object(&members)
}

/// The event with this tags array.
pub(super) fn tagged(tags: &str) -> Event {
    Event::read(&with("tags", tags)).expect(tags)
}

/// The verdict on a text that is no event.
pub(super) fn refused(text: &str) -> Verdict {
    Event::read(text).expect_err(text).verdict
}

/// 64 hex characters that begin with this digit.
pub(super) fn hex(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}
