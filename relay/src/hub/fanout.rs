//! The hub's thread: sessions and the writer leave messages, it keeps the index and puts events into the recipients.
//!
//! Subscriptions alone do not wake it: they are taken up, in order, before the next event. So a REQ that ends at once
//! costs two short messages and no hand-over to another thread.

use super::{Delivery, Held, Key, Recipient, index::Index, recipient::PENDING};
use crate::{
    metrics::Metrics,
    store::Committed,
    wire::{Filter, Verified},
};
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// With this many messages, or filters and values in them, the thread is woken even if no event is among them. Far less
/// than a session may leave before it must wait.
const MESSAGES: usize = 512;
const WEIGHT: usize = PENDING / 4;

/// Events that belong together: a group of the writer, or the ephemeral ones of a batch.
type Group = Vec<(Option<Committed>, Verified)>;

/// What can be left for the hub's thread.
pub(super) enum Message {
    Subscribe {
        key: Key,
        filters: Arc<[Filter]>,
        recipient: Arc<Recipient>,
        weight: usize,
    },
    Unsubscribe(Key),
    Events {
        group: Group,
        /// Dropped when they are passed on: only then is there room for others.
        held: Vec<Held>,
    },
}

/// The messages, in the order in which they were left.
pub(super) struct Queue {
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Of batches that the writer answered and did not announce yet.
    answered: Mutex<Vec<Held>>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    /// Of the subscriptions among them.
    weight: usize,
    wanted: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            state: Mutex::default(),
            answered: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    pub(super) fn leave(&self, message: Message) {
        let mut state = self.lock();
        let urgent = match &message {
            Message::Events { .. } => true,
            Message::Unsubscribe(_) => false,
            Message::Subscribe { weight, .. } => {
                state.weight += weight;
                state.weight >= WEIGHT
            }
        };
        state.messages.push_back(message);
        if urgent || state.messages.len() >= MESSAGES {
            let wake = !mem::replace(&mut state.wanted, true);
            drop(state);
            if wake {
                self.filled.notify_one();
            }
        }
    }

    /// What events hold of the flow stays held until they are passed on: the writer does not wait for the hub, but the
    /// sessions do.
    pub(super) fn announce(&self, group: Group, held: Vec<Held>) {
        if !group.is_empty() {
            self.leave(Message::Events { group, held });
        }
    }

    /// The next group that is announced holds this too.
    pub(super) fn hold(&self, held: Held) {
        self.lock_answered().push(held);
    }

    pub(super) fn take_held(&self) -> Vec<Held> {
        mem::take(&mut *self.lock_answered())
    }

    fn lock_answered(&self) -> MutexGuard<'_, Vec<Held>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the thread is wanted; `None` when the hub is gone.
    fn next(&self) -> Option<VecDeque<Message>> {
        let mut state = self.lock();
        while !state.wanted {
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.wanted = false;
        state.weight = 0;
        Some(mem::take(&mut state.messages))
    }
}

/// The thread's loop.
pub(super) fn run(queue: &Queue) {
    let mut index = Index::default();
    let mut touched = Vec::new();
    while let Some(messages) = queue.next() {
        for message in messages {
            match message {
                Message::Subscribe {
                    key,
                    filters,
                    recipient,
                    weight,
                } => {
                    index.insert(key, filters, Arc::clone(&recipient));
                    recipient.taken_up(weight);
                }
                Message::Unsubscribe(key) => drop(index.remove(key)),
                Message::Events { group, held } => {
                    pass_on(&mut index, &group, &mut touched, &queue.metrics);
                    touched.drain(..).for_each(|recipient| recipient.wake());
                    drop(held);
                }
            }
        }
    }
}

/// Puts a group's events into the recipients that may see them; `touched` is filled with the recipients to wake.
fn pass_on(
    index: &mut Index<Arc<Recipient>>,
    group: &Group,
    touched: &mut Vec<Arc<Recipient>>,
    metrics: &Metrics,
) {
    let mut deliveries = 0;
    for (number, event) in group {
        if number.is_some() {
            metrics.stored(event.kind());
        }
        index.matches(event, |subscription, recipient| {
            if !recipient.may_read(&**event) {
                return;
            }
            let delivery = Delivery {
                subscription,
                number: *number,
                event: event.clone(),
            };
            let put = recipient.put(delivery);
            deliveries += u64::from(put.fits);
            if put.wakes {
                touched.push(Arc::clone(recipient));
            }
        });
    }
    metrics.deliveries.inc_by(deliveries);
}

#[cfg(test)]
mod tests {
    use crate::{
        hub::{Held, Hub, Recipient},
        metrics::Metrics,
        obituary::Obituaries,
        policy::private::Addressed,
        role::{Answer, Relay, Role},
        sign::Signer,
        store::{Committed, Listener},
        wire::{Event, Filter, PublicKey, Verdict, Verified},
    };
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc::{self, Receiver},
        },
        task::{Wake, Waker},
        thread,
        time::{Duration, Instant},
    };
    use tokio::sync::Semaphore;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Listening {
        recipient: Arc<Recipient>,
        wakes: Arc<Wakes>,
    }

    fn listening(hub: &Hub, filter: &str) -> Listening {
        let recipient = Arc::new(Recipient::new(Arc::new(Relay)));
        let wakes = Arc::new(Wakes::default());
        recipient.register(&Waker::from(Arc::clone(&wakes)));
        let filters = [Filter::read(filter).unwrap()].into();
        hub.subscribe(Arc::clone(&recipient), filters);
        Listening { recipient, wakes }
    }

    fn event(kind: u16, content: &str) -> Verified {
        let text = Signer::from_seed(1).event(1, kind, &[], content);
        Verified::check(Event::read(&text).unwrap()).unwrap()
    }

    fn hub() -> Hub {
        let obituary = Obituaries::default().of("the hub");
        Hub::start(Arc::new(Metrics::new()), obituary).unwrap()
    }

    fn flow() -> (Arc<Semaphore>, Held) {
        let flow = Arc::new(Semaphore::new(3));
        let held = Arc::clone(&flow).try_acquire_many_owned(2).unwrap();
        (flow, Arc::new(held))
    }

    /// The hub has passed on everything when it let go of what it held.
    fn wait_for(flow: &Semaphore) {
        let begin = Instant::now();
        while flow.available_permits() < 3 {
            assert!(begin.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
    }

    #[test]
    fn a_recipient_gets_what_matches_in_order_and_is_woken_once_per_group() {
        let (flow, held) = flow();
        let hub = hub();
        let (notes, reactions) = (
            listening(&hub, r#"{"kinds":[1]}"#),
            listening(&hub, r#"{"kinds":[7]}"#),
        );
        let events = (0..10).map(|n| event(1, &n.to_string()));
        hub.pass_on(events.collect(), held);
        wait_for(&flow);
        let taken = notes.recipient.take(0).deliveries;
        let contents: Vec<_> = taken
            .iter()
            .map(|delivery| delivery.event.content())
            .collect();
        assert_eq!(contents, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(notes.wakes.0.load(Ordering::SeqCst), 1);
        assert!(reactions.recipient.is_empty());
        assert_eq!(reactions.wakes.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_is_thrown_away_for_a_full_outbox_does_not_count_as_delivered() {
        let (flow, held) = flow();
        let metrics = Arc::new(Metrics::new());
        let obituary = Obituaries::default().of("the hub");
        let hub = Hub::start(Arc::clone(&metrics), obituary).unwrap();
        let all = listening(&hub, "{}");
        let large = "x".repeat(1 << 20);
        hub.pass_on((0..10).map(|_| event(1, &large)).collect(), held);
        wait_for(&flow);
        let put = all.recipient.take(0).deliveries.len() as u64;
        assert!((1..10).contains(&put), "{put}");
        assert_eq!(metrics.deliveries.get(), put);
    }

    #[test]
    fn private_kinds_reach_those_whom_they_name_and_nobody_else_though_they_match() {
        let (flow, held) = flow();
        let hub = hub();
        let (bob, eve, all) = (
            listening(&hub, "{}"),
            listening(&hub, "{}"),
            listening(&hub, "{}"),
        );
        let key = |seed| Signer::from_seed(seed).public_key();
        bob.recipient.prove(key(2));
        eve.recipient.prove(key(3));
        let wrap = |kind| {
            let tags: &[&[&str]] = &[&["p", &key(2).to_string()]];
            let text = Signer::from_seed(1).event(1, kind, tags, "sealed");
            Verified::check(Event::read(&text).unwrap()).unwrap()
        };
        hub.pass_on(vec![wrap(21_059), wrap(1059)], held);
        wait_for(&flow);
        assert_eq!(bob.recipient.take(0).deliveries.len(), 2);
        assert!(eve.recipient.is_empty() && all.recipient.is_empty());
    }

    /// A role that takes its time, and so holds up the hub.
    struct Slow(Mutex<Receiver<()>>);

    impl Role for Slow {
        fn answer(&self, _event: &Event) -> Answer {
            Answer::FanOut
        }

        fn admit(&self, _filters: &[Filter], _keys: &[PublicKey]) -> Result<(), Verdict> {
            Ok(())
        }

        fn is_open(&self, _kind: u16) -> bool {
            self.0.lock().unwrap().recv().is_ok()
        }

        fn may_read(&self, _event: &dyn Addressed, _keys: &[PublicKey]) -> bool {
            false
        }
    }

    #[test]
    fn events_hold_what_they_took_of_the_flow_until_they_are_passed_on() {
        let (flow, held) = flow();
        let hub = hub();
        let (go, slow) = mpsc::channel();
        let recipient = Arc::new(Recipient::new(Arc::new(Slow(Mutex::new(slow)))));
        let filters = [Filter::read("{}").unwrap()].into();
        hub.subscribe(Arc::clone(&recipient), filters);
        hub.hold(held);
        hub.committed(Committed::NONE, &[(Committed::resume(1), event(1, ""))]);
        thread::sleep(Duration::from_millis(30));
        assert_eq!(flow.available_permits(), 1);
        go.send(()).unwrap();
        wait_for(&flow);
        assert_eq!(recipient.take(0).deliveries.len(), 1);
    }
}
