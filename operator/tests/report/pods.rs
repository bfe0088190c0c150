//! Ready, Reconciling and Available by the pods; refusals and pauses.

use crate::{
    common::{children, settings, town, yaml},
    scene::{GONE, ROLLING, SERVING, STARTING, applied, at, message, said, with_answer, with_pod},
};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::runtime::events::EventType;
use nostr_fleet_operator::{
    api::status::{ConditionType, Reason},
    events,
    reconcile::{Outcome, gather::Gathered, report::report, validate::Refusal},
};
use serde_json::json;

#[test]
fn the_first_status_names_every_condition() {
    let status = report(
        &town("{}"),
        &Gathered::default(),
        &applied("{}", "{replicas: 0}"),
        at(0),
    );
    let types: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "AllowlistApplied",
            "Available",
            "ConfigurationValid",
            "Degraded",
            "Ready",
            "Reconciling",
            "StorageReady"
        ]
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(3))
    );
    assert_eq!(
        said(&status, ConditionType::StorageReady),
        "Unknown/Pending"
    );
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.url, "ws://town.here.svc:8080");
    assert_eq!(
        status.selector,
        "app.kubernetes.io/name=nostr-relay,app.kubernetes.io/instance=town"
    );
    assert_eq!(status.storage.unwrap().requested, "10Gi");
}

#[test]
fn ready_reconciling_and_available_follow_the_pods() {
    for (what, spec, set, ready, reconciling, available) in [
        ("serves", "{}", SERVING, "True/Serving", "-", "True/Serving"),
        (
            "starts",
            "{}",
            STARTING,
            "False/PodsUnavailable",
            "True/PodsUnavailable",
            "False/PodsUnavailable",
        ),
        (
            "rolls",
            "{}",
            ROLLING,
            "False/RolloutInProgress",
            "True/RolloutInProgress",
            "True/Serving",
        ),
        (
            "is made",
            "{}",
            GONE,
            "False/RolloutInProgress",
            "True/RolloutInProgress",
            "False/PodsUnavailable",
        ),
        (
            "stops",
            "operation: Stopped",
            SERVING,
            "False/Stopped",
            "True/Stopped",
            "True/Serving",
        ),
        (
            "stopped",
            "operation: Stopped",
            GONE,
            "False/Stopped",
            "-",
            "False/Stopped",
        ),
    ] {
        let status = report(
            &town(spec),
            &Gathered::default(),
            &applied(spec, set),
            at(0),
        );
        assert_eq!(said(&status, ConditionType::Ready), ready, "{what}");
        assert_eq!(
            said(&status, ConditionType::Reconciling),
            reconciling,
            "{what}"
        );
        assert_eq!(said(&status, ConditionType::Available), available, "{what}");
        assert_eq!(said(&status, ConditionType::Stalled), "-", "{what}");
    }
}

#[test]
fn a_stateful_set_that_has_not_seen_the_newest_spec_is_rolling() {
    let outcome = applied("{}", SERVING);
    let Outcome::Applied(plan, mut applied) = outcome else {
        panic!()
    };
    applied.stateful_set.metadata.generation = Some(2);
    let outcome = Outcome::Applied(plan, applied);
    let status = report(&town("{}"), &Gathered::default(), &outcome, at(0));
    assert_eq!(
        said(&status, ConditionType::Ready),
        "False/RolloutInProgress"
    );
}

#[test]
fn what_keeps_a_pod_from_serving_is_said_in_words() {
    for (pod, words) in [
        (
            "{containerStatuses: [{name: relay, image: i, imageID: i, ready: false, restartCount: 0, state: {waiting: {reason: ImagePullBackOff}}}]}",
            "town-0 waits: ImagePullBackOff",
        ),
        (
            "{conditions: [{type: PodScheduled, status: 'False', message: no node fits}]}",
            "town-0 has no node: no node fits",
        ),
    ] {
        let status = report(&town("{}"), &with_pod(pod), &applied("{}", STARTING), at(0));
        assert!(
            message(&status, ConditionType::Ready).ends_with(words),
            "{status:?}"
        );
    }
    let mut rebuilding = with_answer(json!({"ready": false, "notReady": "rebuilding 41 %"}));
    rebuilding.pods = with_pod("{}").pods;
    let status = report(&town("{}"), &rebuilding, &applied("{}", STARTING), at(0));
    assert!(
        message(&status, ConditionType::Ready).ends_with("town-0 is not ready: rebuilding 41 %")
    );
}

/// A pod whose relay ended so and with such a log, and is started again.
fn ended(code: i32, log: &str, state: &str) -> String {
    let log = serde_json::to_string(log).unwrap();
    format!(
        "{{containerStatuses: [{{name: sidecar, image: i, imageID: i, ready: true, restartCount: 1, state: {{running: {{}}}}, \
         lastState: {{terminated: {{exitCode: 2, message: 'relay: not of the relay'}}}}}}, \
         {{name: relay, image: i, imageID: i, ready: false, restartCount: 3, state: {state}, \
         lastState: {{terminated: {{exitCode: {code}, message: {log}}}}}}}]}}"
    )
}

#[test]
fn a_relay_that_cannot_start_says_why_in_one_sentence_and_nothing_else_of_its_log_is_told() {
    const WAITING: &str = "{waiting: {reason: CrashLoopBackOff}}";
    let log = "{\"level\":\"INFO\",\"message\":\"starts\"}\nrelay: an older end\nrelay: tls.key: no key\u{7}\nat some frame\n";
    for (code, state, valid) in [
        (2, WAITING, "False/Rejected"),
        (2, "{running: {}}", "False/Rejected"),
        (1, WAITING, "True/Valid"),
    ] {
        let gathered = with_pod(&ended(code, log, state));
        let status = report(&town("{}"), &gathered, &applied("{}", STARTING), at(0));
        let words = message(&status, ConditionType::Ready);
        let expected = "0 of 1 pods serve: town-0 ended and is started again: tls.key: no key";
        assert_eq!(words, expected, "{state}");
        assert_eq!(said(&status, ConditionType::ConfigurationValid), valid);
        if code == 2 {
            let words = message(&status, ConditionType::ConfigurationValid);
            assert_eq!(words, "town-0 cannot start with it: tls.key: no key");
        }
    }
    let long = format!("relay: {}", "x".repeat(2000));
    for (log, words) in [
        (
            "a panic\nand a trace",
            "town-0 waits: CrashLoopBackOff".to_owned(),
        ),
        (&long, format!("started again: {}", "x".repeat(500))),
    ] {
        let gathered = with_pod(&ended(2, log, WAITING));
        let status = report(&town("{}"), &gathered, &applied("{}", STARTING), at(0));
        let said = message(&status, ConditionType::Ready);
        assert!(said.ends_with(&words), "{said}");
    }
}

#[test]
fn how_a_relay_ended_is_forgotten_when_it_answers_or_serves_again() {
    let pod = ended(2, "relay: tls.key: no key", "{running: {}}");
    let answers = with_answer(json!({}));
    let mut answering = with_pod(&pod);
    answering.answers = answers.answers;
    let serving = with_pod(&pod.replacen('{', "{conditions: [{type: Ready, status: 'True'}], ", 1));
    for gathered in [answering, serving] {
        let status = report(&town("{}"), &gathered, &applied("{}", SERVING), at(0));
        let valid = said(&status, ConditionType::ConfigurationValid);
        assert_eq!(valid, "True/Valid");
    }
}

#[test]
fn a_refusal_says_why_and_leaves_the_pods_counted() {
    let refused = Outcome::Refused(Refusal {
        reason: Reason::ImmutableChange,
        message: "spec.storage.size is fixed".to_owned(),
    });
    let gathered = Gathered {
        stateful_set: Some(StatefulSet {
            status: Some(yaml(SERVING)),
            ..children("{}", &settings()).house.stateful_set
        }),
        ..Gathered::default()
    };
    let status = report(&town("{}"), &gathered, &refused, at(0));
    for type_ in [ConditionType::Ready, ConditionType::ConfigurationValid] {
        assert_eq!(said(&status, type_), "False/ImmutableChange");
    }
    assert_eq!(
        said(&status, ConditionType::Stalled),
        "True/ImmutableChange"
    );
    assert_eq!(
        message(&status, ConditionType::Stalled),
        "spec.storage.size is fixed"
    );
    assert_eq!(said(&status, ConditionType::Available), "True/Serving");
    assert_eq!((status.replicas, status.ready_replicas), (1, 1));
}

#[test]
fn a_paused_resource_says_so_and_still_tells_how_its_pods_fare() {
    let gathered = Gathered {
        stateful_set: Some(StatefulSet {
            status: Some(yaml(SERVING)),
            ..children("{}", &settings()).house.stateful_set
        }),
        ..Gathered::default()
    };
    let status = report(&town("{}"), &gathered, &Outcome::Paused, at(0));
    assert_eq!(said(&status, ConditionType::Paused), "True/AnnotationSet");
    assert_eq!(said(&status, ConditionType::Ready), "True/Serving");
}

#[test]
fn how_many_pods_serve_is_told_in_the_right_number() {
    let told = |count: u8| {
        let set = SERVING.replace('1', &count.to_string());
        let status = report(
            &town("{}"),
            &Gathered::default(),
            &applied("{}", &set),
            at(0),
        );
        message(&status, ConditionType::Available).to_owned()
    };
    assert_eq!(told(1), "1 pod serves");
    assert_eq!(told(2), "2 pods serve");
}

#[test]
fn a_resource_that_is_paused_before_it_has_pods_is_not_called_stopped() {
    let status = report(&town("{}"), &Gathered::default(), &Outcome::Paused, at(0));
    assert_eq!(said(&status, ConditionType::Ready), "False/AnnotationSet");
    let words = message(&status, ConditionType::Ready);
    assert!(words.contains("nostrfleet.io/paused"), "{words}");
    assert_eq!(said(&status, ConditionType::Reconciling), "-");
    assert_eq!(
        said(&status, ConditionType::Available),
        "False/PodsUnavailable"
    );
    let told = events::transitions(None, &status);
    assert!(
        told.iter().all(|event| event.type_ == EventType::Normal),
        "somebody asked for it"
    );
}
