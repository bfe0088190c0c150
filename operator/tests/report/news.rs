//! What is worth a write or an event.

use crate::{
    common::town,
    scene::{ROLLING, SERVING, STARTING, applied, at, said, that_served, with_claim},
};
use nostr_fleet_operator::{
    api::status::{ConditionType, Reason, Status},
    events,
    reconcile::{
        Outcome,
        gather::Gathered,
        report::{self, report},
        validate::Refusal,
    },
};

#[test]
fn the_note_of_an_event_has_room_for_1024_bytes_and_no_half_character() {
    let noted = |message: String| -> String {
        let refused = Outcome::Refused(Refusal {
            reason: Reason::InvalidSpec,
            message,
        });
        let status = report(&town("{}"), &Gathered::default(), &refused, at(0));
        let mut told = events::transitions(None, &status);
        told.remove(0).note.unwrap()
    };
    assert_eq!(noted("ä".to_owned()), "Ready: ä");
    assert_eq!(noted("a".repeat(5000)).len(), 1024);
    // "Ready: " has 7 bytes, so the last of these would be cut in two.
    let cut = noted("ä".repeat(900));
    assert!(cut.len() == 1023 && cut.ends_with('ä'), "{}", cut.len());
}

#[test]
fn the_time_of_a_transition_moves_only_when_the_answer_does() {
    let mut relay = that_served();
    let again = report(
        &relay,
        &Gathered::default(),
        &applied("{}", SERVING),
        at(60),
    );
    assert!(
        report::same(relay.status.as_ref(), &again),
        "nothing new is not written"
    );
    let rolling = report(
        &relay,
        &Gathered::default(),
        &applied("{}", ROLLING),
        at(90),
    );
    let time = |status: &Status, type_| status.condition(type_).unwrap().last_transition_time.0;
    assert_eq!(time(&rolling, ConditionType::Ready), at(90));
    assert_eq!(time(&rolling, ConditionType::Available), at(0));
    relay.status = Some(rolling);
    let served = report(
        &relay,
        &Gathered::default(),
        &applied("{}", SERVING),
        at(120),
    );
    assert_eq!(time(&served, ConditionType::Ready), at(120));
    assert_eq!(said(&served, ConditionType::Reconciling), "-");
}

#[test]
fn conditions_of_others_are_no_reason_to_write() {
    let relay = that_served();
    let mut with_other = relay.status.clone().unwrap();
    let mut other = with_other.conditions[0].clone();
    other.type_ = "example.org/Approved".to_owned();
    with_other.conditions.push(other);
    assert!(report::same(
        Some(&with_other),
        relay.status.as_ref().unwrap()
    ));
    with_other.ready_replicas = 0;
    assert!(!report::same(
        Some(&with_other),
        relay.status.as_ref().unwrap()
    ));
    assert!(!report::same(None, relay.status.as_ref().unwrap()));
}

#[test]
fn events_tell_transitions_and_nothing_else() {
    let reasons = |old: Option<&Status>, new: &Status| -> Vec<String> {
        events::transitions(old, new)
            .into_iter()
            .map(|event| event.reason)
            .collect()
    };
    let starting = report(
        &town("{}"),
        &Gathered::default(),
        &applied("{}", STARTING),
        at(0),
    );
    assert_eq!(reasons(None, &starting), ["PodsUnavailable"]);
    let mut relay = town("{}");
    relay.status = Some(starting.clone());
    let serving = report(
        &relay,
        &with_claim("{phase: Bound}"),
        &applied("{}", SERVING),
        at(5),
    );
    assert_eq!(reasons(Some(&starting), &serving), ["Serving", "Bound"]);
    assert_eq!(reasons(Some(&serving), &serving), Vec::<String>::new());
}
