//! The order of answers: each message has its turn, and a turn whose EVENT is not answered yet holds up those behind it.
//!
//! So EVENT and AUTH answers keep their order, and a REQ, COUNT or CLOSE begins when the EVENTs and AUTHs before it are
//! answered.

use crate::wire::{Filter, SubscriptionId};
use std::collections::VecDeque;

/// Messages of one session that may wait for their turn, and their bytes.
const MOST: usize = 1024;
const ROOM: usize = 1 << 20;

/// The place of an EVENT or AUTH in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

/// What happens when its turn comes.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    /// An EVENT or AUTH that is not answered yet: nothing, and nothing behind it.
    Event,
    /// This frame is sent.
    Say(String),
    /// This answer to a COUNT is sent, if the client may read still.
    Counted(SubscriptionId, String),
    /// A subscription begins.
    Req(SubscriptionId, Vec<Filter>),
    /// A count begins.
    Count(SubscriptionId, Vec<Filter>),
    /// A subscription ends.
    Close(SubscriptionId),
    /// A REQ or COUNT was refused: the subscription ends with this frame.
    Refuse(SubscriptionId, String),
}

/// The messages that wait for their turn.
#[derive(Default)]
pub(super) struct Turns {
    /// With the bytes that each was charged.
    queue: VecDeque<(Turn, usize)>,
    bytes: usize,
    /// The place of the queue's front.
    first: u64,
}

impl Turns {
    /// The next message is an EVENT; [`Turns::answer`] follows.
    pub(super) fn event(&mut self) -> Place {
        let place = Place(self.first + self.queue.len() as u64);
        self.queue.push_back((Turn::Event, 0));
        place
    }

    /// The next message, of so many bytes, has its turn after those that wait.
    pub(super) fn push(&mut self, turn: Turn, bytes: usize) {
        self.bytes += bytes;
        self.queue.push_back((turn, bytes));
    }

    /// The EVENT at `place` is answered with `frame`.
    pub(super) fn answer(&mut self, place: Place, frame: String) {
        let at = usize::try_from(place.0.wrapping_sub(self.first)).ok();
        if let Some(turn) = at.and_then(|at| self.queue.get_mut(at)) {
            let bytes = frame.len();
            self.bytes += bytes;
            *turn = (Turn::Say(frame), bytes);
        }
    }

    /// Whose turn it is; `None` while an EVENT must be answered first, or nothing waits.
    pub(super) fn next(&mut self) -> Option<Turn> {
        if matches!(self.queue.front()?, (Turn::Event, _)) {
            return None;
        }
        self.first += 1;
        let (turn, bytes) = self.queue.pop_front()?;
        self.bytes -= bytes;
        if self.queue.is_empty() {
            // An idle session keeps no buffer.
            self.queue = VecDeque::new();
        }
        Some(turn)
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < MOST && self.bytes < ROOM
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_order_of_their_events_and_hold_up_what_follows() {
        let mut turns = Turns::default();
        let (first, second) = (turns.event(), turns.event());
        turns.push(Turn::Close(SubscriptionId::new("a")), 12);
        turns.answer(second, "2".into());
        assert_eq!(turns.next(), None);
        turns.answer(first, "1".into());
        assert_eq!(turns.next(), Some(Turn::Say("1".into())));
        assert_eq!(turns.next(), Some(Turn::Say("2".into())));
        assert_eq!(turns.next(), Some(Turn::Close(SubscriptionId::new("a"))));
        assert_eq!(turns.next(), None);
        let third = turns.event();
        turns.answer(third, "3".into());
        assert_eq!(turns.next(), Some(Turn::Say("3".into())));
        assert!(turns.is_empty());
    }

    #[test]
    fn a_session_waits_for_a_bounded_number_of_answers() {
        let mut turns = Turns::default();
        let first = turns.event();
        for _ in 1..MOST {
            turns.event();
        }
        assert!(!turns.has_room());
        turns.answer(first, String::new());
        assert!(turns.next().is_some() && turns.has_room());
        turns.push(Turn::Say(String::new()), ROOM);
        assert!(!turns.has_room());
    }
}
