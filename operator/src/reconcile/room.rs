//! How many visits may hold large lists at the same time, and how many ConfigMaps may be on their way: those of all namespaces
//! pass through one process, whose memory is bounded. Whoever needs a seat waits for one, holds it until the lists are written,
//! and never needs a second.

use std::{future::Future, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Visits with large lists at the same time. One may take 40 MB: 16 of sources, half as much on the way, entries and shards.
const SEATS: usize = 2;

/// Answers with ConfigMaps at the same time. One may take 40 MB: two of a megabyte and a half, whose letters may be six bytes each
/// on the way, and an answer is held twice while it is read.
const ANSWERS: usize = 2;

/// Where visits with large lists sit.
#[derive(Debug)]
pub struct Room {
    seats: Arc<Semaphore>,
    answers: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            seats: Arc::new(Semaphore::new(SEATS)),
            answers: Semaphore::new(ANSWERS),
        }
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
        let permit = self.seats.clone().acquire_owned().await;
        let permit = permit.expect("this semaphore is never closed");
        Seat {
            _permit: Arc::new(permit),
        }
    }

    /// Waits for a seat where one is needed and none is held.
    pub async fn seat_if(&self, needed: bool, held: Option<Seat>) -> Option<Seat> {
        match held {
            None if needed => Some(self.seat().await),
            held => held,
        }
    }

    /// Asks for ConfigMaps when few others do.
    pub async fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        let permit = self.answers.acquire().await;
        let _permit = permit.expect("this semaphore is never closed");
        question.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, future::pending};

    #[test]
    fn two_answers_are_on_their_way_and_the_third_is_not_asked_for() {
        let room = Room::default();
        let mut two = [(); 2].map(|()| Box::pin(room.ask(pending::<()>())));
        assert!(two.iter_mut().all(|it| it.now_or_never().is_none()));
        assert!(room.ask(async {}).now_or_never().is_none());
        drop(two);
        assert!(room.ask(async {}).now_or_never().is_some());
    }

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
