//! The one timer of a session: pings, the rest between two flushes of live events, clients that take nothing.

use super::shared::Pace;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// Pings that may stay unanswered; at the next one the client counts as gone.
const UNANSWERED: u8 = 2;

/// What the timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing is due.
    None,
    /// The client must show that it lives.
    Ping,
    /// It did not, or takes nothing.
    Dead,
    /// The rest is over.
    Rested,
}

/// When what is due.
pub(super) struct Life {
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    ping: Instant,
    unanswered: u8,
    /// Live events flushed before this moment get company.
    rest: Instant,
    resting: bool,
    /// Since when the socket takes nothing.
    stalled: Option<Instant>,
}

impl Life {
    pub(super) fn new(pace: Pace, now: Instant) -> Self {
        let ping = now + pace.ping;
        Self {
            pace,
            timer: Box::pin(sleep_until(ping)),
            ping,
            unanswered: 0,
            rest: now,
            resting: false,
            stalled: None,
        }
    }

    /// Something was read.
    pub(super) fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// Everything was written.
    pub(super) fn flowing(&mut self) {
        self.stalled = None;
    }

    /// The socket took nothing more.
    pub(super) fn stalled(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// Live events were flushed.
    pub(super) fn delivered(&mut self, now: Instant) {
        self.rest = now + self.pace.rest;
    }

    /// Should live events wait for company? If so, the timer tells when they have waited long enough.
    pub(super) fn rests(&mut self, now: Instant) -> bool {
        self.resting = now < self.rest;
        self.resting
    }

    /// What is due; arms the timer for what is due next. `listens` says whether the socket is being read: who is not
    /// listened to cannot answer a ping.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant, listens: bool) -> Sign {
        if self
            .stalled
            .is_some_and(|since| now >= since + self.pace.stall)
        {
            return Sign::Dead;
        }
        if now >= self.ping {
            self.ping = now + self.pace.ping;
            if listens {
                if self.unanswered >= UNANSWERED {
                    return Sign::Dead;
                }
                self.unanswered += 1;
                return Sign::Ping;
            }
        }
        if self.resting && now >= self.rest {
            self.resting = false;
            return Sign::Rested;
        }
        self.arm(cx);
        Sign::None
    }

    /// The timer is moved only to an earlier moment; when it fires too early, it is set again.
    fn arm(&mut self, cx: &mut Context<'_>) {
        let due = self.next();
        if self.timer.deadline() > due || self.timer.is_elapsed() {
            self.timer.as_mut().reset(due);
        }
        while let Poll::Ready(()) = self.timer.as_mut().poll(cx) {
            if self.timer.deadline() >= due {
                // Due between two looks at the clock.
                cx.waker().wake_by_ref();
                return;
            }
            self.timer.as_mut().reset(due);
        }
    }

    fn next(&self) -> Instant {
        let mut due = self.ping;
        if self.resting {
            due = due.min(self.rest);
        }
        if let Some(since) = self.stalled {
            due = due.min(since + self.pace.stall);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker;
    use std::time::Duration;

    /// A life, and what it says a number of milliseconds after its beginning.
    struct Told {
        life: Life,
        begin: Instant,
    }

    impl Told {
        fn new() -> Self {
            let begin = Instant::now();
            let pace = Pace {
                ping: Duration::from_secs(30),
                rest: Duration::from_millis(4),
                stall: Duration::from_secs(60),
                goodbye: Duration::from_secs(1),
            };
            Self {
                life: Life::new(pace, begin),
                begin,
            }
        }

        fn at(&self, millis: u64) -> Instant {
            self.begin + Duration::from_millis(millis)
        }

        fn says(&mut self, millis: u64, listens: bool) -> Sign {
            let (waker, now) = (noop_waker(), self.at(millis));
            self.life
                .poll(&mut Context::from_waker(&waker), now, listens)
        }
    }

    #[tokio::test]
    async fn the_third_ping_finds_two_unanswered_and_the_client_dead() {
        let mut told = Told::new();
        assert_eq!(told.says(29_999, true), Sign::None);
        assert_eq!(told.says(30_000, true), Sign::Ping);
        assert_eq!(told.says(30_001, true), Sign::None);
        assert_eq!(told.says(60_000, true), Sign::Ping);
        assert_eq!(told.says(90_000, true), Sign::Dead);
    }

    #[tokio::test]
    async fn an_answer_forgives_what_was_unanswered() {
        let mut told = Told::new();
        for minute in 1..10 {
            assert_eq!(told.says(minute * 60_000 - 30_000, true), Sign::Ping);
            assert_eq!(told.says(minute * 60_000, true), Sign::Ping);
            told.life.heard();
        }
    }

    #[tokio::test]
    async fn who_is_not_listened_to_is_not_asked() {
        let mut told = Told::new();
        for half_minute in 1..10 {
            assert_eq!(told.says(half_minute * 30_000, false), Sign::None);
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_for_a_minute_is_dead() {
        let mut told = Told::new();
        let at = told.at(1000);
        told.life.stalled(at);
        let later = told.at(50_000);
        told.life.stalled(later);
        assert_eq!(told.says(60_999, false), Sign::None);
        assert_eq!(told.says(61_000, false), Sign::Dead);
        told.life.flowing();
        assert_eq!(told.says(61_000, false), Sign::None);
    }

    #[tokio::test]
    async fn after_a_delivery_the_next_one_waits_four_milliseconds_and_no_timer_runs_without_one() {
        let mut told = Told::new();
        let at = told.at(100);
        assert!(!told.life.rests(at));
        told.life.delivered(at);
        assert_eq!(told.says(105, true), Sign::None);
        told.life.delivered(at);
        let soon = told.at(102);
        assert!(told.life.rests(soon));
        assert_eq!(told.says(103, true), Sign::None);
        assert_eq!(told.says(104, true), Sign::Rested);
        let then = told.at(104);
        assert!(!told.life.rests(then));
    }
}
