//! The time that a walk has before it, cut into spans where a relay cannot say at once what is in all of it. Pure.
//!
//! A relay that runs out of time answers without a single event and says that there is more (NIP-67): of half the time it may know
//! more. A relay that keeps events to those whom they name says the same, of however short a time: that is remembered.

/// Seconds of which nothing is shown, after which the rest is given up: a relay that never shows anything would be asked for ever.
const SILENT_MOST: u32 = 16;
/// Few events lie further ahead of now.
const AHEAD: u64 = 24 * 3600;

/// The span in which the walk is, and the older ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    since: u64,
    /// Oldest and newest second of each, the next one last.
    older: Vec<(u64, u64)>,
    silent: Option<(u64, u64)>,
    silent_seconds: u32,
}

impl Spans {
    /// One span: everything from the second `since` on.
    pub fn new(since: u64) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// The oldest second of the span in which the walk is.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Goes on to the next span, whose newest second it answers; `None` when that was the last one.
    pub fn next_until(&mut self) -> Option<u64> {
        let (since, until) = self.older.pop()?;
        self.since = since;
        Some(until)
    }

    /// The relay shows nothing of what is left of the span, down from `until`, and has more: the newer half is the span
    /// now. `false` when it cannot be divided: it is remembered as silent, and done.
    pub fn divide(&mut self, until: Option<u64>, now: u64) -> bool {
        let middle = until.map_or(now.saturating_add(AHEAD), |until| {
            self.since + until.saturating_sub(self.since) / 2
        });
        let newest = until.unwrap_or(u64::MAX);
        if self.since <= middle && middle < newest {
            self.older.push((self.since, middle));
            self.since = middle + 1;
            return true;
        }
        self.be_silent(newest);
        false
    }

    fn be_silent(&mut self, until: u64) {
        let newest = self.silent.map_or(until, |(_, newest)| newest);
        self.silent_seconds += 1;
        let mut oldest = self.since;
        if self.silent_seconds >= SILENT_MOST {
            oldest = self.older.first().map_or(oldest, |(since, _)| *since);
            self.older.clear();
        }
        self.silent = Some((oldest, newest));
    }

    /// From when to when there is something of which nothing was shown.
    pub fn silent(&self) -> Option<(u64, u64)> {
        self.silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_span_is_halved_newest_first_and_nothing_between_is_left_out() {
        let mut spans = Spans::new(10);
        assert!(spans.divide(Some(17), NOW));
        assert_eq!(spans.since(), 14);
        assert!(spans.divide(Some(17), NOW));
        assert_eq!(spans.since(), 16);
        assert_eq!((spans.next_until(), spans.since()), (Some(15), 14));
        assert_eq!((spans.next_until(), spans.since()), (Some(13), 10));
        assert_eq!((spans.next_until(), spans.silent()), (None, None));
    }

    #[test]
    fn without_an_end_the_future_is_asked_first() {
        let mut spans = Spans::new(0);
        assert!(spans.divide(None, NOW));
        assert_eq!(spans.since(), NOW + AHEAD + 1);
        assert_eq!((spans.next_until(), spans.since()), (Some(NOW + AHEAD), 0));
    }

    #[test]
    fn a_silent_second_is_remembered_and_the_rest_goes_on() {
        let mut spans = Spans::new(6);
        assert!(spans.divide(Some(7), NOW));
        assert!(!spans.divide(Some(7), NOW));
        assert_eq!(spans.next_until(), Some(6));
        assert_eq!(spans.silent(), Some((7, 7)));
    }

    #[test]
    fn a_relay_that_never_shows_anything_is_given_up_soon_and_all_of_it_named() {
        let mut spans = Spans::new(3);
        let (mut until, mut asked) = (None, 0);
        loop {
            asked += 1;
            if spans.divide(until, NOW) {
                continue;
            }
            match spans.next_until() {
                Some(next) => until = Some(next),
                None => break,
            }
        }
        assert!(asked < 100, "{asked}");
        assert_eq!(spans.silent(), Some((3, u64::MAX)));
    }

    #[test]
    fn a_span_that_ends_before_it_begins_is_silent_and_no_panic() {
        assert!(!Spans::new(9).divide(Some(2), NOW));
        assert!(!Spans::new(u64::MAX).divide(None, NOW));
    }
}
