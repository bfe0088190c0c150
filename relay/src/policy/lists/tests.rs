use super::*;
use relay_config::lists::{Key, Modes};

const NOW: u64 = 1_795_219_200; // 2026-11-21
const GIFT_WRAP: u16 = 1059;

/// People, by the first byte of their keys. `a1` is the author of the policy tests' events.
const AUTHOR: u8 = 0xa1;
const ALICE: u8 = 0x01;
const MALLORY: u8 = 0x02;

fn key(who: u8) -> PublicKey {
    PublicKey::new([who; 32])
}

fn event(kind: u16, p: &[u8]) -> Event {
    let tags: Vec<_> = p
        .iter()
        .map(|who| format!(r#"["p","{}"]"#, key(*who)))
        .collect();
    crate::policy::tests::event(kind, &format!("[{}]", tags.join(",")), "")
}

/// Lists written like `w 01 until 2027-01-01`.
fn rules(modes: Modes, lines: &[&str]) -> Rules {
    let entry = |line: &&str| {
        let words: Vec<_> = line.split(' ').collect();
        let list = match words[0] {
            "b" => List::Banned,
            "r" => List::Read,
            _ => List::Write,
        };
        let who = u8::from_str_radix(words[1], 16).unwrap();
        Entry {
            key: Key([who; 32]),
            list,
            until: words.get(3).map(|day| day.parse().unwrap()),
        }
    };
    Rules::new(&Lists::new(modes, lines.iter().map(entry).collect()))
}

fn reading(read: Mode) -> Modes {
    Modes {
        read,
        ..Modes::default()
    }
}

fn writing(write: Mode, by: WriteBy) -> Modes {
    Modes {
        write,
        by,
        ..Modes::default()
    }
}

/// The first word of a verdict; `ok` for none.
fn word(judgement: Result<(), Verdict>) -> String {
    judgement.map_or_else(
        |verdict| verdict.to_string().split(':').next().unwrap().to_owned(),
        |()| "ok".to_owned(),
    )
}

fn read(rules: &Rules, proved: &[u8]) -> String {
    let keys: Vec<_> = proved.iter().map(|who| key(*who)).collect();
    word(rules.may_read(&keys, NOW))
}

fn write(rules: &Rules, event: &Event, proved: &[u8]) -> String {
    let keys: Vec<_> = proved.iter().map(|who| key(*who)).collect();
    word(rules.may_write(event, &keys, NOW))
}

#[test]
fn readers_are_judged_by_the_keys_that_they_proved() {
    for (mode, nobody, listed, stranger, both) in [
        (Mode::Open, "ok", "ok", "ok", "ok"),
        (Mode::Allow, "auth-required", "ok", "restricted", "ok"),
        (Mode::Deny, "auth-required", "blocked", "ok", "blocked"),
    ] {
        let rules = rules(reading(mode), &["r 01"]);
        assert_eq!(read(&rules, &[]), nobody, "{mode:?}");
        assert_eq!(read(&rules, &[ALICE]), listed, "{mode:?}");
        assert_eq!(read(&rules, &[MALLORY]), stranger, "{mode:?}");
        assert_eq!(read(&rules, &[MALLORY, ALICE]), both, "{mode:?}");
    }
}

#[test]
fn a_list_of_writers_says_nothing_about_readers_and_the_other_way_round() {
    let allow = Modes {
        read: Mode::Allow,
        write: Mode::Allow,
        by: WriteBy::Session,
    };
    let rules = rules(allow, &["r 01", "w 02"]);
    let note = event(1, &[]);
    assert_eq!(read(&rules, &[ALICE]), "ok");
    assert_eq!(write(&rules, &note, &[ALICE]), "restricted");
    assert_eq!(read(&rules, &[MALLORY]), "restricted");
    assert_eq!(write(&rules, &note, &[MALLORY]), "ok");
}

#[test]
fn writers_are_judged_by_author_by_session_or_by_either() {
    let note = event(1, &[]);
    // mode, by, the list; then what a client hears that proved nothing, Alice's key, the author's, both
    for (mode, by, list, expected) in [
        (
            Mode::Open,
            WriteBy::Session,
            "w 01",
            ["ok", "ok", "ok", "ok"],
        ),
        (
            Mode::Allow,
            WriteBy::Author,
            "w a1",
            ["ok", "ok", "ok", "ok"],
        ),
        (Mode::Allow, WriteBy::Author, "w 01", ["restricted"; 4]),
        (
            Mode::Allow,
            WriteBy::Session,
            "w a1",
            ["auth-required", "restricted", "ok", "ok"],
        ),
        (
            Mode::Allow,
            WriteBy::Session,
            "w 01",
            ["auth-required", "ok", "restricted", "ok"],
        ),
        (Mode::Allow, WriteBy::Either, "w a1", ["ok"; 4]),
        (
            Mode::Allow,
            WriteBy::Either,
            "w 01",
            ["auth-required", "ok", "restricted", "ok"],
        ),
        (
            Mode::Allow,
            WriteBy::Either,
            "w 02",
            ["auth-required", "restricted", "restricted", "restricted"],
        ),
        (Mode::Deny, WriteBy::Author, "w a1", ["blocked"; 4]),
        (Mode::Deny, WriteBy::Author, "w 01", ["ok"; 4]),
        (
            Mode::Deny,
            WriteBy::Session,
            "w a1",
            ["auth-required", "ok", "blocked", "blocked"],
        ),
        (
            Mode::Deny,
            WriteBy::Session,
            "w 01",
            ["auth-required", "blocked", "ok", "blocked"],
        ),
        (Mode::Deny, WriteBy::Either, "w a1", ["blocked"; 4]),
        (
            Mode::Deny,
            WriteBy::Either,
            "w 01",
            ["ok", "blocked", "ok", "blocked"],
        ),
    ] {
        let rules = rules(writing(mode, by), &[list]);
        let proofs: [&[u8]; 4] = [&[], &[ALICE], &[AUTHOR], &[AUTHOR, ALICE]];
        let heard = proofs.map(|proved| write(&rules, &note, proved));
        assert_eq!(heard, expected, "{mode:?} by {by:?}, {list}");
    }
}

#[test]
fn a_ban_beats_every_list() {
    let note = event(1, &[]);
    for mode in [Mode::Open, Mode::Allow, Mode::Deny] {
        for by in [WriteBy::Author, WriteBy::Session, WriteBy::Either] {
            let author = rules(writing(mode, by), &["b a1", "w a1", "w 01"]);
            assert_eq!(
                write(&author, &note, &[ALICE]),
                "blocked",
                "{mode:?} {by:?}"
            );
            let session = rules(writing(mode, by), &["b 02", "w a1", "w 02"]);
            assert_eq!(write(&session, &note, &[MALLORY]), "blocked");
            assert_eq!(write(&session, &note, &[AUTHOR, MALLORY]), "blocked");
        }
        let reader = rules(reading(mode), &["b 02", "r 02", "r 01"]);
        assert_eq!(read(&reader, &[ALICE, MALLORY]), "blocked", "{mode:?}");
    }
    let open = rules(Modes::default(), &["b 02"]);
    assert_eq!(read(&open, &[]), "ok");
    assert_eq!(read(&open, &[ALICE]), "ok");
    assert_eq!(write(&open, &note, &[ALICE]), "ok");
}

#[test]
fn a_throw_away_key_is_never_judged() {
    for kind in THROW_AWAY {
        for by in [WriteBy::Author, WriteBy::Session, WriteBy::Either] {
            // The author is listed, and it does not help.
            let allow = rules(writing(Mode::Allow, by), &["w a1", "w 01"]);
            let alone = event(kind, &[]);
            assert_eq!(write(&allow, &alone, &[]), "auth-required", "{kind} {by:?}");
            assert_eq!(write(&allow, &alone, &[MALLORY]), "restricted");
            assert_eq!(write(&allow, &alone, &[ALICE]), "ok");
            // The author is listed, and it does no harm.
            let deny = rules(writing(Mode::Deny, by), &["w a1", "w 01"]);
            assert_eq!(write(&deny, &alone, &[]), "auth-required", "{kind} {by:?}");
            assert_eq!(write(&deny, &alone, &[MALLORY]), "ok");
            assert_eq!(write(&deny, &alone, &[ALICE]), "blocked");
        }
    }
}

#[test]
fn one_listed_recipient_of_a_gift_wrap_suffices() {
    for kind in [GIFT_WRAP, 21_059] {
        let allow = rules(writing(Mode::Allow, WriteBy::Author), &["w 01"]);
        assert_eq!(write(&allow, &event(kind, &[ALICE]), &[]), "ok");
        assert_eq!(write(&allow, &event(kind, &[MALLORY, ALICE]), &[]), "ok");
        assert_eq!(
            write(&allow, &event(kind, &[MALLORY]), &[]),
            "auth-required"
        );
        assert_eq!(write(&allow, &event(kind, &[ALICE]), &[MALLORY]), "ok");
    }
    // Other kinds gain nothing by naming somebody: not a note, and not a group message, which everybody may see.
    let allow = rules(writing(Mode::Allow, WriteBy::Author), &["w 01"]);
    assert_eq!(write(&allow, &event(1, &[ALICE]), &[]), "restricted");
    assert_eq!(write(&allow, &event(445, &[ALICE]), &[]), "auth-required");
    let refused = write(&allow, &event(445, &[ALICE]), &[MALLORY]);
    assert_eq!(refused, "restricted");
    assert_eq!(write(&allow, &event(445, &[MALLORY]), &[ALICE]), "ok");
}

#[test]
fn a_gift_wrap_for_somebody_who_is_denied_is_not_saved_by_a_second_recipient() {
    let deny = rules(writing(Mode::Deny, WriteBy::Author), &["w 01"]);
    for kind in [GIFT_WRAP, 21_059] {
        let unproved = |recipients| write(&deny, &event(kind, recipients), &[]);
        assert_eq!(unproved(&[MALLORY]), "ok");
        assert_eq!(unproved(&[MALLORY, AUTHOR]), "ok");
        assert_eq!(unproved(&[ALICE]), "auth-required");
        assert_eq!(unproved(&[ALICE, MALLORY]), "auth-required");
        assert_eq!(unproved(&[MALLORY, ALICE]), "auth-required");
        assert_eq!(unproved(&[]), "auth-required");
    }
    // Nobody stands in for whoever sends a group message.
    assert_eq!(write(&deny, &event(445, &[MALLORY]), &[]), "auth-required");
    assert_eq!(write(&deny, &event(445, &[ALICE]), &[MALLORY]), "ok");
}

#[test]
fn logins_are_asked_for_before_any_list_is() {
    let note = event(1, &[]);
    // required; then what a client hears that proved nothing: reading, writing
    for (required, reads, writes) in [
        (Required::Never, "ok", "ok"),
        (Required::Read, "auth-required", "ok"),
        (Required::Write, "ok", "auth-required"),
        (Required::Always, "auth-required", "auth-required"),
    ] {
        let mut terms = Terms::default();
        terms.auth.required = required;
        let rules = Rules::new(&Lists::new(terms, Vec::new()));
        let speaks = |proved: &[PublicKey]| {
            let judged = rules.may_speak(proved);
            word(judged.and_then(|()| rules.may_write(&note, proved, NOW)))
        };
        assert_eq!(read(&rules, &[]), reads, "{required:?}");
        assert_eq!(speaks(&[]), writes, "{required:?}");
        assert_eq!(read(&rules, &[ALICE]), "ok");
        assert_eq!(speaks(&[key(ALICE)]), "ok");
    }
}

#[test]
fn a_banned_recipient_stands_for_nobody() {
    let allow = rules(writing(Mode::Allow, WriteBy::Author), &["w 01", "b 01"]);
    assert_eq!(
        write(&allow, &event(GIFT_WRAP, &[ALICE]), &[]),
        "auth-required"
    );
    let deny = rules(writing(Mode::Deny, WriteBy::Author), &["b 01"]);
    assert_eq!(
        write(&deny, &event(GIFT_WRAP, &[ALICE]), &[]),
        "auth-required"
    );
}

#[test]
fn an_entry_ends_when_its_day_begins() {
    let midnight = "2027-01-01".parse::<relay_config::lists::Day>().unwrap();
    let (last, first) = (midnight.begins() - 1, midnight.begins());
    let note = event(1, &[]);
    let allow = rules(
        writing(Mode::Allow, WriteBy::Author),
        &["w a1 until 2027-01-01"],
    );
    assert_eq!(word(allow.may_write(&note, &[], last)), "ok");
    assert_eq!(word(allow.may_write(&note, &[], first)), "restricted");
    let ban = rules(Modes::default(), &["b 01 until 2027-01-01"]);
    assert_eq!(word(ban.may_read(&[key(ALICE)], last)), "blocked");
    assert_eq!(word(ban.may_read(&[key(ALICE)], first)), "ok");
    let deny = rules(reading(Mode::Deny), &["r 01 until 2027-01-01"]);
    assert_eq!(word(deny.may_read(&[key(ALICE)], last)), "blocked");
    assert_eq!(word(deny.may_read(&[key(ALICE)], first)), "ok");
    let forever = rules(reading(Mode::Allow), &["r 01"]);
    assert_eq!(word(forever.may_read(&[key(ALICE)], 1 << 40)), "ok");
}

#[test]
fn the_next_change_is_the_next_date_that_passes() {
    let begins = |day: &str| day.parse::<relay_config::lists::Day>().unwrap().begins();
    let (first, second) = (begins("2026-12-01"), begins("2027-01-01"));
    let lines = [
        "w 01 until 2027-01-01",
        "r 02 until 2026-12-01",
        "b 03",
        "w 04 until 2026-12-01",
    ];
    let rules = rules(Modes::default(), &lines);
    assert_eq!(rules.next_change(NOW), Some(first));
    assert_eq!(rules.next_change(first - 1), Some(first));
    assert_eq!(rules.next_change(first), Some(second));
    assert_eq!(rules.next_change(second), None);
    assert_eq!(Rules::open().next_change(NOW), None);
}

#[test]
fn before_a_list_is_known_nobody_is_served() {
    let shut = Rules::shut();
    let words = "restricted: the allowlist has not arrived yet";
    let refused = shut.may_read(&[key(ALICE)], NOW).unwrap_err();
    assert_eq!(refused.to_string(), words);
    let refused = shut.may_write(&event(1, &[]), &[], NOW).unwrap_err();
    assert_eq!(refused.to_string(), words);
    assert!(shut.is_shut() && shut.generation().is_empty());

    let open = Rules::open();
    assert_eq!(read(&open, &[]), "ok");
    assert_eq!(write(&open, &event(1, &[]), &[]), "ok");
    assert!(!open.is_shut());
    assert_eq!(open.generation(), Lists::default().generation());
}

#[test]
fn a_hundred_thousand_keys_fit_in_ten_megabytes() {
    let entry = |number: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
        Entry {
            key: Key(bytes),
            list: List::Write,
            until: None,
        }
    };
    let rules = Rules::new(&Lists::new(
        Modes::default(),
        (0..100_000).map(entry).collect(),
    ));
    assert_eq!(rules.entries(), 100_000);
    // A table is filled to seven eighths, its size a power of two, with one byte beside each place.
    let places = rules.listed.capacity().next_power_of_two();
    let bytes = places * (size_of::<([u8; 32], Standing)>() + 1);
    assert!(bytes < 10_000_000, "{bytes} bytes");
}
