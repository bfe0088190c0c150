//! Good lines and bad ones. Of a bad one its place is told and what is wrong with it, never the line itself.

use super::{Rejected, bad, texts::Text};
use std::collections::BTreeSet;

/// Bad lines that a message names; the rest is counted.
const NAMED: usize = 3;

/// Bad lines: the first few by name.
#[derive(Default)]
pub(super) struct Bad {
    named: Vec<String>,
    count: usize,
    /// Texts that were looked at.
    judged: BTreeSet<String>,
}

impl Bad {
    pub(super) fn take<T, E: ToString>(
        &mut self,
        line: Result<T, E>,
        name: impl Fn() -> String,
    ) -> Option<T> {
        match line {
            Ok(good) => Some(good),
            Err(why) => {
                self.count += 1;
                if self.count <= NAMED {
                    self.named.push(format!("{}: {}", name(), why.to_string()));
                }
                None
            }
        }
    }

    /// The good lines of a text. One that feeds two lists is complained of once.
    pub(super) fn good<T, E: ToString>(
        &mut self,
        text: &Text,
        read: impl Fn(&str) -> Result<Option<T>, E>,
    ) -> Vec<T> {
        let again = !self.judged.insert(text.name.clone());
        let mut good = Vec::new();
        for (index, line) in text.text.lines().enumerate() {
            match read(line) {
                Err(_) if again => {}
                line => {
                    let name = || format!("{}, line {}", text.name, index + 1);
                    good.extend(self.take(line, name).flatten());
                }
            }
        }
        good
    }

    pub(super) fn verdict(self, what: &str) -> Result<(), Rejected> {
        if self.count == 0 {
            return Ok(());
        }
        let mut named = self.named;
        if self.count > NAMED {
            named.push(format!(
                "and {} more that are no {what}",
                self.count - NAMED
            ));
        }
        bad(named.join("; "))
    }
}
