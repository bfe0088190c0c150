//! The last good lists, and what waits with them.

use crate::{
    common::settings,
    scene::{ANNA, BEN},
    world::{CRAWLERS, LAN, World, whole},
};
use nostr_fleet_operator::{
    api::status::ConditionType,
    build::{self, config_text},
    names,
    reconcile::validate::validate,
};
use relay_config::{
    Lists,
    access::Required,
    lists::{List, SHARDS, Terms},
};

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
