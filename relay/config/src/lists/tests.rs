use super::*;
use crate::{
    Access,
    access::{Mode, Required, WriteBy},
};

fn key(first: u8) -> Key {
    let mut bytes = [7; 32];
    bytes[0] = first;
    Key(bytes)
}

fn entry(first: u8, list: List, until: Option<&str>) -> Entry {
    Entry {
        key: key(first),
        list,
        until: until.map(|day| day.parse().unwrap()),
    }
}

fn allow() -> Access {
    let mut access = Access::default();
    access.write.mode = Mode::Allow;
    access
}

fn lists() -> Lists {
    let entries = vec![
        entry(0xff, List::Write, None),
        entry(0x00, List::Write, Some("2027-01-01")),
        entry(0x00, List::Banned, None),
        entry(0x40, List::Read, None),
    ];
    Lists::new(Modes::of(&allow()), entries)
}

fn shards(lists: &Lists) -> [Option<String>; SHARDS] {
    lists.shards().map(Some)
}

#[test]
fn a_line_is_a_key_with_or_without_a_date_and_a_comment() {
    let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    let npub = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";
    let expected = (Key::parse(hex).unwrap(), None);
    assert_eq!(line(hex), Ok(Some(expected)));
    assert_eq!(line(&format!("  {npub}  # fiatjaf")), Ok(Some(expected)));
    let until = line(&format!("{hex} until 2027-01-01")).unwrap().unwrap();
    assert_eq!(until.1.unwrap().to_string(), "2027-01-01");
    assert_eq!(line("# nobody"), Ok(None));
    assert_eq!(line("   "), Ok(None));
}

#[test]
fn a_line_that_is_none_says_what_is_wrong() {
    let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    for text in [
        "npub1xyz",
        "me",
        &hex.to_uppercase(),
        &hex[1..],
        &format!("nostr:{hex}"),
    ] {
        assert_eq!(line(text), Err(LineError::Key), "{text}");
    }
    for date in [
        "2027-01-01",
        "until",
        "until 2027-02-29",
        "until 2027-1-1",
        "until 1969-12-31",
        "until 2027-01-01 x",
    ] {
        assert_eq!(
            line(&format!("{hex} {date}")),
            Err(LineError::Date),
            "{date}"
        );
    }
    assert!(line(&format!("{hex} until 2028-02-29")).is_ok());
}

#[test]
fn a_carriage_return_ends_no_line_and_hides_no_key_in_a_comment() {
    let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    for text in [
        format!("# banned\r{hex}"),
        format!("{hex}\r{hex}"),
        format!("{hex} # spam\r\r{hex}"),
    ] {
        assert_eq!(line(&text), Err(LineError::Return), "{text:?}");
    }
    assert!(line(&format!("{hex}\r")).is_ok_and(|listed| listed.is_some()));
    assert_eq!(said("10.0.0.0/8 # office\r"), Ok("10.0.0.0/8"));
}

#[test]
fn a_byte_order_mark_before_a_line_is_skipped_and_nowhere_else() {
    let hex = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    assert_eq!(line(&format!("\u{feff}{hex}")), line(hex));
    assert_eq!(line("\u{feff}# nobody"), Ok(None));
    assert_eq!(line("\u{feff}"), Ok(None));
    assert_eq!(said("\u{feff} 10.0.0.0/8\r"), Ok("10.0.0.0/8"));
    for text in [format!("{hex}\u{feff}"), format!("\u{feff}\u{feff}{hex}")] {
        assert_eq!(line(&text), Err(LineError::Key), "{text:?}");
    }
}

#[test]
fn a_day_begins_at_midnight_utc() {
    let begins = |text: &str| text.parse::<Day>().unwrap().begins();
    assert_eq!(begins("1970-01-01"), 0);
    assert_eq!(begins("2000-02-29"), 951_782_400);
    assert_eq!(begins("2000-03-01"), 951_868_800);
    assert_eq!(begins("2026-11-21"), 1_795_219_200);
    assert_eq!(begins("9999-12-31"), 253_402_214_400);
}

#[test]
fn modes_are_read_back_from_the_section_that_says_them() {
    for mode in [Mode::Open, Mode::Allow, Mode::Deny] {
        for by in [WriteBy::Author, WriteBy::Session, WriteBy::Either] {
            let modes = Modes {
                read: mode,
                write: Mode::Deny,
                by,
            };
            let access = modes.access(Some("a1".to_owned()));
            assert_eq!(Modes::of(&access), modes);
            assert_eq!(access.generation.as_deref(), Some("a1"));
        }
    }
}

/// The configuration of these lists.
fn naming(lists: &Lists) -> Hot {
    let mut hot = Hot::default();
    lists
        .terms()
        .clone()
        .put(&mut hot, Some(lists.generation()));
    hot
}

#[test]
fn what_is_sharded_is_read_back_whole() {
    let lists = lists();
    assert_eq!(Lists::whole(&naming(&lists), &shards(&lists)), Ok(lists));
}

#[test]
fn a_shard_of_another_generation_or_a_changed_one_is_refused() {
    let lists = lists();
    let hot = naming(&lists);
    let other = Lists::new(lists.modes(), vec![entry(0x00, List::Write, None)]);
    let mut mixed = shards(&lists);
    mixed[0] = Some(other.shards()[0].clone());
    assert!(matches!(
        Lists::whole(&hot, &mixed),
        Err(NotWhole::Mixed { shard: 0, .. })
    ));
    let mut missing = shards(&lists);
    missing[7] = None;
    assert_eq!(Lists::whole(&hot, &missing), Err(NotWhole::Missing(7)));
    let mut shortened = shards(&lists);
    shortened[7] = Some(format!("{}\n", lists.generation()));
    assert!(matches!(
        Lists::whole(&hot, &shortened),
        Err(NotWhole::Hash(_))
    ));
    let mut moved = shards(&lists);
    moved.swap(0, 7);
    assert!(matches!(
        Lists::whole(&hot, &moved),
        Err(NotWhole::Line(0, 2))
    ));
}

/// Sections of a configuration that each let in others than the default does.
const TERMS: [&str; 9] = [
    "{access: {read: {mode: Deny}}}",
    "{access: {write: {mode: Deny}}}",
    "{access: {write: {by: Session}}}",
    "{access: {kinds: {allow: ['1']}}}",
    "{access: {kinds: {deny: ['1']}}}",
    "{auth: {required: Read}}",
    "{auth: {required: Always}}",
    "{addresses: {allow: [10.0.0.0/8]}}",
    "{addresses: {deny: [10.0.0.0/8]}}",
];

fn hot(yaml: &str) -> Hot {
    let config = crate::Config::read(&format!("version: 1\nhot: {yaml}\n"));
    config.unwrap().hot
}

#[test]
fn whatever_says_who_gets_in_belongs_to_the_hash() {
    let mut names = vec![Lists::default().generation()];
    for yaml in TERMS {
        let hot = hot(yaml);
        let lists = Lists::inline(&hot).unwrap();
        assert_eq!(*lists.terms(), Terms::of(&hot), "{yaml}");
        assert!(!names.contains(&lists.generation()), "{yaml}");
        // It is taken with its own shards, and no other terms are: an Always cannot become a Never on its own.
        assert_eq!(
            Lists::whole(&naming(&lists), &shards(&lists)),
            Ok(lists.clone())
        );
        let mut others = Hot::default();
        others.access.generation = Some(lists.generation());
        let taken = Lists::whole(&others, &shards(&lists));
        assert!(matches!(taken, Err(NotWhole::Hash(_))), "{yaml}");
        names.push(lists.generation());
    }
    // What does not say who gets in does not.
    let other = hot("{logLevel: debug, limits: {subscriptions: 7}, access: {resourceUid: abc}}");
    assert_eq!(Lists::inline(&other), Ok(Lists::default()));
}

#[test]
fn terms_are_read_back_from_the_configuration_that_says_them() {
    for yaml in TERMS {
        let (said, mut written) = (hot(yaml), Hot::default());
        written.auth.required = Required::Write;
        written.access.resource_uid = Some("abc".to_owned());
        Terms::of(&said).put(&mut written, Some("a1".to_owned()));
        assert_eq!(Terms::of(&written), Terms::of(&said), "{yaml}");
        assert_eq!(written.access.generation.as_deref(), Some("a1"));
        assert_eq!(written.access.resource_uid.as_deref(), Some("abc"));
    }
}

#[test]
fn under_the_name_of_nobody_nothing_is_whole() {
    let mut hot = naming(&lists());
    assert!(!hot.access.knows_nobody());
    hot.access.generation = Some(NOBODY.to_owned());
    assert!(hot.access.knows_nobody());
    let claimed = lists().shards().map(|shard| {
        let lines = shard.split_once('\n').map(|(_, lines)| lines);
        Some(format!("{NOBODY}\n{}", lines.unwrap()))
    });
    assert_eq!(Lists::whole(&hot, &claimed), Err(NotWhole::Nobody));
    assert_eq!(NOBODY.len(), Lists::default().generation().len());
}

#[test]
fn a_key_that_is_named_twice_stays_as_long_as_the_longer_of_both() {
    let modes = Modes::default();
    let (short, long) = (Some("2027-01-01"), Some("2028-01-01"));
    for (one, two, kept) in [
        (short, long, long),
        (long, short, long),
        (short, None, None),
    ] {
        let entries = vec![entry(1, List::Write, one), entry(1, List::Write, two)];
        let lists = Lists::new(modes, entries);
        assert_eq!(lists.entries(), [entry(1, List::Write, kept)]);
    }
}
