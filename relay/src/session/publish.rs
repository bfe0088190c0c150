//! EVENT: from a frame to OK.
//!
//! Everything that was read at once is looked at together on a verify thread: read strictly, asked of the policies, looked
//! up in the store, and only then hashed and verified. One batch per session at a time, so the writer gets a session's
//! events in their order.

use super::{
    mailbox::{Letter, Mailbox},
    shared::Shared,
    turns::Place,
};
use crate::{
    hub::{Flow, Held, Hub, cost},
    metrics::Metrics,
    policy,
    role::Answer,
    store::{Answers, Outcome, Ticket},
    wire::{Event, EventId, Verdict, Verified, reply},
};
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

/// An EVENT that was read from the socket and not looked at.
pub(super) struct Incoming {
    pub(super) place: Place,
    /// The whole frame, and where in it the event stands.
    pub(super) frame: Utf8Bytes,
    pub(super) event: Range<usize>,
}

impl Incoming {
    fn text(&self) -> &str {
        self.frame
            .as_str()
            .get(self.event.clone())
            .unwrap_or_default()
    }
}

/// What became of a batch on the verify thread: the answers that are certain already.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) answers: Vec<(Place, String)>,
}

/// What the writer decided about one event.
pub(super) struct Decided {
    pub(super) place: Place,
    pub(super) id: EventId,
    pub(super) outcome: Outcome,
}

impl Decided {
    /// The OK frame, counted.
    pub(super) fn answer(&self, metrics: &Metrics) -> String {
        let (accepted, verdict) = self.outcome.words();
        if self.outcome == Outcome::Duplicate {
            metrics.duplicates.inc();
        } else if !accepted {
            metrics.rejected(&verdict);
        }
        reply::ok(&self.id, accepted, &verdict)
    }
}

fn refuse(id: &EventId, verdict: &Verdict, metrics: &Metrics) -> String {
    metrics.rejected(verdict);
    reply::ok(id, false, verdict)
}

type Room = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// The EVENTs of one session on their way to the writer.
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
        if incoming.len() == 1 && shared.warmth.is_warm() {
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

/// Looks at a batch: answers what is certain, hands the rest to the writer or the hub.
fn judge(
    incoming: &[Incoming],
    shared: &Shared,
    mailbox: &Arc<Mailbox>,
    permit: OwnedSemaphorePermit,
) {
    let promise = mailbox.promise();
    let mut judged = Judged::default();
    let read = read(incoming, shared, &mut judged);
    let new = leave_out_known(read, shared, &mut judged);
    let verified = verify(new, shared, &mut judged);
    hand_over(verified, shared, mailbox, (permit, &mut judged));
    promise.keep(Letter::Judged(judged));
}

/// Reads each event strictly and asks the policies (relay.md §2.3, 1 to 6).
fn read(incoming: &[Incoming], shared: &Shared, judged: &mut Judged) -> Vec<(Place, Event)> {
    let (hot, now, metrics) = (shared.hot.load(), shared.clock.now(), &shared.metrics);
    let mut events = Vec::with_capacity(incoming.len());
    for incoming in incoming {
        let place = incoming.place;
        match Event::read(incoming.text()) {
            Err(unreadable) => {
                let verdict = &unreadable.verdict;
                let answer = unreadable.id.as_ref().map_or_else(
                    || reply::notice(verdict),
                    |id| reply::ok(id, false, verdict),
                );
                metrics.rejected(verdict);
                judged.answers.push((place, answer));
            }
            Ok(event) => {
                metrics.received(event.kind());
                match policy::check(&event, &hot.limits, now) {
                    Ok(()) => events.push((place, event)),
                    Err(verdict) => {
                        let answer = refuse(&event.id(), &verdict, metrics);
                        judged.answers.push((place, answer));
                    }
                }
            }
        }
    }
    events
}

/// An id that is stored already stops here, before any signature work: a look-up costs a fiftieth of it.
fn leave_out_known(
    events: Vec<(Place, Event)>,
    shared: &Shared,
    judged: &mut Judged,
) -> Vec<(Place, Event)> {
    if events.is_empty() {
        return events;
    }
    let ids: Vec<_> = events.iter().map(|(_, event)| event.id()).collect();
    // When the look-up fails nothing is known: the writer looks again, and says what is wrong.
    let known = shared.store.contains(&ids).unwrap_or_default();
    let mut new = Vec::with_capacity(events.len());
    for (number, (place, event)) in events.into_iter().enumerate() {
        if known.get(number) == Some(&true) {
            let known = Decided {
                place,
                id: event.id(),
                outcome: Outcome::Duplicate,
            };
            judged.answers.push((place, known.answer(&shared.metrics)));
        } else {
            new.push((place, event));
        }
    }
    new
}

/// Checks ids and signatures (relay.md §2.3, 7).
fn verify(
    events: Vec<(Place, Event)>,
    shared: &Shared,
    judged: &mut Judged,
) -> Vec<(Place, Verified)> {
    let mut verified = Vec::with_capacity(events.len());
    for (place, event) in events {
        match Verified::check(event) {
            Ok(event) => verified.push((place, event)),
            Err(invalid) => {
                let answer = refuse(&invalid.id, &invalid.verdict, &shared.metrics);
                judged.answers.push((place, answer));
            }
        }
    }
    verified
}

/// Asks the role, then: stored events to the writer with a return ticket, ephemeral ones to the hub.
fn hand_over(
    events: Vec<(Place, Verified)>,
    shared: &Shared,
    mailbox: &Arc<Mailbox>,
    (permit, judged): (OwnedSemaphorePermit, &mut Judged),
) {
    let (mut passed_on, mut stored) = (Vec::new(), Vec::new());
    for (place, event) in events {
        match shared.role.answer(&event) {
            Answer::Store => stored.push((place, event)),
            Answer::FanOut => {
                judged
                    .answers
                    .push((place, reply::ok(&event.id(), true, &Verdict::NONE)));
                passed_on.push(event);
            }
            Answer::Refuse(verdict) => {
                let answer = refuse(&event.id(), &verdict, &shared.metrics);
                judged.answers.push((place, answer));
            }
        }
    }
    let held = Arc::new(permit);
    if !passed_on.is_empty() {
        shared.hub.pass_on(passed_on, Arc::clone(&held));
    }
    if !stored.is_empty() {
        let to = Arc::new(Return {
            mailbox: Arc::clone(mailbox),
            hub: shared.hub.clone(),
            tickets: stored
                .iter()
                .map(|(place, event)| (*place, event.id()))
                .collect(),
            held,
        });
        shared.store.submit(tickets(stored, shared, &to));
    }
}

fn tickets(events: Vec<(Place, Verified)>, shared: &Shared, to: &Arc<Return>) -> Vec<Ticket> {
    let hot = shared.hot.load();
    let url = hot.url.as_deref();
    let events = events.into_iter().zip(0..);
    let tickets = events.map(|((_, event), token)| Ticket {
        vanish: policy::vanish::names_us(&event, url),
        event,
        token,
        to: Arc::clone(to) as Arc<dyn Answers>,
    });
    tickets.collect()
}

/// The return ticket of a batch: which event each token means. What was held of the flow is free again when its last
/// ticket is gone and what was stored was passed on.
struct Return {
    mailbox: Arc<Mailbox>,
    hub: Hub,
    tickets: Vec<(Place, EventId)>,
    held: Held,
}

impl Answers for Return {
    fn answer(&self, outcomes: &[(u64, Outcome)]) {
        let decided = outcomes.iter().filter_map(|(token, outcome)| {
            let (place, id) = *self.tickets.get(usize::try_from(*token).ok()?)?;
            Some(Decided {
                place,
                id,
                outcome: *outcome,
            })
        });
        self.mailbox.leave(Letter::Decided(decided.collect()));
        let is_stored = |(_, outcome): &(u64, Outcome)| matches!(outcome, Outcome::Stored(_));
        if outcomes.iter().any(is_stored) {
            self.hub.hold(Arc::clone(&self.held));
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
