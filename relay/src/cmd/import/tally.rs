//! How the lines of an import ended.

use crate::client::answer::{Fate, word};
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// Examples that are kept for each prefix.
const EXAMPLES: usize = 3;
/// Different prefixes that are kept apart: a relay may invent any number of words.
const PREFIXES: usize = 32;
/// The prefix of what has none.
const OTHER: &str = "other";

/// Counts by verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// New to the relay.
    pub accepted: u64,
    /// The relay had it.
    pub duplicate: u64,
    /// The relay has a newer version of it.
    pub superseded: u64,
    refused: BTreeMap<String, Refused>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refused {
    count: u64,
    examples: Vec<(u64, String)>,
}

impl Tally {
    /// One line was answered with an OK.
    pub fn answered(&mut self, line: u64, accepted: bool, verdict: &str) {
        match Fate::of(accepted, verdict) {
            Fate::Duplicate => self.duplicate += 1,
            Fate::Accepted => self.accepted += 1,
            Fate::Superseded => self.superseded += 1,
            Fate::Refused => self.refuse(line, verdict),
        }
    }

    /// One line was refused.
    pub fn refuse(&mut self, line: u64, verdict: &str) {
        let key = match word(verdict) {
            key if self.refused.contains_key(key) => key,
            "" => OTHER,
            _ if self.refused.len() >= PREFIXES => OTHER,
            key => key,
        };
        let refused = self.refused.entry(key.to_owned()).or_default();
        refused.count += 1;
        if refused.examples.len() < EXAMPLES {
            refused.examples.push((line, verdict.to_owned()));
        }
    }

    /// Lines that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.values().map(|refused| refused.count).sum()
    }

    /// Lines that were answered.
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.superseded + self.refused()
    }

    /// What a person reads at the end.
    pub fn summary(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let mut text = format!(
            "{} events in {seconds:.1} s ({:.0}/s): {} accepted, {} duplicate, {} superseded, {} refused",
            self.total(),
            self.total() as f64 / seconds.max(1e-3),
            self.accepted,
            self.duplicate,
            self.superseded,
            self.refused()
        );
        for (prefix, refused) in &self.refused {
            let _ = write!(text, "\n  refused as {prefix}: {}", refused.count);
            for (line, verdict) in &refused.examples {
                let _ = write!(text, "\n    line {line}: {verdict}");
            }
            if refused.count > refused.examples.len() as u64 {
                text.push_str("\n    …");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_is_counted_once_and_examples_name_their_lines() {
        let mut tally = Tally::default();
        tally.answered(1, true, "");
        tally.answered(2, true, "duplicate: have it");
        tally.answered(3, false, "duplicate: newer version stored");
        for line in 4..9 {
            tally.answered(line, false, "invalid: bad signature");
        }
        tally.answered(9, false, "no prefix");
        assert_eq!((tally.total(), tally.refused()), (9, 6));
        let text = tally.summary(Duration::from_secs(1));
        assert!(
            text.contains("1 accepted, 1 duplicate, 1 superseded, 6 refused"),
            "{text}"
        );
        assert!(text.contains("refused as invalid: 5"), "{text}");
        assert!(
            text.contains("line 6: invalid: bad signature") && !text.contains("line 7:"),
            "{text}"
        );
        assert!(text.contains("refused as other: 1"), "{text}");
    }

    #[test]
    fn a_relay_that_invents_words_fills_no_memory() {
        let mut tally = Tally::default();
        for line in 0..1000 {
            tally.refuse(line, &format!("word{line}: no"));
        }
        assert_eq!((tally.refused(), tally.refused.len()), (1000, PREFIXES + 1));
    }
}
