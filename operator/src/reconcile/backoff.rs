//! Delays after failures, per object: one that fails does not slow the others.

use super::{
    error::Class,
    memory::{ByResource, Key},
};
use kube::runtime::utils;
use std::time::Duration;

/// The longest delay of repeated failures.
const LONGEST: Duration = Duration::from_secs(300);

/// How often each object failed in a row. Bounded by the number of objects: success and deletion forget.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: ByResource<u32>,
}

impl Backoff {
    /// One more failure of an object: how long to wait. `jitter` is between 0 and 1.
    pub fn failed(&self, object: &Key, class: Class, jitter: f64) -> Duration {
        self.attempts.with(|attempts| {
            let count = attempts.entry(object.clone()).or_insert(0);
            let wait = delay(class, *count, jitter);
            *count = count.saturating_add(1);
            wait
        })
    }

    /// An object that failed is looked at before its time, for another reason: that does not count.
    pub fn uncount(&self, object: &Key) {
        self.attempts.with(|attempts| {
            if let Some(count) = attempts.get_mut(object) {
                *count = count.saturating_sub(1);
            }
        });
    }

    /// Objects whose last visit failed.
    pub fn failing(&self) -> usize {
        self.attempts.with(|attempts| attempts.len())
    }

    /// An object succeeded or is gone.
    pub fn forget(&self, object: &Key) {
        self.attempts.forget(object);
    }
}

/// How long a watch that failed waits: a tenth of a second, doubled up to a second. kube's own 30 seconds would be as long
/// without news after an outage.
#[derive(Debug, Default)]
pub struct WatchBackoff {
    failures: u32,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let base = Duration::from_millis(100 << self.failures.min(4));
        self.failures = self.failures.saturating_add(1);
        let longest = Duration::from_secs(1);
        Some(spread(base.min(longest), 0.2, rand::random()))
    }
}

impl utils::Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The wait before attempt `attempts + 1`. `jitter` between 0 and 1 spreads it by a fifth to both sides.
pub fn delay(class: Class, attempts: u32, jitter: f64) -> Duration {
    let doubled = |seconds| {
        Duration::from_secs(seconds)
            .saturating_mul(2_u32.saturating_pow(attempts))
            .min(LONGEST)
    };
    let base = match class {
        Class::Conflict => Duration::from_secs(1),
        Class::Invalid | Class::SchemaSkew => LONGEST,
        // An API server that starts says it of everything, until it has read its roles.
        Class::Forbidden => doubled(5),
        Class::Transient => doubled(1),
    };
    spread(base, 0.2, jitter)
}

/// A duration moved by at most `share` to both sides.
pub fn spread(base: Duration, share: f64, jitter: f64) -> Duration {
    base.mul_f64(1.0 - share + 2.0 * share * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NostrRelay;

    #[test]
    fn transient_failures_double_up_to_five_minutes() {
        let seconds: Vec<u64> = (0..12)
            .map(|attempts| delay(Class::Transient, attempts, 0.5).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(delay(Class::Transient, u32::MAX, 0.5), LONGEST);
    }

    #[test]
    fn conflicts_are_retried_at_once_and_what_needs_a_human_rarely() {
        assert_eq!(delay(Class::Conflict, 9, 0.5), Duration::from_secs(1));
        for class in [Class::Invalid, Class::SchemaSkew] {
            assert_eq!(delay(class, 0, 0.5), LONGEST, "{class:?}");
        }
    }

    #[test]
    fn a_right_that_is_missing_is_asked_for_again_soon_and_then_rarely() {
        let seconds =
            [0, 1, 2, 5, 6, 99].map(|attempts| delay(Class::Forbidden, attempts, 0.5).as_secs());
        assert_eq!(seconds, [5, 10, 20, 160, 300, 300]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for (jitter, millis) in [(0.0, 800), (1.0, 1200), (7.0, 1200), (-1.0, 800)] {
            assert_eq!(delay(Class::Conflict, 0, jitter).as_millis(), millis);
        }
    }

    #[test]
    fn watches_come_back_within_seconds_however_long_they_failed() {
        let mut backoff = WatchBackoff::default();
        let first = backoff.next().unwrap();
        assert!(first <= Duration::from_millis(120), "{first:?}");
        let later: Vec<Duration> = backoff.by_ref().take(100).collect();
        let longest = later.iter().max().unwrap();
        assert!(*longest <= Duration::from_millis(1200) && later[99] >= Duration::from_millis(800));
        utils::Backoff::reset(&mut backoff);
        assert!(backoff.next().unwrap() <= Duration::from_millis(120));
    }

    #[test]
    fn looks_before_the_time_do_not_make_the_wait_longer() {
        let backoff = Backoff::default();
        let town = Key::named::<NostrRelay>(Some("here"), "town");
        let failed = || backoff.failed(&town, Class::Transient, 0.5).as_secs();
        assert_eq!((failed(), failed()), (1, 2));
        for _ in 0..9 {
            assert_eq!(failed(), 4);
            backoff.uncount(&town);
        }
        assert_eq!((failed(), failed(), backoff.failing()), (4, 8, 1));
    }

    #[test]
    fn objects_do_not_share_their_delays_and_success_starts_over() {
        let backoff = Backoff::default();
        let key = |name| Key::named::<NostrRelay>(Some("here"), name);
        let failed = |name| backoff.failed(&key(name), Class::Transient, 0.5).as_secs();
        assert_eq!((failed("a"), failed("a"), failed("b")), (1, 2, 1));
        backoff.forget(&key("a"));
        assert_eq!((failed("a"), failed("b")), (1, 2));
    }
}
