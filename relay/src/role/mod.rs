//! What a role may decide, at the points of one trait only; nothing else asks which role the process plays.
//!
//! A role sees wire types: never a session, never HTTP.

mod relay;

pub use relay::Relay;

use crate::wire::{Event, Filter, Verdict};

/// What becomes of an event that is valid and that the policies let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Written, committed, then passed on.
    Store,
    /// Passed on, never written (NIP-01, ephemeral events).
    FanOut,
    /// Neither.
    Refuse(Verdict),
}

/// The points at which roles differ.
pub trait Role: Send + Sync {
    /// What becomes of this event?
    fn answer(&self, event: &Event) -> Answer;

    /// May this client be asked for these filters?
    ///
    /// # Errors
    /// The verdict of the CLOSED that answers the REQ.
    fn admit(&self, filters: &[Filter]) -> Result<(), Verdict>;

    /// The one visibility predicate: may this client see events of this kind? Asked for every stored row, every live
    /// delivery and every counted event.
    fn may_read(&self, kind: u16) -> bool;
}
