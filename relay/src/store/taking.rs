//! What a request takes out of the view, as far as one group has room for it.

use super::{
    decide::{Decision, REMOVALS},
    effect::{self, Effect, Reason},
    entry::Entry,
};

/// Effects, and what they weigh.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Removals, and what goes with them.
    pub effects: Vec<Effect>,
    /// How many of them are removals.
    pub removed: u64,
    /// Bytes of text that they take out of the view.
    pub bytes: usize,
}

/// What a request takes out of the view, as far as there is room for it in one group.
pub(super) struct Taking {
    /// So far.
    pub taken: Taken,
    room: usize,
    /// Was there no room for something?
    pub is_cut: bool,
}

impl Taking {
    /// Room for so many bytes of text, and for one event in any case.
    pub fn new(room: usize) -> Self {
        Self {
            taken: Taken::default(),
            room,
            is_cut: false,
        }
    }

    /// Removes an entry. Was there room for it?
    pub fn remove(&mut self, entry: &Entry<'_>, reason: Reason) -> bool {
        let bytes = self.taken.bytes + entry.text().len();
        if self.taken.removed > 0 && bytes > self.room {
            self.is_cut = true;
            return false;
        }
        self.taken.bytes = bytes;
        self.taken.removed += 1;
        self.add(Effect::Remove(entry.number(), reason));
        true
    }

    /// Something that takes no room.
    pub fn add(&mut self, effect: Effect) {
        self.taken.effects.push(effect);
    }

    /// What is decided with it.
    pub fn decision(mut self) -> Decision {
        let effects = &mut self.taken.effects;
        if self.is_cut {
            effects.retain(|effect| matches!(effect, Effect::Remove(..)));
            return Decision::Part(self.taken);
        }
        let mut before: Vec<Vec<u8>> = effects.chunks(REMOVALS).map(effect::write).collect();
        let effects = before.pop().unwrap_or_default();
        Decision::Accepted {
            before,
            effects,
            removes: self.taken.removed > 0,
            bytes: self.taken.bytes,
        }
    }
}
