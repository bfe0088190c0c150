//! Where the index keeps its subscriptions, and the places at which their filters are filed. An end costs the same however
//! many others are filed beside it: what is dead is cleared away later.

use super::index::Key;
use crate::wire::Filter;
use std::{mem, sync::Arc};

/// Where to find one filter: the subscription's slot and the filter's place in it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) filter: u32,
}

/// The filters that are filed under one value. Those of subscriptions that ended stay until they are the majority: so an
/// end costs the same however many others name the value.
#[derive(Default)]
pub(super) struct Places {
    pub(super) list: Vec<Place>,
    dead: usize,
}

/// One live subscription.
pub(super) struct Entry<T> {
    pub(super) key: Key,
    pub(super) filters: Arc<[Filter]>,
    pub(super) value: T,
    /// The last round that visited this entry: a subscription hears an event once, though several of its filters match.
    pub(super) visited: u64,
    /// How often it is filed.
    pub(super) places: u32,
}

/// What a slot holds.
pub(super) enum Slot<T> {
    Free,
    Live(Entry<T>),
    /// Ended, and still filed so many times.
    Dead(u32),
}

/// The subscriptions by slot. A slot is free again when nothing is filed under it any more.
pub(super) struct Slots<T> {
    pub(super) slots: Vec<Slot<T>>,
    pub(super) free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// A slot that nobody has.
    pub(super) fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() as u32 - 1
        })
    }

    /// The subscription in a slot, while it is open.
    pub(super) fn live(&mut self, slot: u32) -> Option<&mut Entry<T>> {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Live(entry)) => Some(entry),
            _ => None,
        }
    }

    pub(super) fn set(&mut self, slot: u32, state: Slot<T>) {
        if let Some(known) = self.slots.get_mut(slot as usize) {
            *known = state;
        }
    }

    /// Ends a subscription; its slot stays taken as long as it is filed somewhere.
    pub(super) fn end(&mut self, slot: u32) -> Option<Entry<T>> {
        let known = self.slots.get_mut(slot as usize)?;
        match mem::replace(known, Slot::Free) {
            Slot::Live(entry) if entry.places > 0 => {
                *known = Slot::Dead(entry.places);
                Some(entry)
            }
            Slot::Live(entry) => {
                self.free.push(slot);
                Some(entry)
            }
            other => {
                *known = other;
                None
            }
        }
    }

    /// Is the subscription open? If not, one of its places is being cleared away; with the last its slot is free.
    fn keeps(&mut self, slot: u32) -> bool {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Live(_)) => true,
            Some(Slot::Dead(places)) => {
                *places -= 1;
                if *places == 0 {
                    self.set(slot, Slot::Free);
                    self.free.push(slot);
                }
                false
            }
            _ => false,
        }
    }
}

impl Places {
    /// One of the places is dead; when most are, they are cleared away.
    pub(super) fn bury_one<T>(&mut self, slots: &mut Slots<T>) {
        self.dead += 1;
        if self.dead * 2 > self.list.len() {
            self.list.retain(|place| slots.keeps(place.slot));
            self.list.shrink_to(2 * self.list.len());
            self.dead = 0;
        }
    }
}
