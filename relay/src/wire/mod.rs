//! Text ↔ meaning: what a client's bytes say, and the bytes that answer them. No I/O, no async, no clock, no configuration.
//!
//! - [`frame`] finds the verb of a message and what it carries (NIP-01); [`subscription`] names a subscription.
//! - [`event`] holds a strictly read event; `read` reads it in one pass, `tags` keeps its tags, `canonical` is its serialisation and hash.
//! - [`verified`] is the proof that id and signature are right. [`Verified`] can be made nowhere else.
//! - [`kind`] has the numbers of the kinds that rules name, and how a relay keeps each kind.
//! - [`filter`] says what a REQ or COUNT asks for; [`address`] names a replaceable or addressable event.
//! - [`verdict`] has the words of every refusal; [`reply`] writes what the relay sends.
//! - `json` is the strict reader under all of them, [`id`] the keys and ids.
//!
//! The readers never go through `serde_json::Value`, which hides duplicate keys, nor through the `nostr` crate's parsers, which accept
//! upper-case hex, unknown filter keys and kinds beyond 65535. They hold no more than the message itself and never recurse without bound.

pub mod address;
pub(crate) mod canonical;
pub mod event;
pub mod filter;
pub mod frame;
pub mod id;
mod json;
pub mod kind;
mod read;
pub mod reply;
pub mod subscription;
pub mod tags;
pub mod verdict;
pub mod verified;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use event::{Event, Unreadable};
pub use filter::Filter;
pub use frame::{ClientMessage, FrameLimits, Refusal};
pub use id::{EventId, PublicKey};
pub use kind::Class;
pub use subscription::SubscriptionId;
pub use tags::{Tag, Tags};
pub use verdict::{Prefix, Verdict};
pub use verified::{Invalid, Verified};
