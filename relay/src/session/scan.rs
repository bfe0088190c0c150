//! The reading of one subscription's events, slice by slice, on the read threads: stored ones from the view, missed ones
//! from the log. Knows no session and no socket.

use super::frames::Frames;
use crate::{
    hub::{Key, Recipient},
    store::{Committed, Query, ReadError, Row, Step, Tail},
    wire::{Event, Filter, SubscriptionId},
};
use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest that one slice holds a read transaction.
pub(super) const SLICE: Duration = Duration::from_millis(2);

/// What a client is told (`error:`) when its query or count failed.
pub(super) const UNREADABLE: &str = "the stored events could not be read";

/// Bytes of text after which a slice ends.
const SLICE_BYTES: usize = 128 << 10;

/// The reading of stored events, which travels between the session and the read threads.
pub(super) struct Scan {
    pub(super) key: Key,
    id: SubscriptionId,
    pub(super) source: Source,
    /// What the last slice found.
    pub(super) found: Frames,
    spent: Duration,
    allowed: Duration,
    pub(super) begun: Instant,
    pub(super) state: State,
    /// A few look-ups and no search: may be done in place.
    pub(super) is_look_up: bool,
}

pub(super) enum Source {
    /// What the filters ask for.
    Stored(Query),
    /// What a full buffer could not keep.
    Missed(Missed),
}

pub(super) struct Missed {
    pub(super) tail: Tail,
    pub(super) upto: Committed,
    pub(super) filters: Arc<[Filter]>,
    pub(super) recipient: Arc<Recipient>,
}

impl Missed {
    /// What the hub would have delivered.
    fn slice(&mut self, out: &mut Slice<'_>) -> Result<Step, ReadError> {
        let (filters, recipient) = (&self.filters, &self.recipient);
        let wanted = |row: &Row<'_>| {
            let text = str::from_utf8(row.text()).ok();
            let event = text.and_then(|text| Event::read(text).ok());
            event.is_some_and(|event| filters.iter().any(|filter| filter.matches(&event)))
        };
        self.tail.slice(SLICE, &mut |row| {
            if recipient.may_read(row) && wanted(row) {
                out.take(row)
            } else {
                ControlFlow::Continue(())
            }
        })
    }
}

pub(super) enum State {
    More,
    Done { cut: bool },
    Failed,
}

impl Scan {
    /// A scan for a subscription that may take `allowed`.
    pub(super) fn new(
        subscription: (Key, SubscriptionId),
        source: Source,
        allowed: Duration,
    ) -> Box<Self> {
        let (key, id) = subscription;
        Box::new(Self {
            key,
            id,
            source,
            found: Frames::default(),
            spent: Duration::ZERO,
            allowed,
            begun: Instant::now(),
            state: State::More,
            is_look_up: false,
        })
    }

    /// Reads one slice, on a read thread.
    pub(super) fn run(&mut self) {
        let begun = Instant::now();
        let mut slice = Slice {
            id: &self.id,
            found: &mut self.found,
        };
        let step = match &mut self.source {
            Source::Stored(query) => query.slice(SLICE, &mut |row| slice.take(row)),
            Source::Missed(missed) => missed.slice(&mut slice),
        };
        self.spent += begun.elapsed();
        self.state = self.next_state(step);
    }

    /// Missed events are owed to the client: only stored ones are cut when time is up.
    fn next_state(&self, step: Result<Step, ReadError>) -> State {
        let out_of_time = matches!(self.source, Source::Stored(_)) && self.spent >= self.allowed;
        match step {
            Ok(Step::Done { cut }) => State::Done { cut },
            Ok(Step::More) if out_of_time => State::Done { cut: true },
            Ok(Step::More) => State::More,
            Err(error) => {
                tracing::error!(%error, "a query could not be read");
                State::Failed
            }
        }
    }
}

/// What one slice gives out.
struct Slice<'a> {
    id: &'a SubscriptionId,
    found: &'a mut Frames,
}

impl Slice<'_> {
    fn take(&mut self, row: &Row<'_>) -> ControlFlow<()> {
        self.found.push(self.id, row.text());
        if self.found.bytes() < SLICE_BYTES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}
