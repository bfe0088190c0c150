//! EVENT and AUTH: from frames to batches.
//!
//! Everything that was read at once is looked at together on a verify thread ([`judge`]). One batch per session at a time,
//! so the writer gets a session's events in their order.

use super::{judge::judge, mailbox::Mailbox, shared::Shared, turns::Place};
use crate::hub::{Flow, cost};
use futures::FutureExt;
use std::{
    future::Future,
    mem,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Bytes of EVENT frames of one session that may wait to be looked at.
const ROOM: usize = 1 << 20;

/// What carries an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Event,
    Auth,
}

/// An EVENT or AUTH that was read from the socket and not looked at.
pub(super) struct Incoming {
    pub(super) place: Place,
    pub(super) verb: Verb,
    /// The whole frame, and where in it the event stands.
    pub(super) frame: Utf8Bytes,
    pub(super) event: Range<usize>,
}

impl Incoming {
    pub(super) fn text(&self) -> &str {
        self.frame
            .as_str()
            .get(self.event.clone())
            .unwrap_or_default()
    }
}

type Room = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// The EVENTs and AUTHs of one session on their way to the verify threads.
#[derive(Default)]
pub(super) struct Publisher {
    waiting: Vec<Incoming>,
    bytes: usize,
    /// A batch that waits for room between the sessions and the writer.
    held_up: Option<Box<(Vec<Incoming>, Room)>>,
    /// A batch is on a verify thread.
    busy: bool,
}

impl Publisher {
    pub(super) fn push(&mut self, incoming: Incoming) {
        self.bytes += incoming.frame.len();
        self.waiting.push(incoming);
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes < ROOM && self.held_up.is_none()
    }

    /// The verify thread is done with the batch.
    pub(super) fn judged(&mut self) {
        self.busy = false;
    }

    /// Hands over what waits as one batch. Says whether its answers are here already: a lone event is looked at in place,
    /// because a thread would cost more than it saves.
    pub(super) fn start(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Arc<Shared>,
        mailbox: &Arc<Mailbox>,
    ) -> bool {
        if self.busy {
            return false;
        }
        let Some((incoming, permit)) = self.next_batch(cx, &shared.flow) else {
            return false;
        };
        self.busy = true;
        let is_lone_event = incoming.len() == 1 && incoming[0].verb == Verb::Event;
        if is_lone_event && shared.warmth.is_warm() {
            let judge = || judge(&incoming, shared, mailbox, permit);
            shared.warmth.measure(judge);
            return true;
        }
        let (shared, mailbox) = (Arc::clone(shared), Arc::clone(mailbox));
        let verifiers = shared.verifiers.clone();
        verifiers.run(move || judge(&incoming, &shared, &mailbox, permit));
        false
    }

    /// What waits, once there is room for all of it.
    fn next_batch(
        &mut self,
        cx: &mut Context<'_>,
        flow: &Flow,
    ) -> Option<(Vec<Incoming>, OwnedSemaphorePermit)> {
        if self.held_up.is_none() && !self.waiting.is_empty() {
            let batch = mem::take(&mut self.waiting);
            self.bytes = 0;
            let units = batch.iter().map(|event| cost(event.frame.len())).sum();
            if let Ok(permit) = Arc::clone(flow).try_acquire_many_owned(units) {
                return Some((batch, permit));
            }
            let room: Room = Box::pin(Arc::clone(flow).acquire_many_owned(units));
            self.held_up = Some(Box::new((batch, room)));
        }
        match self.held_up.as_mut()?.1.poll_unpin(cx) {
            Poll::Ready(Ok(permit)) => Some((self.held_up.take()?.0, permit)),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::turns::Turns;
    use futures::task::noop_waker;
    use tokio::sync::Semaphore;

    fn incoming(turns: &mut Turns, bytes: usize) -> Incoming {
        Incoming {
            place: turns.event(),
            verb: Verb::Event,
            frame: Utf8Bytes::from("x".repeat(bytes)),
            event: 0..bytes,
        }
    }

    #[test]
    fn a_batch_waits_for_room_in_the_flow_and_its_session_takes_no_more() {
        let (mut turns, mut publisher) = (Turns::default(), Publisher::default());
        let flow = Arc::new(Semaphore::new(3));
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        publisher.push(incoming(&mut turns, 10));
        publisher.push(incoming(&mut turns, 2000));
        let (batch, permit) = publisher.next_batch(&mut cx, &flow).unwrap();
        assert_eq!((batch.len(), permit.num_permits()), (2, 3));
        publisher.push(incoming(&mut turns, 10));
        assert!(publisher.next_batch(&mut cx, &flow).is_none());
        assert!(!publisher.has_room());
        drop(permit);
        let (batch, _permit) = publisher.next_batch(&mut cx, &flow).unwrap();
        assert_eq!(batch.len(), 1);
        assert!(publisher.has_room());
    }

    #[test]
    fn a_session_keeps_a_bounded_number_of_bytes_unread() {
        let (mut turns, mut publisher) = (Turns::default(), Publisher::default());
        publisher.push(incoming(&mut turns, ROOM - 1));
        assert!(publisher.has_room());
        publisher.push(incoming(&mut turns, 1));
        assert!(!publisher.has_room());
    }
}
