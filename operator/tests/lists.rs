//! Lists: what sources come to, what is said about bad ones, and that nothing ever opens by accident.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod common;

use common::{settings, town, yaml};
use k8s_openapi::jiff::Timestamp;
use nostr_fleet_operator::{
    api::{
        NostrRelay,
        access::Access,
        status::{ConditionType, Reason, Status},
    },
    build::{self, Children, Plan, Shards, config_text},
    kinds::Kind,
    names,
    reconcile::{
        Outcome,
        allowlist::{self, Asked, Map, Maps, Merged, Rejected, Sources},
        gather::Gathered,
        last_good::Written,
        report::report,
        validate::validate,
    },
};
use proptest::prelude::*;
use relay_config::{
    Auth, Config, Hot, Lists,
    access::Required,
    lists::{Entry, List, SHARDS, Terms},
    names::CONFIG_FILE,
};
use std::{collections::BTreeMap, marker::PhantomData};

const ANNA: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const ANNA_NPUB: &str = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";
const BEN: &str = "7bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

fn access(text: &str) -> Access {
    yaml(text)
}

/// ConfigMaps by name: `{residents: {list: text}}`; all with label `list: <name>`.
fn maps(text: &str) -> Maps {
    let values: BTreeMap<String, BTreeMap<String, String>> = yaml(text);
    values
        .into_iter()
        .map(|(name, values)| {
            let labels = [("list".to_owned(), name.clone())].into();
            let map = Map {
                labels,
                values,
                ..Map::default()
            };
            (name, map)
        })
        .collect()
}

fn merge(spec: &str, sources: &str) -> Result<Merged, Rejected> {
    merged(spec, &maps(sources))
}

fn merged(spec: &str, maps: &Maps) -> Result<Merged, Rejected> {
    let access = access(spec);
    let terms = allowlist::modes(&access).into();
    allowlist::merge(&access, terms, maps)
}

fn listed(merged: &Merged) -> Vec<String> {
    let line = |entry: &Entry| {
        let mut line = format!("{:?} ", entry.list);
        entry.push_line(&mut line);
        line.trim_end().to_owned()
    };
    merged.lists.entries().iter().map(line).collect()
}

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

/// The cluster and the operator's part in it, without either: objects, sources, status.
#[derive(Clone, Debug, Default)]
struct World {
    mode: &'static str,
    /// `spec.auth.required`, `spec.access.kinds` and `spec.addresses`, where they are not the default.
    auth: &'static str,
    kinds: &'static str,
    addresses: &'static str,
    sources: Maps,
    ours: BTreeMap<String, String>,
    status: Option<Status>,
}

impl World {
    fn relay(&self) -> NostrRelay {
        let or = |text: &'static str, default| if text.is_empty() { default } else { text };
        let (mode, auth) = (or(self.mode, "Open"), or(self.auth, "Never"));
        let (kinds, addresses) = (or(self.kinds, "{}"), or(self.addresses, "{}"));
        let mut relay = town(&format!(
            "{{auth: {{required: {auth}}}, addresses: {addresses}, access: {{kinds: {kinds}, write: {{mode: {mode}, \
             from: [{{configMap: {{name: residents}}}}, {{selector: {{matchLabels: {{list: guests}}}}}}]}}}}}}"
        ));
        relay.status.clone_from(&self.status);
        relay
    }

    fn put(&mut self, name: &str, text: &str) {
        let all = maps(&format!("{{{name}: {{list: '{text}'}}}}"));
        self.sources.extend(all);
    }

    fn written(&self) -> Written {
        Written {
            config: self.ours.get("config").cloned(),
            shards: std::array::from_fn(|number| {
                self.ours.get(&relay_config::names::shard(number)).cloned()
            }),
        }
    }

    fn gathered(&self) -> Gathered {
        let relay = self.relay();
        let common = relay.common();
        let asked = Asked::of(
            common.access,
            common.auth,
            common.addresses,
            &self.sources.clone().into(),
        );
        Gathered {
            asked: Some(asked),
            written: self.written(),
            ..Gathered::default()
        }
    }

    /// One visit, cut short after so many writes: the operator is killed. Looks at what pods could read after each.
    fn visit(&mut self, writes: usize, look: &mut dyn FnMut(&Self)) -> Plan {
        let (relay, gathered) = (self.relay(), self.gathered());
        let plan = validate(&relay, &gathered, &settings()).unwrap();
        let children = build::children(&plan);
        let mut left = writes;
        let maps = children.shards.iter().chain([&children.config]);
        for map in maps {
            if left == 0 {
                return plan;
            }
            left -= 1;
            for (key, text) in map.data.iter().flatten() {
                let key = if key == CONFIG_FILE { "config" } else { key };
                self.ours.insert(key.to_owned(), text.clone());
            }
            look(self);
        }
        if matches!(plan.allowlist.shards, Shards::None) {
            self.ours.retain(|key, _| key == "config"); // pruned
            look(self);
        }
        if left > 0 {
            self.status = Some(report(
                &relay,
                &gathered,
                &done(plan.clone(), children),
                Timestamp::UNIX_EPOCH,
            ));
        }
        plan
    }

    /// What a pod that starts now would find, if it is whole.
    fn view(&self) -> Option<Lists> {
        let written = self.written();
        let hot = Config::read(&written.config?).ok()?.hot;
        match hot.access.generation {
            Some(_) => Lists::whole(&hot, &written.shards).ok(),
            None => Lists::inline(&hot).ok(),
        }
    }

    /// All that says who gets in, as the spec and its sources ask for it, if all of it can be used.
    fn asked(&self) -> Option<Lists> {
        let asked = self.gathered().asked.unwrap();
        asked.addresses.ok()?;
        Some(asked.lists.ok()?.lists)
    }

    /// What the pods' file says.
    fn hot(&self) -> Hot {
        Config::read(&self.ours["config"]).unwrap().hot
    }

    fn said(&self, type_: ConditionType) -> String {
        let status = self.status.clone().unwrap_or_default();
        status
            .condition(type_)
            .map_or("-".to_owned(), |it| format!("{}/{}", it.status, it.reason))
    }
}

fn done(plan: Plan, made: Children<build::Prepared>) -> Outcome {
    let Children {
        service_account,
        shards,
        untouched,
        config,
        service,
        headless,
        policy,
        disruption,
        stateful_set,
        phase: _,
    } = made;
    let phase = PhantomData;
    let applied = Children {
        service_account,
        shards,
        untouched,
        config,
        service,
        headless,
        policy,
        disruption,
        stateful_set,
        phase,
    };
    Outcome::Applied(Box::new(plan), Box::new(applied))
}

fn whole(world: &mut World) -> Plan {
    world.visit(usize::MAX, &mut |_| ())
}

#[test]
fn a_relay_without_lists_has_no_shards_and_its_hash_is_known() {
    let mut world = World::default();
    whole(&mut world);
    assert_eq!(world.ours.len(), 1);
    let status = world.status.unwrap().allowlist.unwrap();
    assert_eq!(status.hash, Lists::default().generation());
    assert_eq!(
        (status.entries, status.sources, status.applied.as_str()),
        (0, 0, "0/1")
    );
}

#[test]
fn a_list_becomes_eight_shards_and_a_configuration_that_names_them() {
    let mut world = World {
        mode: "Allow",
        ..World::default()
    };
    world.put("residents", ANNA);
    let plan = whole(&mut world);
    assert_eq!(world.ours.len(), SHARDS + 1);
    assert_eq!(world.view(), world.asked());
    assert!(!config_text(&plan).contains(ANNA), "keys stand in shards");
    assert_eq!(world.view().unwrap().entries()[0].list, List::Write);
    // Open again: the shards go.
    world.mode = "Open";
    whole(&mut world);
    assert_eq!(world.ours.len(), 1);
}

#[test]
fn a_bad_list_keeps_the_last_good_one_and_the_rest_of_the_spec_goes_on() {
    let mut world = World {
        mode: "Allow",
        ..World::default()
    };
    world.put("residents", ANNA);
    whole(&mut world);
    let (good, before) = (
        world.view(),
        world.status.clone().unwrap().allowlist.unwrap(),
    );
    world.put("residents", "me");
    let mut relay = world.relay();
    relay.spec.limits.filters = serde_json::from_value(7.into()).unwrap();
    let plan = validate(&relay, &world.gathered(), &settings()).unwrap();
    assert_eq!(plan.config.hot.limits.filters.get(), 7);
    whole(&mut world);
    assert_eq!(world.view(), good);
    assert_eq!(
        world.said(ConditionType::ConfigurationValid),
        "False/BadKey"
    );
    assert_eq!(world.said(ConditionType::Degraded), "True/ListRejected");
    assert_eq!(
        world.said(ConditionType::AllowlistApplied),
        "False/Rejected"
    );
    assert_eq!(world.said(ConditionType::Stalled), "-");
    let after = world.status.clone().unwrap().allowlist.unwrap();
    assert_eq!(after, before);
    // Another mode comes with a good list or not at all.
    world.mode = "Deny";
    whole(&mut world);
    assert_eq!(world.view(), good);
    world.put("residents", BEN);
    whole(&mut world);
    assert_eq!(world.view(), world.asked());
    assert_eq!(world.said(ConditionType::ConfigurationValid), "True/Valid");
}

#[test]
fn a_new_relay_without_a_good_list_serves_nobody_and_says_so() {
    let mut world = World {
        mode: "Allow",
        ..World::default()
    };
    whole(&mut world);
    assert_eq!(world.view(), None, "nothing whole: the pods serve nobody");
    assert_eq!(world.said(ConditionType::Ready), "False/MissingReference");
    assert_eq!(world.said(ConditionType::Stalled), "True/MissingReference");
    assert_eq!(world.status.clone().unwrap().allowlist.unwrap().hash, "");
    assert!(world.hot().access.knows_nobody(), "also with an old volume");
    // And so it stays, visit after visit, until the list is there.
    whole(&mut world);
    assert_eq!(world.view(), None);
    world.put("residents", ANNA);
    whole(&mut world);
    assert_eq!(world.view(), world.asked());
    assert_eq!(world.said(ConditionType::Stalled), "-");
}

const LAN: &str = "{allow: [10.0.0.0/8]}";
const CRAWLERS: &str = "{from: [{configMap: {name: crawlers}}]}";

#[test]
fn logins_kinds_and_addresses_wait_for_the_list_that_they_come_with() {
    let mut world = World {
        auth: "Always",
        kinds: "{deny: ['4']}",
        addresses: LAN,
        ..World::default()
    };
    whole(&mut world);
    let before = world.view().unwrap();
    assert_eq!(before.terms().auth.required, Required::Always);
    // All of it loosened at once, by a spec whose list is not there: neither the old spec nor the new one lets everybody in.
    world = World {
        mode: "Allow",
        auth: "",
        kinds: "",
        addresses: "",
        ..world
    };
    for _ in 0..2 {
        whole(&mut world);
        assert_eq!(world.view().as_ref(), Some(&before));
        assert_eq!(Terms::of(&world.hot()), *before.terms());
        let said = world.said(ConditionType::ConfigurationValid);
        assert_eq!(said, "False/MissingReference");
    }
    world.put("residents", ANNA);
    whole(&mut world);
    assert_eq!(world.view(), world.asked());
    assert_eq!(world.hot().auth.required, Required::Never);
}

#[test]
fn a_list_and_logins_wait_for_the_addresses_that_they_come_with() {
    let mut world = World {
        mode: "Allow",
        auth: "Always",
        addresses: LAN,
        ..World::default()
    };
    world.put("residents", ANNA);
    whole(&mut world);
    let before = world.view();
    // Only the addresses are asked for anew, and cannot be used: the lists are the ones that are asked for.
    world.addresses = CRAWLERS;
    whole(&mut world);
    assert_eq!(world.view(), before);
    let valid = |world: &World| world.said(ConditionType::ConfigurationValid);
    let applied = |world: &World| world.said(ConditionType::AllowlistApplied);
    assert_eq!(valid(&world), "False/MissingReference");
    assert_eq!(applied(&world), "Unknown/Pending", "no pod runs here");
    // With another list and without logins they are not.
    world.put("residents", BEN);
    world.auth = "Never";
    whole(&mut world);
    assert_eq!(world.view(), before);
    assert_eq!(valid(&world), "False/MissingReference");
    assert_eq!(applied(&world), "False/Rejected");
    world.put("crawlers", "192.0.2.0/24");
    whole(&mut world);
    assert_eq!(world.view(), world.asked());
    assert_eq!(world.hot().auth.required, Required::Never);
    assert_eq!(applied(&world), "Unknown/Pending");
}

#[test]
fn a_new_relay_whose_addresses_cannot_be_used_serves_nobody() {
    let mut world = World {
        addresses: CRAWLERS,
        ..World::default()
    };
    whole(&mut world);
    assert!(world.hot().access.knows_nobody());
    assert_eq!(world.view(), None);
    assert_eq!(world.said(ConditionType::Stalled), "True/MissingReference");
    world.put("crawlers", "192.0.2.0/24");
    whole(&mut world);
    assert!(!world.hot().access.knows_nobody());
    assert_eq!(world.view(), world.asked());
    assert_eq!(world.said(ConditionType::Stalled), "-");
}

#[test]
fn what_was_written_for_another_resource_of_the_name_is_not_the_last_good_list() {
    let mut world = World::default();
    whole(&mut world);
    let uid = world.relay().metadata.uid;
    assert_eq!(world.hot().access.resource_uid, uid);
    world.mode = "Allow";
    world.put("residents", ANNA);
    whole(&mut world);
    let config = world.ours["config"].clone();
    world.sources.clear();
    // The same files, and a resource without a status: what it wrote itself it believes, what another one wrote it does not.
    world.status = None;
    whole(&mut world);
    assert_eq!(world.ours["config"], config);
    world.status = None;
    let other = config.replace(&uid.unwrap(), "00000000-0000-0000-0000-000000000002");
    world.ours.insert("config".to_owned(), other);
    whole(&mut world);
    assert!(world.hot().access.knows_nobody());
    assert_eq!(world.view(), None);
}

#[test]
fn what_somebody_opens_by_hand_is_not_taken_for_the_last_good_list() {
    let mut world = World {
        mode: "Allow",
        ..World::default()
    };
    world.put("residents", ANNA);
    whole(&mut world);
    let good = world.view();
    world.sources.clear();
    for by_hand in [Some("version: 1\n"), Some("odd"), None] {
        world.ours.remove("config");
        world
            .ours
            .extend(by_hand.map(|text| ("config".to_owned(), text.to_owned())));
        whole(&mut world);
        assert_eq!(
            world.view(),
            good,
            "{by_hand:?}: modes of the spec and shards of the cluster agree"
        );
    }
    // Without the shards nothing is known: the name stays, nothing opens, nothing is removed.
    world.ours.remove("allowlist-03");
    let name = world.status.clone().unwrap().allowlist.unwrap().hash;
    whole(&mut world);
    assert_eq!(world.view(), None);
    assert_eq!(world.status.clone().unwrap().allowlist.unwrap().hash, name);
    assert!(world.ours["config"].contains(&name) && world.ours.len() == SHARDS);
}

#[derive(Clone, Debug)]
enum Step {
    Put(&'static str, &'static str),
    Delete(&'static str),
    Mode(&'static str),
    Auth(&'static str),
    Kinds(&'static str),
    Addresses(&'static str),
    Tamper(u8),
    Visit(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let map = || prop_oneof![Just("residents"), Just("guests")];
    let text = prop_oneof![Just(ANNA), Just(BEN), Just(""), Just("me"), Just(ANNA_NPUB)];
    let step = prop_oneof![
        3 => (map(), text).prop_map(|(map, text)| Step::Put(map, text)),
        1 => map().prop_map(Step::Delete),
        1 => prop_oneof![Just("192.0.2.0/24"), Just("10.0.0.0/33"), Just("")]
            .prop_map(|text| Step::Put("crawlers", text)),
        1 => Just(Step::Delete("crawlers")),
        1 => prop_oneof![Just("Never"), Just("Always")].prop_map(Step::Auth),
        1 => prop_oneof![Just("{}"), Just("{deny: ['4']}"), Just("{allow: ['1']}")].prop_map(Step::Kinds),
        1 => prop_oneof![Just("{}"), Just(LAN), Just(CRAWLERS)].prop_map(Step::Addresses),
        1 => prop_oneof![Just("Open"), Just("Allow"), Just("Deny")].prop_map(Step::Mode),
        1 => (0_u8..10).prop_map(Step::Tamper),
        3 => (0_usize..9).prop_map(Step::Visit),
        3 => Just(Step::Visit(usize::MAX)),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to sources and to our objects, and wherever the operator dies: what a pod finds whole was asked for
    /// as it stands, lists, modes, logins, kinds and addresses together; and what was shut opens only when a spec that can
    /// be used says so.
    #[test]
    fn nothing_opens_by_accident(steps in steps()) {
        let mut world = World { mode: "Allow", ..World::default() };
        let (mut asked_for, mut may_open) = (Vec::new(), false);
        for step in steps {
            match step {
                Step::Put(map, text) => world.put(map, text),
                Step::Delete(map) => { world.sources.remove(map); }
                Step::Mode(mode) => world.mode = mode,
                Step::Auth(auth) => world.auth = auth,
                Step::Kinds(kinds) => world.kinds = kinds,
                Step::Addresses(addresses) => world.addresses = addresses,
                Step::Tamper(8) => { world.ours.insert("config".to_owned(), "version: 1\n".to_owned()); }
                Step::Tamper(9) => { world.ours.remove("config"); }
                Step::Tamper(shard) => { world.ours.remove(&relay_config::names::shard(shard.into())); }
                Step::Visit(writes) => {
                    let asked = world.asked();
                    asked_for.extend(asked.clone());
                    may_open |= asked.as_ref().is_some_and(|lists| *lists == Lists::default());
                    // Until the configuration is written what somebody did to it by hand stands.
                    let by_hand = world.view().filter(|view| !asked_for.contains(view));
                    let mut seen = Vec::new();
                    let config = world.ours.get("config").cloned();
                    world.visit(writes, &mut |world| {
                        if world.ours.get("config") != config.as_ref() { seen.extend(world.view()) }
                    });
                    for view in &seen {
                        prop_assert!(asked_for.contains(view), "never asked for: {view:?}");
                        prop_assert!(may_open || *view != Lists::default(), "opened");
                    }
                    prop_assert!(writes != usize::MAX || by_hand.is_none() || world.view() != by_hand);
                    if writes == usize::MAX && let Some(asked) = asked {
                        let view = world.view();
                        prop_assert_eq!(view.as_ref(), Some(&asked));
                        may_open = asked == Lists::default();
                    }
                }
            }
        }
    }
}

#[test]
fn names_of_shards_fit() {
    let name = "a".repeat(40);
    assert!(
        build::shard_names(&name)
            .iter()
            .all(|name| name.len() <= 63)
    );
    assert_eq!(names::shard("town", 3), "town-allowlist-03");
}
