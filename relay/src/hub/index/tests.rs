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
