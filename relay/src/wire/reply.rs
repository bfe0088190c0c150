//! What the relay sends (NIP-01, NIP-42, NIP-45, NIP-67), as the text of a frame.

use super::{canonical::push_string, id::EventId, subscription::SubscriptionId, verdict::Verdict};
use std::fmt::Write;

/// Whether everything that matches was sent before EOSE (NIP-67).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing was cut.
    Finish,
    /// A limit or a time bound cut the answer.
    More,
}

/// `["OK",id,accepted,verdict]`; the fourth element is always there.
pub fn ok(id: &EventId, accepted: bool, verdict: &Verdict) -> String {
    let mut text = format!("[\"OK\",\"{id}\",{accepted},");
    push_verdict(&mut text, verdict);
    text
}

/// Appends `["EVENT",subscription,event]` with the event's stored text. UTF-8, like all text of a frame.
pub fn push_event(to: &mut Vec<u8>, subscription: &SubscriptionId, event: &[u8]) {
    let quoted = subscription.quoted();
    to.reserve(event_bytes(subscription, event));
    to.extend_from_slice(b"[\"EVENT\",");
    to.extend_from_slice(quoted.as_bytes());
    to.push(b',');
    match simdutf8::basic::from_utf8(event) {
        Ok(event) => to.extend_from_slice(event.as_bytes()),
        // Never from our store; still no reason to stop.
        Err(_) => to.extend_from_slice(String::from_utf8_lossy(event).as_bytes()),
    }
    to.push(b']');
}

/// How long `["EVENT",subscription,event]` is.
pub fn event_bytes(subscription: &SubscriptionId, event: &[u8]) -> usize {
    r#"["EVENT",,]"#.len() + subscription.quoted().len() + event.len()
}

/// `["EVENT",subscription,event]` alone.
pub fn event(subscription: &SubscriptionId, event: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    push_event(&mut text, subscription, event);
    text
}

/// `["EOSE",subscription,["finish"]]` or `["more"]` (NIP-67).
pub fn eose(subscription: &SubscriptionId, completeness: Completeness) -> String {
    let hint = match completeness {
        Completeness::Finish => "finish",
        Completeness::More => "more",
    };
    format!("[\"EOSE\",{},[\"{hint}\"]]", subscription.quoted())
}

/// `["CLOSED",subscription,verdict]`.
pub fn closed(subscription: &SubscriptionId, verdict: &Verdict) -> String {
    let mut text = format!("[\"CLOSED\",{},", subscription.quoted());
    push_verdict(&mut text, verdict);
    text
}

/// `["NOTICE",verdict]`: only where no id is known.
pub fn notice(verdict: &Verdict) -> String {
    let mut text = String::from("[\"NOTICE\",");
    push_verdict(&mut text, verdict);
    text
}

/// `["COUNT",subscription,{"count":n}]`, with `"approximate":true` when the count was cut (NIP-45).
pub fn count(subscription: &SubscriptionId, count: u64, approximate: bool) -> String {
    let mut text = format!("[\"COUNT\",{},{{\"count\":{count}", subscription.quoted());
    if approximate {
        text.push_str(",\"approximate\":true");
    }
    text.push_str("}]");
    text
}

/// `["AUTH",challenge]` (NIP-42).
pub fn auth(challenge: &str) -> String {
    let mut text = String::from("[\"AUTH\",");
    push_string(&mut text, challenge);
    text.push(']');
    text
}

/// Appends the verdict as a JSON string and closes the frame.
fn push_verdict(text: &mut String, verdict: &Verdict) {
    let mut words = String::new();
    let _ = write!(words, "{verdict}");
    push_string(text, &words);
    text.push(']');
}
