//! The flow: what bounds the events between all sessions and the end of their fan-out, on the verify threads, in the
//! writer's queue and in the hub's. Its unit is about a KiB. Who finds no room stops reading its socket.
//!
//! A session takes room for a batch before it is judged (`session/publish.rs`). The batch's [`Held`] travels with it, to the
//! writer and to the hub ([`fanout`](super::fanout)), and the room is free again when the last of them dropped it.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All the room there is: 64 MiB.
const UNITS: usize = 64 << 10;

/// Room for events, in units of [`cost`].
pub type Flow = Arc<Semaphore>;

/// What a batch of events holds of the [`Flow`], shared by all that must be done with it before it is free again.
pub type Held = Arc<OwnedSemaphorePermit>;

/// The flow of a process, all of it free.
pub fn whole() -> Flow {
    Arc::new(Semaphore::new(UNITS))
}

/// What an event of this many bytes takes from the [`Flow`]: one unit, and one more per KiB.
pub fn cost(bytes: usize) -> u32 {
    1 + (bytes / 1024) as u32
}
