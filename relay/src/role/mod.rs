//! What a role may decide, at the points of one trait only; nothing else asks which role the process plays.
//!
//! A role sees wire types: never a session, never HTTP.

mod relay;

pub use relay::Relay;

use crate::{
    policy::private::Addressed,
    wire::{Event, Filter, PublicKey, Verdict},
};

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

    /// May a client that proved `keys` (NIP-42) ask for these filters?
    ///
    /// # Errors
    /// The verdict of the CLOSED that answers the REQ or COUNT.
    fn admit(&self, filters: &[Filter], keys: &[PublicKey]) -> Result<(), Verdict>;

    /// May everybody who reads here see all events of this kind? Asked for every stored row, every live delivery and every
    /// counted event: it must cost next to nothing.
    fn is_open(&self, kind: u16) -> bool;

    /// May a client that proved `keys` see this event, whose kind is not open to all?
    fn may_read(&self, event: &dyn Addressed, keys: &[PublicKey]) -> bool;
}
