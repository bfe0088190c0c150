//! The hub's thread: sessions and the writer leave messages, it keeps the index and puts events into the recipients.
//!
//! Subscriptions alone do not wake it: they are taken up, in order, before the next event. So a REQ that ends at once
//! costs two short messages and no hand-over to another thread.

use super::{Delivery, Flow, Key, Recipient, cost, index::Index};
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

/// With this many messages waiting the thread is woken even if no event is among them.
const MESSAGES: usize = 512;

/// Events that belong together: a group of the writer, or the ephemeral ones of a batch.
type Group = Vec<(Option<Committed>, Verified)>;

/// What can be left for the hub's thread.
pub(super) enum Message {
    Subscribe {
        key: Key,
        filters: Arc<[Filter]>,
        recipient: Arc<Recipient>,
    },
    Unsubscribe(Key),
    Events {
        group: Group,
        /// What was taken from the flow for them, and is given back when they are passed on.
        held: usize,
    },
}

/// The messages, in the order in which they were left.
pub(super) struct Queue {
    flow: Flow,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    wanted: bool,
    closed: bool,
}

impl Queue {
    pub(super) fn new(flow: Flow, metrics: Arc<Metrics>) -> Self {
        Self {
            flow,
            metrics,
            state: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    pub(super) fn leave(&self, message: Message) {
        let mut state = self.lock();
        let urgent = matches!(message, Message::Events { .. });
        state.messages.push_back(message);
        if urgent || state.messages.len() >= MESSAGES {
            let wake = !mem::replace(&mut state.wanted, true);
            drop(state);
            if wake {
                self.filled.notify_one();
            }
        }
    }

    /// The writer does not wait for the hub; instead, sessions hand over less while events wait here.
    pub(super) fn announce(&self, group: Group) {
        if group.is_empty() {
            return;
        }
        let bytes = group.iter().map(|(_, event)| event.text().len());
        let units: u32 = bytes.map(cost).sum();
        let held = self.flow.forget_permits(units as usize);
        self.leave(Message::Events { group, held });
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
                } => index.insert(key, filters, recipient),
                Message::Unsubscribe(key) => drop(index.remove(key)),
                Message::Events { group, held } => {
                    pass_on(&mut index, &group, &mut touched, &queue.metrics);
                    touched.drain(..).for_each(|recipient| recipient.wake());
                    queue.flow.add_permits(held);
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
            if !recipient.may_read(event.kind()) {
                return;
            }
            deliveries += 1;
            let delivery = Delivery {
                subscription,
                number: *number,
                event: event.clone(),
            };
            if recipient.put(delivery) {
                touched.push(Arc::clone(recipient));
            }
        });
    }
    metrics.deliveries.inc_by(deliveries);
}

#[cfg(test)]
mod tests {
    use crate::{
        hub::{Hub, Recipient, cost},
        metrics::Metrics,
        role::Relay,
        sign::Signer,
        wire::{Event, Filter, Verified},
    };
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
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

    fn hub(flow: &Arc<Semaphore>) -> Hub {
        Hub::start(Arc::clone(flow), Arc::new(Metrics::new())).unwrap()
    }

    /// The hub has passed on everything when it gave back what it held.
    fn wait_for(flow: &Semaphore, permits: usize) {
        let begin = Instant::now();
        while flow.available_permits() < permits {
            assert!(begin.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
    }

    #[test]
    fn a_recipient_gets_what_matches_in_order_and_is_woken_once_per_group() {
        let flow = Arc::new(Semaphore::new(100));
        let hub = hub(&flow);
        let (notes, reactions) = (
            listening(&hub, r#"{"kinds":[1]}"#),
            listening(&hub, r#"{"kinds":[7]}"#),
        );
        hub.pass_on((0..10).map(|n| event(1, &n.to_string())).collect());
        wait_for(&flow, 100);
        // Given back after the wake-ups.
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
    fn private_kinds_reach_nobody_though_they_match() {
        let flow = Arc::new(Semaphore::new(100));
        let hub = hub(&flow);
        let all = listening(&hub, "{}");
        hub.pass_on(vec![event(21_059, "sealed"), event(1059, "sealed")]);
        wait_for(&flow, 100);
        assert!(all.recipient.is_empty());
    }

    #[test]
    fn events_on_their_way_hold_back_the_flow_by_their_size() {
        let flow = Arc::new(Semaphore::new(3));
        let hub = hub(&flow);
        assert_eq!((cost(700), cost(1024), cost(10_000)), (1, 2, 10));
        hub.pass_on(vec![event(1, &"x".repeat(10_000))]);
        // More than there is cannot be held; nothing is given back twice.
        wait_for(&flow, 3);
        hub.pass_on(vec![event(1, "")]);
        wait_for(&flow, 3);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(flow.available_permits(), 3);
    }
}
