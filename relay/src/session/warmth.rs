//! Whether small look-ups are worth doing in place: in memory they cost less than a hand-over, on a cold disk they would
//! hold up every session of the thread.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Longer than this, and it was the disk.
const WARM: Duration = Duration::from_millis(2);

/// After a cold look-up everything is handed over for this long.
const COOLING: Duration = Duration::from_secs(1);

/// What the last look-ups in place told.
#[derive(Debug)]
pub(super) struct Warmth {
    begin: Instant,
    /// Milliseconds after `begin`.
    cold_until: AtomicU64,
}

impl Default for Warmth {
    fn default() -> Self {
        Self {
            begin: Instant::now(),
            cold_until: AtomicU64::new(0),
        }
    }
}

impl Warmth {
    pub(super) fn is_warm(&self) -> bool {
        self.millis() >= self.cold_until.load(Ordering::Relaxed)
    }

    /// Does something in place, and remembers whether that was a good idea.
    pub(super) fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        if begin.elapsed() > WARM {
            let until = self.millis() + COOLING.as_millis() as u64;
            self.cold_until.store(until, Ordering::Relaxed);
        }
        done
    }

    fn millis(&self) -> u64 {
        self.begin.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_work_stays_in_place_and_slow_work_is_handed_over_for_a_while() {
        let warmth = Warmth::default();
        warmth.measure(|| {});
        assert!(warmth.is_warm());
        warmth.measure(|| std::thread::sleep(WARM * 2));
        assert!(!warmth.is_warm());
    }
}
