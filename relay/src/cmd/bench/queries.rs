//! The six kinds of queries, over the events of a seed.

use super::{
    dice::Dice,
    mix::{AUTHORS, Mix},
};

/// Different filters of each kind.
const FILTERS: usize = 2_000;

/// One kind of query: many filters of the same shape.
#[derive(Clone, Debug)]
pub struct Queries {
    /// What people call it.
    pub name: &'static str,
    /// Filters as JSON (NIP-01).
    pub filters: Vec<String>,
}

/// The six kinds for the first `count` events of `seed`, and those events, signed.
pub fn of(seed: u64, count: usize) -> (Vec<Queries>, Vec<String>) {
    let mut mix = Mix::new(seed);
    let made: Vec<_> = mix.by_ref().take(count).collect();
    let notes: Vec<_> = made.iter().filter(|made| made.kind == 1).collect();
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut many = |name, filter: &dyn Fn(&mut Dice) -> String| Queries {
        name,
        filters: (0..FILTERS).map(|_| filter(&mut dice)).collect(),
    };
    let any = |dice: &mut Dice| &made[dice.below(made.len())];
    let note = |dice: &mut Dice| notes[dice.below(notes.len())];
    let queries = vec![
        many("by id", &|dice| {
            format!(r#"{{"ids":["{}"]}}"#, any(dice).id())
        }),
        many("author + kind, limit 20", &|dice| {
            let author = mix.key(note(dice).author);
            format!(r#"{{"authors":["{author}"],"kinds":[1],"limit":20}}"#)
        }),
        many("#e", &|dice| {
            format!(r##"{{"#e":["{}"]}}"##, note(dice).id())
        }),
        many("#p + kind", &|dice| {
            // Of 100,000 events, 35,000 are reactions: authors of these ranks have about 43 each.
            let author = mix.key(60 + dice.below(120));
            format!(r##"{{"#p":["{author}"],"kinds":[7]}}"##)
        }),
        many("feed of 50 authors, limit 100", &|dice| {
            let first = dice.below(AUTHORS);
            let key = |n: usize| format!("\"{}\"", mix.key((first + n * 19) % AUTHORS));
            let authors: Vec<_> = (0..50).map(key).collect();
            format!(
                r#"{{"authors":[{}],"kinds":[1],"limit":100}}"#,
                authors.join(",")
            )
        }),
        many("scan, limit 500", &|dice| {
            format!(r#"{{"until":{},"limit":500}}"#, any(dice).created_at)
        }),
    ];
    (queries, made.into_iter().map(|made| made.text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Event, Filter};

    #[test]
    fn every_filter_is_one_that_a_relay_takes_and_ids_are_found() {
        let (queries, events) = of(1, 300);
        assert_eq!((queries.len(), events.len()), (6, 300));
        for kind in &queries {
            for filter in kind.filters.iter().step_by(500) {
                assert!(Filter::read(filter).is_ok(), "{filter}");
            }
        }
        let by_id = Filter::read(&queries[0].filters[0]).unwrap();
        let found = events
            .iter()
            .filter(|text| by_id.matches(&Event::read(text).unwrap()));
        assert_eq!(found.count(), 1);
    }
}
