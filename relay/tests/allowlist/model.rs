//! Merge, dates, modes and logins against the simplest model: a bag of lines, read from the front each time.

use nostr_fleet_relay::{
    policy::lists::Rules,
    sign::Signer,
    wire::{Event, PublicKey},
};
use proptest::prelude::*;
use relay_config::{
    Lists,
    access::{Mode, Required, WriteBy},
    lists::{Entry, Key, List, Modes, Terms},
};

/// Twelve people, among them the authors of the events.
const PEOPLE: usize = 12;

/// 2026-11-20 and the days after it.
const FIRST_DAY: u64 = 1_795_132_800;
const DAY: u64 = 86_400;

fn person(number: usize) -> PublicKey {
    Signer::from_seed(number as u64).public_key()
}

/// A line of some source.
#[derive(Clone, Copy, Debug)]
struct Line {
    who: usize,
    list: List,
    /// Days after the first; `None`: for ever.
    until: Option<u64>,
}

fn any_line() -> impl Strategy<Value = Line> {
    let list = prop_oneof![
        Just(List::Banned),
        Just(List::Read),
        Just(List::Write),
        Just(List::Write)
    ];
    let until = prop::option::of(0..5_u64);
    (0..PEOPLE, list, until).prop_map(|(who, list, until)| Line { who, list, until })
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Open), Just(Mode::Allow), Just(Mode::Deny)]
}

fn any_modes() -> impl Strategy<Value = Modes> {
    let by = prop_oneof![
        Just(WriteBy::Author),
        Just(WriteBy::Session),
        Just(WriteBy::Either)
    ];
    (any_mode(), any_mode(), by).prop_map(|(read, write, by)| Modes { read, write, by })
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let required = prop_oneof![
        3 => Just(Required::Never),
        1 => Just(Required::Read),
        1 => Just(Required::Write),
        1 => Just(Required::Always),
    ];
    (any_modes(), required).prop_map(|(modes, required)| {
        let mut terms = Terms::from(modes);
        terms.auth.required = required;
        terms
    })
}

fn entry(line: &Line) -> Entry {
    let day = |after: u64| format!("2026-11-{}", 20 + after).parse().unwrap();
    Entry {
        key: Key(*person(line.who).as_bytes()),
        list: line.list,
        until: line.until.map(day),
    }
}

fn lists(terms: impl Into<Terms>, lines: &[Line]) -> Lists {
    Lists::new(terms, lines.iter().map(entry).collect())
}

struct Model<'a> {
    modes: Modes,
    required: Required,
    lines: &'a [Line],
    now: u64,
}

impl Model<'_> {
    fn is(&self, list: List, who: usize) -> bool {
        let holds = |line: &Line| {
            line.until
                .is_none_or(|after| self.now < FIRST_DAY + after * DAY)
        };
        let named = |line: &&Line| line.list == list && line.who == who;
        self.lines.iter().filter(named).any(holds)
    }

    /// The first word of the answer.
    fn read(&self, proved: &[usize]) -> &'static str {
        let any = |list| proved.iter().any(|who| self.is(list, *who));
        let login = matches!(self.required, Required::Read | Required::Always);
        match self.modes.read {
            _ if login && proved.is_empty() => "auth-required",
            _ if any(List::Banned) => "blocked",
            Mode::Open => "ok",
            _ if proved.is_empty() => "auth-required",
            Mode::Allow if any(List::Read) => "ok",
            Mode::Allow => "restricted",
            Mode::Deny if any(List::Read) => "blocked",
            Mode::Deny => "ok",
        }
    }

    fn write(&self, event: &Sent, proved: &[usize]) -> &'static str {
        let login = matches!(self.required, Required::Write | Required::Always);
        if login && proved.is_empty() {
            return "auth-required";
        }
        let mut all = proved.to_vec();
        all.push(event.author);
        if all.iter().any(|who| self.is(List::Banned, *who)) {
            return "blocked";
        }
        let by = match event.kind {
            NOTE => self.modes.by,
            _ => WriteBy::Session,
        };
        let judged = match by {
            WriteBy::Author => vec![event.author],
            WriteBy::Session => proved.to_vec(),
            WriteBy::Either => all,
        };
        let listed = judged.iter().any(|who| self.is(List::Write, *who));
        let wrapped_for = match event.kind {
            GIFT_WRAP | EPHEMERAL_WRAP => &event.to[..],
            _ => &[],
        };
        let welcome = |who: &usize| {
            let listed = self.is(List::Write, *who) == (self.modes.write == Mode::Allow);
            listed && !self.is(List::Banned, *who)
        };
        let all_welcome = !wrapped_for.is_empty() && wrapped_for.iter().all(welcome);
        match self.modes.write {
            Mode::Open => "ok",
            Mode::Allow if listed || wrapped_for.iter().any(welcome) => "ok",
            Mode::Allow if by != WriteBy::Author && proved.is_empty() => "auth-required",
            Mode::Allow => "restricted",
            Mode::Deny if listed => "blocked",
            Mode::Deny if !judged.is_empty() || all_welcome => "ok",
            Mode::Deny => "auth-required",
        }
    }
}

const NOTE: u16 = 1;
const GROUP_MESSAGE: u16 = 445;
const GIFT_WRAP: u16 = 1059;
const EPHEMERAL_WRAP: u16 = 21_059;

/// An event, and whom `p` names in it.
#[derive(Clone, Debug)]
struct Sent {
    author: usize,
    kind: u16,
    to: Vec<usize>,
}

fn any_event() -> impl Strategy<Value = Sent> {
    let kind = prop_oneof![
        Just(NOTE),
        Just(GROUP_MESSAGE),
        Just(GIFT_WRAP),
        Just(EPHEMERAL_WRAP)
    ];
    let to = prop::collection::vec(0..PEOPLE, 0..4);
    (0..PEOPLE, kind, to).prop_map(|(author, kind, to)| Sent { author, kind, to })
}

fn event(sent: &Sent) -> Event {
    let to: Vec<String> = sent.to.iter().map(|who| person(*who).to_string()).collect();
    let tags: Vec<[&str; 2]> = to.iter().map(|to| ["p", to.as_str()]).collect();
    let tags: Vec<&[&str]> = tags.iter().map(|tag| &tag[..]).collect();
    let text = Signer::from_seed(sent.author as u64).event(FIRST_DAY, sent.kind, &tags, "");
    Event::read(&text).unwrap()
}

fn word<T: ToString>(judgement: Result<(), T>) -> String {
    let words = judgement.map_or_else(|verdict| verdict.to_string(), |()| "ok".into());
    words.split(':').next().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_sources_and_repeated_lines_change_nothing(
        modes in any_modes(),
        (lines, shuffled) in prop::collection::vec(any_line(), 0..40)
            .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let one = lists(modes, &lines);
        let mut shuffled = shuffled;
        for index in repeated.iter().filter(|_| !lines.is_empty()) {
            shuffled.push(*index.get(&lines));
        }
        let other = lists(modes, &shuffled);
        prop_assert_eq!(one.generation(), other.generation());
        prop_assert_eq!(&one, &other);
        let mut keys: Vec<_> = one.entries().iter().map(|entry| (entry.key, entry.list)).collect();
        keys.dedup();
        prop_assert_eq!(keys.len(), one.entries().len(), "each key once in each list");
    }

    #[test]
    fn everybody_hears_what_the_model_says(
        terms in any_terms(),
        lines in prop::collection::vec(any_line(), 0..30),
        proved in prop::collection::vec(0..PEOPLE, 0..3),
        sent in any_event(),
        seconds in 0..5 * DAY,
    ) {
        let now = FIRST_DAY + seconds;
        let (modes, required) = (terms.modes, terms.auth.required);
        let rules = Rules::new(&lists(terms, &lines));
        let model = Model { modes, required, lines: &lines, now };
        let keys: Vec<_> = proved.iter().map(|who| person(*who)).collect();
        prop_assert_eq!(word(rules.may_read(&keys, now)), model.read(&proved));
        let judged = rules.may_speak(&keys).and_then(|()| rules.may_write(&event(&sent), &keys, now));
        prop_assert_eq!(word(judged), model.write(&sent, &proved));
    }

    #[test]
    fn between_two_changes_nobody_gains_or_loses(
        modes in any_modes(),
        lines in prop::collection::vec(any_line(), 0..30),
        seconds in 0..5 * DAY,
    ) {
        let now = FIRST_DAY + seconds;
        let rules = Rules::new(&lists(modes, &lines));
        let end = rules.next_change(now).unwrap_or(FIRST_DAY + 100 * DAY);
        prop_assert!(end > now);
        for who in 0..PEOPLE {
            let keys = [person(who)];
            prop_assert_eq!(rules.may_read(&keys, now), rules.may_read(&keys, end - 1));
        }
        let expected = lines.iter().filter_map(|line| line.until).map(|after| FIRST_DAY + after * DAY);
        let later: Vec<_> = expected.filter(|day| *day > now).collect();
        // A shorter entry beside a longer one of the same key and list is merged away: never earlier than the lines say.
        prop_assert!(rules.next_change(now).is_none_or(|day| later.contains(&day)));
    }
}
