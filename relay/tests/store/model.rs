//! Any sequence of events gives the same answers as a simple model in memory, across restarts, rebuilds and compaction.

use crate::support::*;
use nostr_fleet_relay::{
    clock::Clock,
    store::{Outcome, Store},
    wire::{Address, Class, Event, EventId, Filter, PublicKey, Verified},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The rules of NIP-01, NIP-09, NIP-59 and NIP-62, as plainly as they can be written.
#[derive(Default)]
struct Model {
    events: Vec<Verified>,
    tombs: BTreeSet<(EventId, PublicKey)>,
    address_tombs: BTreeMap<String, u64>,
    vanished: BTreeMap<PublicKey, u64>,
}

/// An outcome without its number.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Stored,
    Duplicate,
    Superseded,
    Deleted,
    Vanished,
}

fn said(outcome: Outcome) -> Said {
    match outcome {
        Outcome::Stored(_) => Said::Stored,
        Outcome::Duplicate => Said::Duplicate,
        Outcome::Superseded => Said::Superseded,
        Outcome::Deleted => Said::Deleted,
        Outcome::Vanished => Said::Vanished,
        Outcome::Failed(why) => panic!("{why:?}"),
    }
}

fn address(event: &Event) -> Option<String> {
    let d = match event.class() {
        Class::Replaceable => "",
        Class::Addressable => event.d(),
        _ => return None,
    };
    Some(format!("{}:{}:{d}", event.kind(), event.pubkey()))
}

fn recipients(event: &Event) -> Vec<PublicKey> {
    if event.kind() != 1059 {
        return Vec::new();
    }
    event
        .index_tags()
        .filter(|(letter, _)| *letter == b'p')
        .map(|(_, value)| PublicKey::from_hex(value).unwrap())
        .collect()
}

fn is_lasting(event: &Event) -> bool {
    event.kind() == 5 || event.kind() == 62
}

impl Model {
    fn submit(&mut self, event: &Verified) -> Said {
        let id = event.id();
        if self.events.iter().any(|stored| stored.id() == id) {
            return Said::Duplicate;
        }
        let keys = recipients(event);
        let by_author = !is_lasting(event) && self.tombs.contains(&(id, event.pubkey()));
        if by_author || keys.iter().any(|key| self.tombs.contains(&(id, *key))) {
            return Said::Deleted;
        }
        let is_gone = |key: &PublicKey| {
            let upto = self.vanished.get(key);
            upto.is_some_and(|upto| *upto >= event.created_at())
        };
        if is_gone(&event.pubkey()) || keys.iter().any(is_gone) {
            return Said::Vanished;
        }
        if let Some(address) = address(event) {
            let upto = self.address_tombs.get(&address);
            if upto.is_some_and(|upto| *upto >= event.created_at()) {
                return Said::Deleted;
            }
            let stored = self
                .events
                .iter()
                .position(|old| self::address(old).as_ref() == Some(&address));
            if let Some(at) = stored {
                let old = &self.events[at];
                let newer = event.created_at() > old.created_at()
                    || (event.created_at() == old.created_at() && id < old.id());
                if !newer {
                    return Said::Superseded;
                }
                self.events.remove(at);
            }
        }
        match event.kind() {
            5 => self.delete(event),
            62 => self.vanish(event),
            _ => {}
        }
        self.events.push(event.clone());
        Said::Stored
    }

    fn delete(&mut self, request: &Verified) {
        let signer = request.pubkey();
        for (letter, value) in request.index_tags() {
            if letter == b'e' {
                let id = EventId::from_hex(value).unwrap();
                self.tombs.insert((id, signer));
                self.events.retain(|event| {
                    let own = event.pubkey() == signer && !is_lasting(event);
                    event.id() != id || !(own || recipients(event).contains(&signer))
                });
            }
            let named = (letter == b'a').then(|| Address::read(value)).flatten();
            if let Some(named) = named.filter(|named| named.pubkey == signer) {
                let d = match named.kind {
                    0 | 3 | 10_000..20_000 => "",
                    30_000..40_000 => &*named.d,
                    _ => continue,
                };
                let address = format!("{}:{signer}:{d}", named.kind);
                let upto = self.address_tombs.entry(address.clone()).or_default();
                *upto = request.created_at().max(*upto);
                self.events.retain(|event| {
                    self::address(event).as_ref() != Some(&address)
                        || event.created_at() > request.created_at()
                });
            }
        }
    }

    fn vanish(&mut self, request: &Verified) {
        let (who, upto) = (request.pubkey(), request.created_at());
        self.events.retain(|event| {
            let own = event.pubkey() == who && event.created_at() <= upto;
            !own && !recipients(event).contains(&who)
        });
        let known = self.vanished.entry(who).or_default();
        *known = upto.max(*known);
    }

    fn sweep(&mut self, now: u64) {
        self.events
            .retain(|event| event.expiration().is_none_or(|at| at > now));
    }

    fn answer(&self, filters: &[Filter], now: u64) -> Vec<String> {
        let mut found: BTreeMap<(u64, EventId), String> = BTreeMap::new();
        for filter in filters {
            let mut rows: Vec<_> = self
                .events
                .iter()
                .filter(|event| event.expiration().is_none_or(|at| at > now))
                .filter(|event| filter.matches(event))
                .map(|event| ((u64::MAX - event.created_at(), event.id()), event))
                .collect();
            rows.sort_by_key(|(order, _)| *order);
            let limit = filter.limit.unwrap_or(u64::MAX);
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            found.extend(
                rows.into_iter().map(|(order, event)| {
                    (order, String::from_utf8(event.text().to_vec()).unwrap())
                }),
            );
        }
        found.into_values().collect()
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happens {
    Events(Vec<Spec>),
    Again(usize),
    Restart,
    Rebuild,
    Compact,
    Later(u64),
}

/// An event in the making; references go to events made before it.
#[derive(Clone, Debug)]
struct Spec {
    author: u64,
    at: u64,
    kind: u16,
    d: usize,
    refers: Vec<(usize, bool)>,
    to: Option<u64>,
    topics: Vec<usize>,
    lives: Option<u64>,
}

const KINDS: [u16; 12] = [1, 7, 0, 3, 10_002, 30_023, 30_000, 5, 5, 1059, 62, 41];

fn ds() -> [String; 6] {
    [
        String::new(),
        "a".into(),
        "a:b".into(),
        "long ".repeat(60) + "one",
        "long ".repeat(60) + "two",
        "x".repeat(33),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    (
        0..3u64,
        0..8u64,
        proptest::sample::select(KINDS.to_vec()),
        0..6usize,
        proptest::collection::vec((0..64usize, any::<bool>()), 0..3),
        proptest::option::of(0..3u64),
        proptest::collection::vec(0..4usize, 0..3),
        proptest::option::weighted(0.2, 1..40u64),
    )
        .prop_map(|(author, at, kind, d, refers, to, topics, lives)| Spec {
            author,
            at,
            kind,
            d,
            refers,
            to,
            topics,
            lives,
        })
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        12 => proptest::collection::vec(spec(), 1..8).prop_map(Happens::Events),
        2 => (0..64usize).prop_map(Happens::Again),
        1 => Just(Happens::Restart),
        1 => Just(Happens::Rebuild),
        1 => Just(Happens::Compact),
        1 => (1..15u64).prop_map(Happens::Later),
    ]
}

fn make(spec: &Spec, nonce: usize, known: &[Verified]) -> Verified {
    let ds = ds();
    let mut tags: Vec<Vec<String>> = Vec::new();
    let mut tag = |name: &str, value: &str| tags.push(vec![name.into(), value.into()]);
    if spec.kind >= 30_000 && spec.d > 0 {
        tag("d", &ds[spec.d]);
    }
    for (at, by_address) in &spec.refers {
        let Some(target) = known.get(at % known.len().max(1)) else {
            continue;
        };
        match address(target) {
            Some(address) if *by_address => tag("a", &address),
            _ => tag("e", &target.id().to_string()),
        }
    }
    if let Some(to) = spec.to {
        tag("p", &key(to));
    }
    for topic in &spec.topics {
        tag("t", &ds[*topic]);
    }
    if let Some(lives) = spec.lives {
        tag("expiration", &(NOW + lives).to_string());
    }
    if spec.kind == 62 {
        tag("relay", "ALL_RELAYS");
    }
    let tags: Vec<Vec<&str>> = tags
        .iter()
        .map(|tag| tag.iter().map(String::as_str).collect())
        .collect();
    let tags: Vec<&[&str]> = tags.iter().map(Vec::as_slice).collect();
    event(
        spec.author,
        NOW + spec.at,
        spec.kind,
        &tags,
        &format!("event {nonce}"),
    )
}

fn questions(known: &[Verified]) -> Vec<Vec<String>> {
    let ds = ds();
    let quoted = |text: &str| format!("\"{text}\"");
    let some: Vec<String> = known
        .iter()
        .step_by(3)
        .map(|e| quoted(&e.id().to_string()))
        .collect();
    let (k0, k1) = (quoted(&key(0)), quoted(&key(1)));
    let (d3, d4) = (quoted(&ds[3]), quoted(&ds[4]));
    [
        vec!["{}".into()],
        vec![r#"{"limit":5}"#.into()],
        vec![format!(r#"{{"ids":[{}]}}"#, some.join(","))],
        vec![format!(
            r#"{{"ids":[{}],"kinds":[1,5],"limit":2}}"#,
            some.join(",")
        )],
        vec![r#"{"kinds":[1,7,5]}"#.into()],
        vec![r#"{"kinds":[0,3,10002,30023,30000,62,1059]}"#.into()],
        vec![format!(r#"{{"authors":[{k0}]}}"#)],
        vec![format!(
            r#"{{"authors":[{k0},{k1}],"kinds":[1,5,30023],"limit":7}}"#
        )],
        vec![format!(r##"{{"#p":[{k0},{k1}]}}"##)],
        vec![format!(r##"{{"#p":[{k1}],"kinds":[1059]}}"##)],
        vec![format!(r##"{{"#t":[{d3}]}}"##)],
        vec![format!(r##"{{"#t":["a",{d4}],"authors":[{k0},{k1}]}}"##)],
        vec![format!(r##"{{"#d":[{d3},""]}}"##)],
        vec![format!(r##"{{"#e":[{}]}}"##, some.join(","))],
        vec![format!(r#"{{"since":{},"until":{}}}"#, NOW + 2, NOW + 5)],
        vec![
            r#"{"kinds":[1],"limit":3}"#.into(),
            format!(r#"{{"authors":[{k0}],"limit":4}}"#),
            format!(r##"{{"#t":["a"],"until":{}}}"##, NOW + 4),
            r#"{"ids":[]}"#.into(),
        ],
    ]
    .into()
}

fn compare(store: &Store, model: &Model, known: &[Verified], now: u64) {
    for question in questions(known) {
        let texts: Vec<&str> = question.iter().map(String::as_str).collect();
        let filters = filters(&texts);
        let expected = model.answer(&filters, now);
        assert_eq!(answer(store, &texts), expected, "{question:?}");
        let unlimited: Vec<Filter> = filters
            .iter()
            .map(|filter| Filter {
                limit: None,
                ..filter.clone()
            })
            .collect();
        let expected = model.answer(&unlimited, now).len() as u64;
        assert_eq!(count(store, &texts), expected, "{question:?}");
    }
    assert_eq!(store.status().events, model.events.len() as u64);
}

/// Where it is narrow, every removal is a group of its own. Then events go in one by one: what takes several groups lets the
/// others of its batch pass.
fn live(story: &[Happens], is_narrow: bool) {
    let place = Place::new();
    let open = || {
        let mut options = place.options();
        options.size = Some(64 << 20);
        if is_narrow {
            options.group_bytes = 1;
        }
        Store::open(options).unwrap()
    };
    let mut store = open();
    let mut model = Model::default();
    let mut known: Vec<Verified> = Vec::new();
    for happens in story {
        match happens {
            Happens::Events(specs) => {
                let from = known.len();
                for spec in specs {
                    known.push(make(spec, known.len(), &known));
                }
                let at_once = if is_narrow { 1 } else { specs.len() };
                for events in known[from..].chunks(at_once) {
                    check(&store, &mut model, events);
                }
            }
            Happens::Again(at) => {
                if let Some(event) = known.get(at % known.len().max(1)).cloned() {
                    check(&store, &mut model, &[event]);
                }
            }
            Happens::Restart => {
                store.close();
                store = open();
                assert_ne!(store.status().start, "Rebuilt");
            }
            Happens::Rebuild => {
                store.close();
                let _ = std::fs::remove_file(place.dir.path().join("CLEAN"));
                place.forget_run();
                store = open();
                assert_ne!(store.status().start, "Clean");
            }
            Happens::Compact => {
                store.compact().unwrap();
                assert_eq!(store.status().log_dead_bytes, 0);
            }
            Happens::Later(seconds) => {
                place.clock.set(place.clock.now() + seconds);
                store.sweep().unwrap();
                model.sweep(place.clock.now());
            }
        }
        compare(&store, &model, &known, place.clock.now());
    }
}

fn check(store: &Store, model: &mut Model, events: &[Verified]) {
    let expected: Vec<Said> = events.iter().map(|event| model.submit(event)).collect();
    let outcomes: Vec<Said> = submit_all(store, events).into_iter().map(said).collect();
    assert_eq!(outcomes, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_gives_the_answers_of_the_model(
        story in proptest::collection::vec(happens(), 4..24), is_narrow: bool
    ) {
        live(&story, is_narrow);
    }
}
