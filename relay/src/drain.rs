//! Saying goodbye: after a SIGTERM each session is told in its turn, so that clients do not come back all at once.
//!
//! The turns are spread evenly over the grace period, with jitter. A session waits for its turn with
//! [`DrainSignal::turn`], then sends CLOSED `error: shutting down` for each subscription and close 1012, and ends. What
//! is still open when the grace period is over is cut.

use rand::Rng;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// Part of the grace period in which the turns lie; the rest is for the last ones to finish their closing handshake.
const TURNS: f64 = 0.8;

/// The stop of the whole process, seen from the side that stops it.
#[derive(Clone, Debug)]
pub struct Drain {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    begun: CancellationToken,
    cut: CancellationToken,
    sessions: TaskTracker,
    grace: Duration,
    /// Sessions that were open when the drain began.
    open: AtomicU32,
    /// Turns given out.
    given: AtomicU32,
}

/// The stop of the whole process, seen from one session.
#[derive(Clone, Debug)]
pub struct DrainSignal {
    shared: Arc<Shared>,
}

impl Drain {
    /// A drain that has not begun and may take `grace`.
    pub fn new(grace: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                begun: CancellationToken::new(),
                cut: CancellationToken::new(),
                sessions: TaskTracker::new(),
                grace,
                open: AtomicU32::new(0),
                given: AtomicU32::new(0),
            }),
        }
    }

    /// What a session needs to know.
    pub fn signal(&self) -> DrainSignal {
        DrainSignal {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Counts a session until the token is dropped; [`Drain::finished`] waits for all of them.
    pub fn session(&self) -> TaskTrackerToken {
        self.shared.sessions.token()
    }

    /// Begins: no new sessions, the open ones are given their turns.
    pub fn begin(&self) {
        let open = u32::try_from(self.shared.sessions.len()).unwrap_or(u32::MAX);
        self.shared.open.store(open, Ordering::Relaxed);
        self.shared.begun.cancel();
        self.shared.sessions.close();
    }

    /// Has it begun?
    pub fn has_begun(&self) -> bool {
        self.shared.begun.is_cancelled()
    }

    /// Resolves when it begins.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.begun.clone().cancelled_owned()
    }

    /// Ends what is still open, at once.
    pub fn cut(&self) {
        self.shared.cut.cancel();
    }

    /// Resolves when what is open must end at once.
    pub fn is_cut(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.cut.clone().cancelled_owned()
    }

    /// Resolves when no session is left, at the end of the grace period at the latest. Says how many had to be cut.
    pub async fn finished(&self) -> usize {
        let all_gone = self.shared.sessions.wait();
        if tokio::time::timeout(self.shared.grace, all_gone)
            .await
            .is_ok()
        {
            return 0;
        }
        let left = self.shared.sessions.len();
        self.cut();
        self.shared.sessions.wait().await;
        left
    }
}

impl DrainSignal {
    /// Resolves when it is this session's turn to say goodbye; never before the drain begins. Safe to drop and call again
    /// before it begins, but once it has begun a new call takes a new turn: keep the future.
    pub async fn turn(&self) {
        self.shared.begun.cancelled().await;
        let turn = Turn {
            number: self.shared.given.fetch_add(1, Ordering::Relaxed),
            of: self.shared.open.load(Ordering::Relaxed),
        };
        let jitter = rand::rng().random::<f64>();
        tokio::time::sleep(turn.wait(self.shared.grace, jitter)).await;
    }

    /// Has the drain begun?
    pub fn has_begun(&self) -> bool {
        self.shared.begun.is_cancelled()
    }
}

/// One session's place among those that say goodbye.
#[derive(Clone, Copy)]
struct Turn {
    number: u32,
    /// Sessions that were open.
    of: u32,
}

impl Turn {
    /// How long it waits: its place in the grace period, plus `jitter` (0 to 1) of the distance between two. The first
    /// goes at once: on a laptop a single client does not hold up Ctrl-C.
    fn wait(self, grace: Duration, jitter: f64) -> Duration {
        if self.number == 0 {
            return Duration::ZERO;
        }
        let distance = grace.mul_f64(TURNS) / self.of.max(1);
        let place = distance * self.number.min(self.of);
        (place + distance.mul_f64(jitter)).min(grace.mul_f64(TURNS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly_over_the_grace_period() {
        let grace = Duration::from_secs(10);
        let wait = |number, of, jitter| Turn { number, of }.wait(grace, jitter);
        let waits: Vec<_> = (0..100).map(|n| wait(n, 100, 0.5)).collect();
        assert_eq!(waits[0], Duration::ZERO);
        assert!(waits.is_sorted());
        let second_half = waits.iter().filter(|wait| wait.as_secs() >= 4).count();
        assert_eq!(second_half, 50);
        assert!(waits[99] <= Duration::from_secs(8));
        assert!(wait(500, 100, 1.0) <= Duration::from_secs(8));
        let alone = Turn { number: 3, of: 0 };
        assert_eq!(alone.wait(Duration::ZERO, 1.0), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_drain_ends_when_no_session_is_left() {
        let drain = Drain::new(Duration::from_secs(10));
        let (signal, token) = (drain.signal(), drain.session());
        assert!(!signal.has_begun());
        tokio::spawn(async move {
            signal.turn().await;
            drop(token);
        });
        drain.begin();
        let begin = tokio::time::Instant::now();
        assert_eq!(drain.finished().await, 0);
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_session_that_does_not_leave_is_cut_at_the_end_of_the_grace_period() {
        let drain = Drain::new(Duration::from_millis(50));
        let (cut, token) = (drain.is_cut(), drain.session());
        tokio::spawn(async move {
            cut.await;
            drop(token);
        });
        drain.begin();
        let begin = tokio::time::Instant::now();
        assert_eq!(drain.finished().await, 1);
        assert!(begin.elapsed() >= Duration::from_millis(50));
    }
}
