//! Whatever happens in whatever order, nothing opens by accident.

use crate::{
    scene::{ANNA, ANNA_NPUB, BEN},
    world::{CRAWLERS, LAN, World},
};
use proptest::prelude::*;
use relay_config::Lists;

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
