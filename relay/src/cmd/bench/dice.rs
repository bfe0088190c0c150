//! Random numbers that are the same on every machine and in every version of every library: SplitMix64.

use std::fmt::Write;

const WORDS: [&str; 24] = [
    "relay", "zap", "note", "the", "a", "of", "and", "we", "sats", "client", "today", "is", "this",
    "good", "morning", "nostr", "key", "open", "to", "with", "people", "über", "for", "why",
];

/// A sequence that follows from its seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number from 0 to 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One word.
    pub fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// Words of about `least` to `most` bytes.
    pub fn text(&mut self, least: usize, most: usize) -> String {
        let length = least + self.below(most - least);
        let mut text = String::with_capacity(length + 12);
        while text.len() < length {
            let _ = write!(text, "{} ", self.word());
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
