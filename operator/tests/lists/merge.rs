//! What sources come to, and what is said about bad ones.

use crate::{
    common::yaml,
    scene::{ANNA, ANNA_NPUB, BEN, access, listed, maps, merge, merged},
};
use nostr_fleet_operator::{
    api::status::Reason,
    names,
    reconcile::allowlist::{self, Asked, Map, Sources},
};
use relay_config::Auth;

#[test]
fn sources_merge_and_comments_blanks_and_doubles_do_not_count() {
    let merged = merge(
        &format!("{{write: {{mode: Allow, pubkeys: ['{ANNA_NPUB}'], from: [{{configMap: {{name: residents, key: list}}}}, {{selector: {{matchLabels: {{list: guests}}}}}}]}}}}"),
        &format!("{{residents: {{list: \"# all\\n{ANNA} # Anna\\r\\n\\n\", other: nonsense}}, guests: {{a: '{BEN} until 2027-01-01', b: '{BEN} until 2026-01-01'}}}}"),
    )
    .unwrap();
    assert_eq!(
        listed(&merged),
        [
            format!("Write w {ANNA}"),
            format!("Write w {BEN} 2027-01-01")
        ]
    );
    assert_eq!(merged.sources, 3);
}

#[test]
fn every_bad_line_is_named_by_source_and_line_and_never_repeated() {
    let secret = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
    let why = merge(
        "{write: {mode: Allow, from: [{configMap: {name: residents}}]}}",
        &format!(
            "{{residents: {{list: \"{ANNA}\\nme\\n{secret}\\n{BEN} until May\\n{BEN} 2027\\nx\"}}}}"
        ),
    )
    .unwrap_err();
    assert_eq!(why.reason, Reason::BadKey);
    assert_eq!(
        why.message,
        "ConfigMap residents, key list, line 2: not a public key: write npub1… or 64 lower-case hex characters; \
         ConfigMap residents, key list, line 3: not a public key: write npub1… or 64 lower-case hex characters; \
         ConfigMap residents, key list, line 4: not a date: write until 2027-01-01 behind the key, or nothing; \
         and 2 more that are no entries"
    );
}

#[test]
fn a_source_of_two_lists_is_complained_of_once_and_listed_in_both() {
    let from =
        "from: [{configMap: {name: residents}}, {selector: {matchLabels: {list: residents}}}]";
    let spec = format!("{{read: {{mode: Allow, {from}}}, write: {{mode: Allow, {from}}}}}");
    let why = merge(
        &spec,
        &format!("{{residents: {{list: \"me\\n{ANNA}\\nyou\"}}}}"),
    )
    .unwrap_err();
    let bad = "not a public key: write npub1… or 64 lower-case hex characters";
    assert_eq!(
        why.message,
        format!(
            "ConfigMap residents, key list, line 1: {bad}; ConfigMap residents, key list, line 3: {bad}"
        )
    );
    let good = merge(&spec, &format!("{{residents: {{list: '{ANNA}'}}}}")).unwrap();
    assert_eq!(listed(&good).len(), 2);
    // The same line of another text is another line.
    let sources = "{residents: {a: me, b: me}}";
    let why = merge(&spec, sources).unwrap_err().message;
    assert!(
        why.contains("key a, line 1") && why.ends_with(&format!("key b, line 1: {bad}")),
        "{why}"
    );
}

#[test]
fn a_key_of_the_spec_with_a_wrong_checksum_is_named_by_its_place() {
    let why = merge(
        &format!("{{banned: {{pubkeys: ['{ANNA}', '{ANNA_NPUB}x']}}}}"),
        "{}",
    )
    .unwrap_err();
    assert!(
        why.message
            .starts_with("spec.access.banned.pubkeys[1]: not a public key"),
        "{}",
        why.message
    );
}

#[test]
fn what_is_missing_is_named() {
    for (spec, words) in [
        (
            "{write: {mode: Deny, from: [{configMap: {name: nobody}}]}}",
            "ConfigMap nobody, which spec.access.write.from names, does not exist",
        ),
        (
            "{banned: {from: [{configMap: {name: residents, key: bad}}]}}",
            "ConfigMap residents has no key bad, which spec.access.banned.from names",
        ),
    ] {
        let why = merge(spec, &format!("{{residents: {{list: '{ANNA}'}}}}")).unwrap_err();
        assert_eq!(why.reason, Reason::MissingReference, "{spec}");
        assert!(why.message.starts_with(words), "{}", why.message);
    }
}

#[test]
fn an_empty_list_is_refused_where_only_the_listed_are_allowed_and_taken_elsewhere() {
    let selector = "from: [{selector: {matchLabels: {list: nothing}}}]";
    for (spec, taken) in [
        (format!("{{write: {{mode: Allow, {selector}}}}}"), false),
        (format!("{{read: {{mode: Allow, {selector}}}}}"), false),
        ("{read: {mode: Allow}}".to_owned(), false),
        (format!("{{write: {{mode: Deny, {selector}}}}}"), true),
        (format!("{{banned: {{{selector}}}}}"), true),
        (format!("{{write: {{mode: Open, {selector}}}}}"), true),
    ] {
        let merged = merge(&spec, "{}");
        assert_eq!(merged.is_ok(), taken, "{spec}");
        if let Err(why) = merged {
            assert!(why.reason == Reason::BadKey && why.message.contains("would allow nobody"));
        }
    }
    // A list that is allowed to be read does not stand in for one that is allowed to write.
    let both = format!("{{read: {{mode: Allow, pubkeys: ['{ANNA}']}}, write: {{mode: Allow}}}}");
    assert!(merge(&both, "{}").is_err());
}

#[test]
fn a_list_whose_mode_is_open_is_not_asked() {
    let spec = "{read: {mode: Open, from: [{configMap: {name: gone}}]}}";
    assert!(merge(spec, "{}").unwrap().lists.entries().is_empty());
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_by_name_and_lifts_no_ban() {
    // As kubectl create configmap --from-file stores it: not under data.
    let sources = |also: &str| {
        let mut sources = maps(&format!("{{unwelcome: {{{also}}}}}"));
        let map = sources.get_mut("unwelcome").unwrap();
        map.binary.insert("list.txt".to_owned());
        sources
    };
    for source in [
        "{configMap: {name: unwelcome}}",
        "{configMap: {name: unwelcome, key: list.txt}}",
        "{selector: {matchLabels: {list: unwelcome}}}",
    ] {
        for spec in [
            format!("{{read: {{mode: Allow, from: [{source}]}}}}"),
            format!("{{write: {{mode: Deny, from: [{source}]}}}}"),
            format!("{{banned: {{from: [{source}]}}}}"),
        ] {
            let maps = sources(&format!("list: '{ANNA}'"));
            let why = merged(&spec, &maps).unwrap_err();
            assert_eq!(why.reason, Reason::BadKey, "{spec}");
            let words = "ConfigMap unwelcome, key list.txt: not UTF-8 text: save it as UTF-8";
            assert!(why.message.starts_with(words), "{}", why.message);
        }
        let ranges = yaml(&format!("{{from: [{source}]}}"));
        assert!(allowlist::addresses(&ranges, &sources("")).is_err());
    }
    // What is not read may be anything.
    for spec in [
        "{banned: {from: [{configMap: {name: unwelcome, key: list}}]}}",
        "{read: {mode: Open, from: [{configMap: {name: unwelcome}}]}}",
    ] {
        let maps = sources(&format!("list: '{ANNA}'"));
        assert!(merged(spec, &maps).is_ok(), "{spec}");
    }
}

#[test]
fn a_config_map_that_says_it_is_the_operator_s_is_no_source() {
    let said_to_be_of = |manager: &str| {
        let mut maps = maps(&format!("{{residents: {{list: '{ANNA}'}}}}"));
        let labels = &mut maps.get_mut("residents").unwrap().labels;
        labels.insert(names::LABEL_MANAGED_BY.to_owned(), manager.to_owned());
        merged("{banned: {from: [{configMap: {name: residents}}]}}", &maps)
    };
    let why = said_to_be_of(names::MANAGER).unwrap_err();
    assert!(why.message.contains("take the label off"), "{why:?}");
    assert!(said_to_be_of("flux").is_ok());
}

#[test]
fn a_selector_that_selects_too_many_refuses_the_lists_that_it_is_for_and_no_other() {
    let access = access("{banned: {from: [{selector: {matchLabels: {list: guests}}}]}}");
    let ranges = yaml("{from: [{selector: {matchLabels: {list: crawlers}}}]}");
    let cut = |list: &str| Sources {
        cut: vec![yaml(&format!("{{matchLabels: {{list: {list}}}}}"))],
        ..Sources::default()
    };
    let asked = |sources: &Sources| Asked::of(&access, &Auth::default(), &ranges, sources);
    assert!(asked(&Sources::default()).is_good());
    let guests = asked(&cut("guests"));
    assert_eq!(
        guests.lists.unwrap_err().message,
        "the selector list=guests in spec.access.banned.from selects more than 100 ConfigMaps: join some of them"
    );
    assert!(guests.addresses.is_ok());
    let crawlers = asked(&cut("crawlers"));
    assert!(crawlers.lists.is_ok());
    let why = crawlers.addresses.unwrap_err().message;
    assert!(why.contains("spec.addresses.from"), "{why}");
}

#[test]
fn sources_that_are_too_large_refuse_what_comes_from_them_and_nothing_else() {
    let sources = Sources {
        too_large: true,
        ..Sources::default()
    };
    let from = "from: [{configMap: {name: residents}}]";
    for (lists, ranges) in [(true, true), (true, false), (false, true), (false, false)] {
        let named = |is| if is { from } else { "" };
        let access = access(&format!("{{banned: {{{}}}}}", named(lists)));
        let ranges_from = yaml(&format!("{{{}}}", named(ranges)));
        let asked = Asked::of(&access, &Auth::default(), &ranges_from, &sources);
        assert_eq!(asked.lists.is_err(), lists);
        assert_eq!(asked.addresses.is_err(), ranges);
        if let Err(why) = asked.lists {
            assert_eq!(why.reason, Reason::BadKey);
            let words = "the ConfigMaps in spec.access and spec.addresses hold more than 16 MB together (120000 entries are 8): \
                         name or select fewer in spec.access.banned.from, or take out of them what is no list";
            assert_eq!(why.message, words);
        }
    }
}

#[test]
fn lines_that_are_too_many_to_be_merged_are_refused_whatever_they_come_to() {
    let doubles = |lines: usize| {
        let map = Map {
            values: [("list".to_owned(), format!("{ANNA}\n").repeat(lines))].into(),
            ..Map::default()
        };
        let from = "from: [{configMap: {name: big}}]";
        let spec = format!(
            "{{read: {{mode: Deny, {from}}}, write: {{mode: Deny, {from}}}, banned: {{{from}}}}}"
        );
        merged(&spec, &[("big".to_owned(), map)].into())
    };
    assert_eq!(listed(&doubles(100_000).unwrap()).len(), 3);
    let why = doubles(100_001).unwrap_err().message;
    assert!(why.contains("more than 300000 entries, too many"), "{why}");
}

#[test]
fn a_list_that_is_too_large_is_refused() {
    let text = |keys: u32| {
        let lines: Vec<String> = (0..keys).map(|n| format!("00{n:062x}")).collect();
        lines.join("\n")
    };
    let fits = |keys: u32| {
        let map = Map {
            values: [("list".to_owned(), text(keys))].into(),
            ..Map::default()
        };
        let spec = "{banned: {from: [{configMap: {name: big}}]}}";
        merged(spec, &[("big".to_owned(), map)].into())
    };
    let merged = fits(15_500).unwrap(); // all in the first shard
    assert!(merged.lists.shards()[0].len() <= relay_config::lists::SHARD_BYTES);
    let why = fits(15_600).unwrap_err();
    assert!(
        why.message.contains("15600 entries, too many"),
        "{}",
        why.message
    );
}

#[test]
fn ranges_of_addresses_merge_and_bad_ones_are_named() {
    let asked = yaml(
        "{deny: [203.0.113.0/24], allow: ['2001:db8::/32'], from: [{configMap: {name: crawlers}}]}",
    );
    let merged = allowlist::addresses(
        &asked,
        &maps("{crawlers: {list: \"198.51.100.7 # one\\n\\n203.0.113.0/24\"}}"),
    )
    .unwrap();
    let text =
        |ranges: &[relay_config::Cidr]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&merged.deny), ["198.51.100.7/32", "203.0.113.0/24"]);
    assert_eq!(text(&merged.allow), ["2001:db8::/32"]);
    for (text, expected) in [
        ("10.0.0.0/33", "not a range"),
        ("# crawlers\\r10.0.0.0/8", "a carriage return"),
    ] {
        let why = allowlist::addresses(
            &asked,
            &maps(&format!("{{crawlers: {{list: \"{text}\"}}}}")),
        )
        .unwrap_err();
        let expected = format!("ConfigMap crawlers, key list, line 1: {expected}");
        assert!(why.message.starts_with(&expected), "{}", why.message);
    }
}
