//! Where other threads leave what they did for a session: answers of the writer and the verify threads, slices, counts.

use super::{
    ask::Asking,
    publish::{Decided, Judged},
    subscribe::Scan,
};
use crate::hub::Recipient;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What can be left for a session.
pub(super) enum Letter {
    /// A batch of events was looked at; those not answered are with the writer.
    Judged(Judged),
    /// The writer decided on some of them.
    Decided(Vec<Decided>),
    /// A slice of a query was read.
    Scanned(Box<Scan>),
    /// A slice of a count was counted.
    Counted(Box<Asking>),
}

/// One session's letters. Leaving one wakes the session.
pub(super) struct Mailbox {
    pub(super) recipient: Arc<Recipient>,
    letters: Mutex<Vec<Letter>>,
}

impl Mailbox {
    pub(super) fn new(recipient: Arc<Recipient>) -> Arc<Self> {
        Arc::new(Self {
            recipient,
            letters: Mutex::default(),
        })
    }

    pub(super) fn leave(&self, letter: Letter) {
        self.lock().push(letter);
        self.recipient.wake();
    }

    pub(super) fn take(&self) -> Vec<Letter> {
        mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
