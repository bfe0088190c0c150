//! Which live filters match an event: each filter is filed under its most selective field, so an event is compared with
//! the filters that name its id, author, tags or kind, never with all of them.

use super::slots::{Entry, Place, Places, Slot, Slots};
use crate::wire::{Event, EventId, Filter, PublicKey};
use std::{collections::HashMap, hash::Hash, sync::Arc};

/// Names one subscription of one session, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) u64);

/// The live subscriptions, each with a value of its owner.
pub struct Index<T> {
    slots: Slots<T>,
    open: HashMap<Key, u32>,
    ids: HashMap<EventId, Places>,
    authors: HashMap<PublicKey, Places>,
    tags: HashMap<u8, HashMap<Box<str>, Places>>,
    kinds: HashMap<u16, Places>,
    everything: Places,
    round: u64,
}

/// The field under which a filter is filed, with its values.
enum Field<'a> {
    Ids(&'a [EventId]),
    Tag(u8, &'a [Box<str>]),
    Authors(&'a [PublicKey]),
    Kinds(&'a [u16]),
    None,
}

/// Ids are rarest; then whatever of authors and tags has fewest values; kinds are common.
fn most_selective(filter: &Filter) -> Field<'_> {
    if let Some(ids) = &filter.ids {
        return Field::Ids(ids);
    }
    let tag = filter.tags.iter().min_by_key(|(_, values)| values.len());
    match (tag, &filter.authors, &filter.kinds) {
        (Some((_, values)), Some(authors), _) if authors.len() <= values.len() => {
            Field::Authors(authors)
        }
        (Some((letter, values)), _, _) => Field::Tag(*letter, values),
        (None, Some(authors), _) => Field::Authors(authors),
        (None, None, Some(kinds)) => Field::Kinds(kinds),
        (None, None, None) => Field::None,
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self {
            slots: Slots::default(),
            open: HashMap::new(),
            ids: HashMap::new(),
            authors: HashMap::new(),
            tags: HashMap::new(),
            kinds: HashMap::new(),
            everything: Places::default(),
            round: 0,
        }
    }
}

impl<T> Index<T> {
    /// Adds a subscription: `value` is given back for each event that one of `filters` matches.
    pub fn insert(&mut self, key: Key, filters: Arc<[Filter]>, value: T) {
        let slot = self.slots.reserve();
        let mut places = 0;
        for (filter, number) in filters.iter().zip(0..) {
            let place = Place {
                slot,
                filter: number,
            };
            places += self.file(filter, place) as u32;
        }
        self.open.insert(key, slot);
        let entry = Entry {
            key,
            filters,
            value,
            visited: 0,
            places,
        };
        self.slots.set(slot, Slot::Live(entry));
    }

    /// Takes a subscription out; `None` if it is not there.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.open.remove(&key)?;
        let entry = self.slots.end(slot)?;
        for filter in entry.filters.iter() {
            self.bury(filter);
        }
        Some(entry.value)
    }

    /// The number of subscriptions.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Is there no subscription?
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Calls `hit` once for each subscription of which at least one filter matches `event`.
    pub fn matches(&mut self, event: &Event, mut hit: impl FnMut(Key, &T)) {
        self.round += 1;
        let (round, slots) = (self.round, &mut self.slots);
        let mut look = |places: Option<&Places>| {
            for place in places.into_iter().flat_map(|places| &places.list) {
                let Some(entry) = slots.live(place.slot) else {
                    continue;
                };
                let filter = entry.filters.get(place.filter as usize);
                if entry.visited != round && filter.is_some_and(|filter| filter.matches(event)) {
                    entry.visited = round;
                    hit(entry.key, &entry.value);
                }
            }
        };
        look(self.ids.get(&event.id()));
        look(self.authors.get(&event.pubkey()));
        look(self.kinds.get(&event.kind()));
        look(Some(&self.everything));
        if self.tags.is_empty() {
            return;
        }
        for (letter, value) in event.index_tags() {
            let values = self.tags.get(&letter);
            look(values.and_then(|values| values.get(value)));
        }
    }

    /// Says how often the filter was filed; one that can match nothing is filed nowhere.
    fn file(&mut self, filter: &Filter, place: Place) -> usize {
        if filter.matches_nothing() {
            return 0;
        }
        match most_selective(filter) {
            Field::Ids(ids) => file_under(&mut self.ids, ids, place),
            Field::Authors(authors) => file_under(&mut self.authors, authors, place),
            Field::Kinds(kinds) => file_under(&mut self.kinds, kinds, place),
            Field::Tag(letter, values) => {
                file_under(self.tags.entry(letter).or_default(), values, place)
            }
            Field::None => {
                self.everything.list.push(place);
                1
            }
        }
    }

    fn bury(&mut self, filter: &Filter) {
        if filter.matches_nothing() {
            return;
        }
        let slots = &mut self.slots;
        match most_selective(filter) {
            Field::Ids(ids) => bury_under(&mut self.ids, ids, slots),
            Field::Authors(authors) => bury_under(&mut self.authors, authors, slots),
            Field::Kinds(kinds) => bury_under(&mut self.kinds, kinds, slots),
            Field::Tag(letter, values) => {
                if let Some(known) = self.tags.get_mut(&letter) {
                    bury_under(known, values, slots);
                    if known.is_empty() {
                        self.tags.remove(&letter);
                    }
                }
            }
            Field::None => self.everything.bury_one(slots),
        }
    }
}

fn file_under<K: Clone + Eq + Hash>(
    places: &mut HashMap<K, Places>,
    values: &[K],
    place: Place,
) -> usize {
    for value in values {
        let filed = &mut places.entry(value.clone()).or_default().list;
        if filed.is_empty() {
            // Most values are named by one filter: room for one, not for the usual four.
            filed.reserve_exact(1);
        }
        filed.push(place);
    }
    values.len()
}

fn bury_under<K: Eq + Hash, T>(
    places: &mut HashMap<K, Places>,
    values: &[K],
    slots: &mut Slots<T>,
) {
    for value in values {
        if let Some(filed) = places.get_mut(value) {
            filed.bury_one(slots);
            if filed.list.is_empty() {
                places.remove(value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
