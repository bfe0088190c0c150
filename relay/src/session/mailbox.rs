//! Where other threads leave what they did for a session: answers of the writer and the verify threads, slices, counts.

use super::{
    ask::Asking,
    auth::Challenge,
    judge::{Decided, Judged},
    refusals,
    refusals::{Asked, Told},
    scan::Scan,
    shared::Shared,
};
use crate::{hub::Recipient, wire::Verdict};
use std::{
    mem,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
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
    /// What the session waits for will not come: a thread that worked for it panicked.
    Broken,
}

/// Whoever works for a session holds this meanwhile.
pub(super) struct Promise(Arc<Mailbox>);

impl Promise {
    pub(super) fn keep(&self, letter: Letter) {
        self.0.leave(letter);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.leave(Letter::Broken);
        }
    }
}

/// One session's letters. Leaving one wakes the session.
pub(super) struct Mailbox {
    pub(super) recipient: Arc<Recipient>,
    /// What the client was asked to sign, from the first to the last moment of the connection.
    pub(super) challenge: Challenge,
    /// The client, as the log at level `debug` names it.
    address: IpAddr,
    told: Told,
    letters: Mutex<Vec<Letter>>,
}

impl Mailbox {
    pub(super) fn new(recipient: Arc<Recipient>, address: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            recipient,
            challenge: Challenge::random(),
            address,
            told: Told::default(),
            letters: Mutex::default(),
        })
    }

    pub(super) fn promise(self: &Arc<Self>) -> Promise {
        Promise(Arc::clone(self))
    }

    /// The client was refused something: tells the log, if it is time.
    pub(super) fn refused(&self, shared: &Shared, asked: Asked, verdict: &Verdict) {
        let Some(reason) = verdict.prefix else {
            return;
        };
        if shared.refusals.is_due(&self.told, reason) {
            let (asked, why) = (asked.as_str(), refusals::fixed_words(verdict));
            tracing::info!(asked, %reason, why, "refused");
            tracing::debug!(address = %self.address, "refused this client");
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pool::Pool, role::Relay};
    use std::time::{Duration, Instant};

    #[test]
    fn a_session_learns_that_what_it_waits_for_will_not_come() {
        let mailbox = Mailbox::new(
            Arc::new(Recipient::new(Arc::new(Relay))),
            IpAddr::from([127, 0, 0, 1]),
        );
        let promise = mailbox.promise();
        let pool = Pool::start("test", 1).unwrap();
        pool.run(move || {
            let _promise = promise;
            panic!("on purpose");
        });
        let begin = Instant::now();
        let letter = loop {
            if let Some(letter) = mailbox.take().pop() {
                break letter;
            }
            assert!(begin.elapsed() < Duration::from_secs(10));
        };
        assert!(matches!(letter, Letter::Broken));
    }
}
