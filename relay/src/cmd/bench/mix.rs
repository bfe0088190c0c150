//! Events as relays see them, made from a seed: the mix that the peers were measured with (docs/tools.md).
//!
//! 1,000 authors with Zipf weights; kinds 1 60 %, 7 35 %, 0 2 %, 3, 10002 and 30023 1 % each; 785 bytes on average.

use super::dice::Dice;
use crate::sign::Signer;

/// Authors of one seed.
pub const AUTHORS: usize = 1_000;
/// `created_at` of the first event.
pub const FIRST: u64 = 1_700_000_000;
/// Seconds between two events.
pub const STEP: u64 = 7;

/// An endless, repeatable sequence of events.
pub struct Mix {
    signers: Vec<Signer>,
    keys: Vec<String>,
    weights: Vec<f64>,
    dice: Dice,
    notes: Vec<(String, usize)>,
    made: u64,
}

/// One event, and what queries ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Canonical JSON, signed.
    pub text: String,
    /// Its author, from 0 (most active) to [`AUTHORS`] − 1.
    pub author: usize,
    /// Its kind.
    pub kind: u16,
    /// Its time.
    pub created_at: u64,
}

impl Made {
    /// The id, 64 hex characters: the first key of the canonical text.
    pub fn id(&self) -> &str {
        const BEFORE: usize = "{\"id\":\"".len();
        &self.text[BEFORE..BEFORE + 64]
    }
}

impl Mix {
    /// The sequence of a seed. Seeds share no author, so that their events never replace one another.
    pub fn new(seed: u64) -> Self {
        let signer = |author| Signer::from_seed((seed << 16) + author);
        let signers: Vec<_> = (0..AUTHORS as u64).map(signer).collect();
        let key = |signer: &Signer| signer.public_key().to_string();
        let mut sum = 0.0;
        let weight = |rank| {
            sum += 1.0 / rank as f64;
            sum
        };
        Self {
            keys: signers.iter().map(key).collect(),
            weights: (1..=AUTHORS).map(weight).collect(),
            signers,
            dice: Dice::new(seed),
            notes: Vec::new(),
            made: 0,
        }
    }

    /// The public key of an author, 64 hex characters.
    pub fn key(&self, author: usize) -> &str {
        &self.keys[author]
    }

    /// A note of one author, in the sequence's time.
    pub fn note(&mut self, author: usize) -> Made {
        let content = self.dice.text(240, 760);
        self.sign(author, 1, &[], &content)
    }

    fn author(&mut self) -> usize {
        let at = self.dice.fraction() * self.weights[AUTHORS - 1];
        let author = self.weights.partition_point(|weight| *weight < at);
        author.min(AUTHORS - 1)
    }

    fn sign(&mut self, author: usize, kind: u16, tags: &[Vec<String>], content: &str) -> Made {
        let tags = tags
            .iter()
            .map(|tag| tag.iter().map(String::as_str).collect());
        let tags: Vec<Vec<&str>> = tags.collect();
        let tags: Vec<&[&str]> = tags.iter().map(Vec::as_slice).collect();
        let created_at = FIRST + self.made * STEP;
        self.made += 1;
        Made {
            text: self.signers[author].event(created_at, kind, &tags, content),
            author,
            kind,
            created_at,
        }
    }

    /// Tags and content of one event.
    fn parts(&mut self, kind: u16) -> (Vec<Vec<String>>, String) {
        match kind {
            7 => (self.reference(), "+".into()),
            0 => (Vec::new(), self.profile()),
            3 => {
                let first = self.dice.below(AUTHORS - 12);
                let follow = |author: usize| tag(&["p", &self.keys[author]]);
                ((first..first + 12).map(follow).collect(), String::new())
            }
            10_002 => {
                let relay = |n: usize| tag(&["r", &format!("wss://relay{n}.example.org/")]);
                ((0..5).map(relay).collect(), String::new())
            }
            30_023 => {
                let name = format!("article-{}", self.dice.below(10_000));
                let tags = vec![tag(&["d", &name]), tag(&["t", "nostr"])];
                (tags, self.dice.text(1_500, 3_000))
            }
            _ if self.dice.below(2) == 0 => (self.reference(), self.dice.text(240, 760)),
            _ => (
                vec![tag(&["t", self.dice.word()])],
                self.dice.text(240, 760),
            ),
        }
    }

    fn profile(&mut self) -> String {
        let (name, about) = (self.dice.text(5, 20), self.dice.text(200, 400));
        format!("{{\"name\":\"{name}\",\"about\":\"{about}\"}}")
    }

    /// `e` and `p` of a note made before: half of the time a recent one.
    fn reference(&mut self) -> Vec<Vec<String>> {
        let count = self.notes.len();
        if count == 0 {
            return Vec::new();
        }
        let recent = self.dice.below(2) == 0;
        let reach = if recent { count.min(1_000) } else { count };
        let (id, author) = &self.notes[count - 1 - self.dice.below(reach)];
        vec![tag(&["e", id]), tag(&["p", &self.keys[*author]])]
    }
}

fn tag(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

impl Iterator for Mix {
    type Item = Made;

    fn next(&mut self) -> Option<Made> {
        let kind = match self.dice.below(100) {
            0..60 => 1,
            60..95 => 7,
            95..97 => 0,
            97 => 3,
            98 => 10_002,
            _ => 30_023,
        };
        let author = self.author();
        let (tags, content) = self.parts(kind);
        let made = self.sign(author, kind, &tags, &content);
        if kind == 1 {
            self.notes.push((made.id().to_owned(), author));
        }
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Event, Verified};

    #[test]
    fn the_same_seed_makes_the_same_events_and_another_seed_others() {
        let first = |seed| {
            Mix::new(seed)
                .take(5)
                .map(|made| made.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn the_mix_is_the_one_of_the_peers_and_every_event_verifies() {
        let made: Vec<_> = Mix::new(3).take(3_000).collect();
        let mean = made.iter().map(|made| made.text.len()).sum::<usize>() / made.len();
        assert!((765..=805).contains(&mean), "{mean} bytes");
        let share = |kind| made.iter().filter(|made| made.kind == kind).count() * 100 / made.len();
        assert!(share(1).abs_diff(60) <= 3 && share(7).abs_diff(35) <= 3);
        let busiest = made.iter().filter(|made| made.author == 0).count();
        assert!(busiest.abs_diff(400) < 100, "{busiest}");
        for made in made.iter().step_by(100) {
            let event = Verified::check(Event::read(&made.text).unwrap()).unwrap();
            assert_eq!(event.id().to_string(), made.id());
        }
    }
}
