//! How many visits may hold large lists at the same time: lists of all namespaces pass through one process, whose memory is
//! bounded. Whoever needs a seat waits for one, holds it until the end of the visit, and never needs a second.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Visits with large lists at the same time. One may take 40 MB: 16 of sources, half as much on the way, entries and shards.
const SEATS: usize = 2;

/// Where visits with large lists sit.
#[derive(Debug)]
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SEATS)))
    }
}

/// The right to hold large lists, as long as this lives.
#[derive(Clone, Debug)]
pub struct Seat {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Room {
    /// Waits for a seat; the first come is the first served.
    pub async fn seat(&self) -> Seat {
        let permit = self.0.clone().acquire_owned().await;
        let permit = permit.expect("this semaphore is never closed");
        Seat {
            _permit: Arc::new(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn two_sit_and_the_third_waits_until_one_is_gone() {
        let room = Room::default();
        let seat = || room.seat().now_or_never();
        let (first, second) = (seat(), seat());
        assert!(first.is_some() && second.is_some() && seat().is_none());
        let copy = first.clone();
        drop(first);
        assert!(seat().is_none());
        drop(copy);
        assert!(seat().is_some());
    }
}
