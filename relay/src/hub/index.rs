//! Which live filters match an event: each filter is filed under its most selective field, so an event is compared with
//! the filters that name its id, author, tags or kind, never with all of them.

use crate::wire::{Event, EventId, Filter, PublicKey};
use std::{collections::HashMap, hash::Hash, mem, sync::Arc};

/// Names one subscription of one session, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) u64);

/// Where to find one filter: the subscription's slot and the filter's place in it.
#[derive(Clone, Copy)]
struct Place {
    slot: u32,
    filter: u32,
}

/// The filters that are filed under one value. Those of subscriptions that ended stay until they are the majority: so an
/// end costs the same however many others name the value.
#[derive(Default)]
struct Places {
    list: Vec<Place>,
    dead: usize,
}

struct Entry<T> {
    key: Key,
    filters: Arc<[Filter]>,
    value: T,
    /// The last round that visited this entry: a subscription hears an event once, though several of its filters match.
    visited: u64,
    /// How often it is filed.
    places: u32,
}

enum Slot<T> {
    Free,
    Live(Entry<T>),
    /// Ended, and still filed so many times.
    Dead(u32),
}

struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() as u32 - 1
        })
    }

    fn live(&mut self, slot: u32) -> Option<&mut Entry<T>> {
        match self.slots.get_mut(slot as usize) {
            Some(Slot::Live(entry)) => Some(entry),
            _ => None,
        }
    }

    fn set(&mut self, slot: u32, state: Slot<T>) {
        if let Some(known) = self.slots.get_mut(slot as usize) {
            *known = state;
        }
    }

    fn end(&mut self, slot: u32) -> Option<Entry<T>> {
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
    fn bury_one<T>(&mut self, slots: &mut Slots<T>) {
        self.dead += 1;
        if self.dead * 2 > self.list.len() {
            self.list.retain(|place| slots.keeps(place.slot));
            self.list.shrink_to(2 * self.list.len());
            self.dead = 0;
        }
    }
}

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
            slots: Slots {
                slots: Vec::new(),
                free: Vec::new(),
            },
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
mod tests {
    use super::*;
    use crate::policy::tests::event_at;
    use proptest::prelude::*;

    const NOW: u64 = 1_700_000_000;

    fn filters(texts: &[&str]) -> Arc<[Filter]> {
        texts
            .iter()
            .map(|text| Filter::read(text).unwrap())
            .collect()
    }

    fn hits<T: Copy>(index: &mut Index<T>, event: &Event) -> Vec<T> {
        let mut hits = Vec::new();
        index.matches(event, |_, value| hits.push(*value));
        hits
    }

    fn author() -> String {
        "a1".repeat(32)
    }

    #[test]
    fn a_filter_is_found_by_each_of_its_fields() {
        let (id, author) = ("0f".repeat(32), author());
        let note = event_at(1, r#"[["t","cats"],["E","x"]]"#, "", NOW);
        for text in [
            "{}",
            r#"{"kinds":[0,1]}"#,
            r##"{"#t":["cats","dogs"]}"##,
            r##"{"#E":["x"]}"##,
            &format!(r#"{{"ids":["{id}"]}}"#),
            &format!(r#"{{"authors":["{author}"]}}"#),
            &format!(r##"{{"authors":["{author}"],"#t":["cats"],"kinds":[1]}}"##),
            &format!(r#"{{"since":{NOW},"until":{NOW}}}"#),
        ] {
            let mut index = Index::default();
            index.insert(Key(7), filters(&[text]), 'x');
            assert_eq!(hits(&mut index, &note), ['x'], "{text}");
            assert_eq!(index.remove(Key(7)), Some('x'));
            assert!(hits(&mut index, &note).is_empty(), "{text}");
            assert!(index.is_empty());
        }
    }

    #[test]
    fn what_does_not_match_is_not_found() {
        let note = event_at(1, r#"[["t","cats"]]"#, "", NOW);
        let mut index = Index::default();
        for (number, text) in [
            r#"{"kinds":[2]}"#,
            r#"{"kinds":[]}"#,
            r##"{"#t":["Cats"]}"##,
            r##"{"#T":["cats"]}"##,
            r##"{"#t":["cats"],"kinds":[7]}"##,
            &format!(r#"{{"since":{}}}"#, NOW + 1),
            r#"{"limit":0,"until":5}"#,
        ]
        .into_iter()
        .enumerate()
        {
            index.insert(Key(number as u64), filters(&[text]), text.len());
        }
        assert!(hits(&mut index, &note).is_empty());
    }

    #[test]
    fn a_subscription_hears_an_event_once_though_several_of_its_filters_match() {
        let note = event_at(1, r#"[["t","cats"],["t","dogs"]]"#, "", NOW);
        let mut index = Index::default();
        let several = filters(&["{}", r#"{"kinds":[1]}"#, r##"{"#t":["cats","dogs"]}"##]);
        index.insert(Key(1), several, 1);
        assert_eq!(hits(&mut index, &note), [1]);
        assert_eq!(hits(&mut index, &note), [1]);
    }

    #[test]
    fn subscriptions_that_ended_are_cleared_away_and_their_slots_used_again() {
        let mut index = Index::default();
        for round in 0..50 {
            let keys: Vec<_> = (0..20).map(|n| Key(round * 100 + n)).collect();
            for key in &keys {
                index.insert(*key, filters(&[r#"{"kinds":[1,2]}"#, "{}"]), ());
            }
            for key in &keys {
                index.remove(*key);
            }
        }
        assert!(index.is_empty() && index.kinds.is_empty());
        assert!(index.everything.list.is_empty());
        assert!(index.slots.slots.len() <= 40, "{}", index.slots.slots.len());
        assert_eq!(index.slots.free.len(), index.slots.slots.len());
    }

    fn any_filter() -> impl Strategy<Value = String> {
        let list = |values: &'static [&'static str]| {
            proptest::option::of(proptest::sample::subsequence(values, 0..=values.len()))
        };
        let kinds = proptest::option::of(proptest::collection::vec(0..4_u16, 0..3));
        (
            kinds,
            list(&["a", "b", "c"]),
            list(&["x", "y"]),
            any::<bool>(),
        )
            .prop_map(|(kinds, t, d, ours)| {
                let mut fields = Vec::new();
                fields.extend(kinds.map(|kinds| format!(r#""kinds":{kinds:?}"#)));
                fields.extend(t.map(|t| format!(r##""#t":{t:?}"##)));
                fields.extend(d.map(|d| format!(r##""#d":{d:?}"##)));
                fields.extend(ours.then(|| format!(r#""authors":["{}"]"#, author())));
                format!("{{{}}}", fields.join(","))
            })
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_look_at_every_filter_finds(
            texts in proptest::collection::vec(proptest::collection::vec(any_filter(), 1..3), 1..12),
            removed in proptest::collection::vec(any::<bool>(), 12),
            (kind, t, d) in (0..4_u16, "[a-d]", "[x-z]"),
        ) {
            let mut index = Index::default();
            let all: Vec<_> = texts.iter().map(|texts| {
                filters(&texts.iter().map(String::as_str).collect::<Vec<_>>())
            }).collect();
            for (number, filters) in all.iter().enumerate() {
                index.insert(Key(number as u64), Arc::clone(filters), number);
            }
            for number in (0..all.len()).filter(|number| removed[*number]) {
                index.remove(Key(number as u64));
            }
            let event = event_at(kind, &format!(r#"[["t","{t}"],["d","{d}"]]"#), "", NOW);
            let mut found = hits(&mut index, &event);
            found.sort_unstable();
            let expected: Vec<_> = (0..all.len())
                .filter(|number| !removed[*number])
                .filter(|number| all[*number].iter().any(|filter| filter.matches(&event)))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
