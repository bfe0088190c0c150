//! What a resource's status says, by tables: the StatefulSet, the pods and their answers in YAML, the words that people
//! read in the end.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails
#![allow(clippy::needless_pass_by_value)] // `json!` at the call reads better without a reference

mod common;

use common::{children, plan, settings, town, yaml};
use k8s_openapi::{
    api::apps::v1::StatefulSet, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp,
};
use kube::runtime::events::EventType;
use nostr_fleet_operator::{
    api::{
        NostrRelay,
        status::{ConditionType, Reason, Status},
    },
    build::{Children, config_text, hash},
    events,
    reconcile::{
        Outcome,
        error::Error,
        gather::Gathered,
        mounts::Unmounted,
        nudge::{self, Nudged},
        report::{self, report, two_digits},
        validate::Refusal,
    },
};
use serde_json::{Value, json};
use std::marker::PhantomData;

const NOON: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOON + seconds).unwrap()
}

/// As after a visit that wrote everything, with this StatefulSet status.
fn applied(spec: &str, set_status: &str) -> Outcome {
    let made = children(spec, &settings());
    let set = StatefulSet {
        status: Some(yaml(set_status)),
        ..made.stateful_set
    };
    Outcome::Applied(
        Box::new(plan(spec, &settings())),
        Box::new(Children {
            service_account: made.service_account,
            shards: made.shards,
            untouched: made.untouched,
            config: made.config,
            service: made.service,
            headless: made.headless,
            policy: made.policy,
            disruption: made.disruption,
            stateful_set: set,
            phase: PhantomData,
        }),
    )
}

const SERVING: &str =
    "{replicas: 1, readyReplicas: 1, updatedReplicas: 1, currentRevision: a, updateRevision: a}";
const STARTING: &str =
    "{replicas: 1, readyReplicas: 0, updatedReplicas: 1, currentRevision: a, updateRevision: a}";
const ROLLING: &str =
    "{replicas: 1, readyReplicas: 1, updatedReplicas: 0, currentRevision: a, updateRevision: b}";
const GONE: &str = "{replicas: 0}";

fn with_pod(pod_status: &str) -> Gathered {
    Gathered {
        pods: vec![yaml(&format!(
            "{{metadata: {{name: town-0}}, status: {pod_status}}}"
        ))],
        ..Gathered::default()
    }
}

/// A pod that serves and answers this, over what every pod answers.
fn with_answer(answer: Value) -> Gathered {
    let mut whole = json!({
        "version": "0.1.0", "role": "relay", "uptimeSeconds": 1, "ready": true, "draining": false,
        "connections": 0, "subscriptions": 0, "configuration": {}, "store": {},
    });
    for (key, value) in answer.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let mut gathered = with_pod("{conditions: [{type: Ready, status: 'True'}]}");
    let answer = serde_json::from_value(whole).unwrap();
    gathered.answers.insert("town-0".to_owned(), answer);
    gathered
}

fn with_claim(status: &str) -> Gathered {
    Gathered {
        claims: vec![yaml(&format!(
            "{{metadata: {{name: data-town-0}}, status: {status}}}"
        ))],
        ..Gathered::default()
    }
}

/// `True/Serving`, or `-` where the condition is absent.
fn said(status: &Status, type_: ConditionType) -> String {
    status.condition(type_).map_or_else(
        || "-".to_owned(),
        |condition| format!("{}/{}", condition.status, condition.reason),
    )
}

fn message(status: &Status, type_: ConditionType) -> &str {
    &status.condition(type_).unwrap().message
}

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
    let Outcome::Applied(plan, mut children) = outcome else {
        panic!()
    };
    children.stateful_set.metadata.generation = Some(2);
    let outcome = Outcome::Applied(plan, children);
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

#[test]
fn a_refusal_says_why_and_leaves_the_pods_counted() {
    let refused = Outcome::Refused(Refusal {
        reason: Reason::ImmutableChange,
        message: "spec.storage.size is fixed".to_owned(),
    });
    let gathered = Gathered {
        stateful_set: Some(StatefulSet {
            status: Some(yaml(SERVING)),
            ..children("{}", &settings()).stateful_set
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
            ..children("{}", &settings()).stateful_set
        }),
        ..Gathered::default()
    };
    let status = report(&town("{}"), &gathered, &Outcome::Paused, at(0));
    assert_eq!(said(&status, ConditionType::Paused), "True/AnnotationSet");
    assert_eq!(said(&status, ConditionType::Ready), "True/Serving");
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
fn storage_is_judged_by_claims_and_by_what_pods_say() {
    for (claim, judged) in [
        ("{phase: Bound}", "True/Bound"),
        ("{phase: Pending}", "False/ClaimPending"),
        ("{phase: Lost}", "False/ClaimLost"),
    ] {
        let status = report(
            &town("{}"),
            &with_claim(claim),
            &applied("{}", SERVING),
            at(0),
        );
        assert_eq!(
            said(&status, ConditionType::StorageReady),
            judged,
            "{claim}"
        );
    }
    let damaged =
        with_answer(json!({"store": {"quarantined": [{"file": "000001.log", "lost": [[7, 9]]}]}}));
    let status = report(&town("{}"), &damaged, &applied("{}", SERVING), at(0));
    assert_eq!(
        said(&status, ConditionType::StorageReady),
        "False/Quarantined"
    );
    let words = message(&status, ConditionType::StorageReady);
    assert!(
        words.contains("000001.log") && words.contains("7-9"),
        "{words}"
    );
    assert_eq!(
        said(&status, ConditionType::Ready),
        "True/Serving",
        "the rest is served"
    );
}

#[test]
fn version_and_used_bytes_come_from_the_pods_and_stay_while_they_are_silent() {
    let mut gathered =
        with_answer(json!({"version": "0.2.0", "store": {"usedBytes": 1_288_490_189_u64}}));
    gathered.claims = with_claim("{phase: Bound, capacity: {storage: 12Gi}}").claims;
    let status = report(&town("{}"), &gathered, &applied("{}", SERVING), at(0));
    assert_eq!(status.version.as_deref(), Some("0.2.0"));
    let storage = status.storage.clone().unwrap();
    assert_eq!(
        (storage.capacity.as_deref(), storage.used.as_deref()),
        (Some("12Gi"), Some("1.2Gi"))
    );

    let mut later = town("{}");
    later.status = Some(status);
    let silent = report(
        &later,
        &Gathered::default(),
        &applied("{}", STARTING),
        at(9),
    );
    assert_eq!(silent.version.as_deref(), Some("0.2.0"));
    assert_eq!(silent.storage.unwrap().used.as_deref(), Some("1.2Gi"));
}

#[test]
fn two_digits_are_enough() {
    for (bytes, text) in [
        (0, "0"),
        (999, "999"),
        (1024, "1Ki"),
        (1536, "1.5Ki"),
        (10 * 1024, "10Ki"),
        (355 << 20, "350Mi"),
        (34 << 20, "34Mi"),
        ((12 << 30) / 10, "1.1Gi"),
        (5 << 40, "5Ti"),
        (u64::MAX, "16000000Ti"),
    ] {
        if bytes != u64::MAX {
            assert_eq!(two_digits(bytes), text, "{bytes}");
        }
        assert!(two_digits(bytes).parse::<relay_config::Size>().is_ok() || bytes == 0);
    }
}

#[test]
fn a_full_volume_degrades() {
    for (store, judged) in [
        (
            json!({"usedBytes": 80, "capacityBytes": 100}),
            "False/AsSpecified",
        ),
        (
            json!({"usedBytes": 90, "capacityBytes": 100}),
            "True/DiskAlmostFull",
        ),
        (
            json!({"usedBytes": 1, "capacityBytes": 100, "full": true}),
            "True/DiskAlmostFull",
        ),
        (json!({}), "False/AsSpecified"),
    ] {
        let gathered = with_answer(json!({"store": store}));
        let status = report(&town("{}"), &gathered, &applied("{}", SERVING), at(0));
        assert_eq!(said(&status, ConditionType::Degraded), judged, "{store}");
    }
}

#[test]
fn pods_with_an_older_configuration_are_waited_for_and_ones_that_refuse_it_are_named() {
    let newest = hash(&config_text(&plan("{}", &settings())));
    for (configuration, ready, valid, degraded) in [
        (
            json!({"hash": newest}),
            "True/Serving",
            "True/Valid",
            "False/AsSpecified",
        ),
        (json!({}), "True/Serving", "True/Valid", "False/AsSpecified"),
        (
            json!({"hash": "old"}),
            "False/ConfigurationPropagating",
            "True/Valid",
            "False/AsSpecified",
        ),
        (
            json!({"hash": "old", "error": "line 3"}),
            "True/Serving",
            "False/Rejected",
            "True/Rejected",
        ),
    ] {
        let gathered = after_nudges(
            &newest,
            with_answer(json!({"configuration": configuration})),
        );
        let status = report(&town("{}"), &gathered, &applied("{}", SERVING), at(0));
        assert_eq!(
            said(&status, ConditionType::Ready),
            ready,
            "{configuration}"
        );
        assert_eq!(
            said(&status, ConditionType::ConfigurationValid),
            valid,
            "{configuration}"
        );
        assert_eq!(
            said(&status, ConditionType::Degraded),
            degraded,
            "{configuration}"
        );
    }
}

/// The same after so many nudges for a configuration that a pod which says why is believed to refuse it.
fn after_nudges(wanted: &str, gathered: Gathered) -> Gathered {
    let nudged = Nudged {
        wanted: wanted.to_owned(),
        times: nudge::PATIENCE + 1,
    };
    Gathered { nudged, ..gathered }
}

#[test]
fn what_a_pod_complains_of_may_be_an_older_file_until_it_was_nudged_for_the_newest() {
    let answer = json!({"configuration": {"hash": "old", "error": "line 3"}});
    let gathered = after_nudges("the one that was refused", with_answer(answer));
    let status = report(&town("{}"), &gathered, &applied("{}", SERVING), at(0));
    assert_eq!(
        said(&status, ConditionType::Ready),
        "False/ConfigurationPropagating"
    );
    assert_eq!(said(&status, ConditionType::Degraded), "True/Rejected");
}

#[test]
fn pods_that_go_or_should_not_be_are_not_counted_and_others_are_also_while_nothing_is_written() {
    const LISTS: &str = "access: {write: {mode: Deny}}";
    let hash = plan(LISTS, &settings()).allowlist.hash;
    let serving = || with_answer(json!({"access": {"hash": hash}}));
    let mut going = serving();
    going.pods[0].metadata.deletion_timestamp = Some(Time(at(0)));
    let counted = |spec: &str, gathered: Gathered| {
        let status = report(&town(spec), &gathered, &applied(spec, SERVING), at(0));
        status.allowlist.unwrap().applied
    };
    assert_eq!(counted(LISTS, serving()), "1/1");
    assert_eq!(counted(LISTS, going.clone()), "0/1");
    let stopped = format!("{LISTS}\noperation: Stopped");
    assert_eq!(counted(&stopped, serving()), "0/0");

    let mut relay = town(LISTS);
    relay.status = Some(report(&relay, &serving(), &applied(LISTS, SERVING), at(0)));
    let set = StatefulSet {
        status: Some(yaml(SERVING)),
        ..children(LISTS, &settings()).stateful_set
    };
    going.stateful_set = Some(set);
    let paused = report(&relay, &going, &Outcome::Paused, at(5));
    assert_eq!(paused.allowlist.unwrap().applied, "0/1");
}

#[test]
fn only_other_lists_than_before_are_a_rotation() {
    let hash = |spec| plan(spec, &settings()).allowlist.hash;
    let (open, deny) = ("{}", "access: {write: {mode: Deny}}");
    let after = |hash: String| {
        let mut status = Status::default();
        status.allowlist.get_or_insert_default().hash = hash;
        status
    };
    for (before, spec, rotates) in [
        (Some(after(hash(open))), deny, true),
        (Some(after(hash(deny))), deny, false),
        (Some(after(String::new())), deny, false),
        (None, deny, false),
    ] {
        let plan = plan(spec, &settings());
        assert_eq!(
            report::rotates(before.as_ref(), &plan),
            rotates,
            "{before:?}"
        );
    }
}

#[test]
fn what_a_pod_cannot_mount_is_named_with_its_field() {
    const TLS: &str = "tls: {secretName: town-tls}";
    for (object, key, starts, words) in [
        (
            "Secret town-tls",
            None,
            true,
            "Secret town-tls, which spec.tls.secretName names, does not exist, so town-0 cannot start: create it",
        ),
        (
            "Secret",
            Some("tls.crt"),
            true,
            "Secret town-tls, which spec.tls.secretName names, has no tls.crt, so town-0 cannot start: add it",
        ),
        (
            "Secret town-tls",
            None,
            false,
            "Secret town-tls, which spec.tls.secretName names, does not exist, so town-0, which runs on, could not start again: create it",
        ),
        (
            "ConfigMap other",
            None,
            true,
            "ConfigMap other does not exist, so town-0 cannot start: create it",
        ),
    ] {
        let lacking = Unmounted {
            pod: "town-0".to_owned(),
            object: object.to_owned(),
            key: key.map(str::to_owned),
            starts,
        };
        let gathered = Gathered {
            unmounted: vec![lacking],
            ..Gathered::default()
        };
        let status = report(&town(TLS), &gathered, &applied(TLS, SERVING), at(0));
        assert_eq!(
            said(&status, ConditionType::ConfigurationValid),
            "False/MissingReference"
        );
        assert_eq!(message(&status, ConditionType::ConfigurationValid), words);
    }
}

#[test]
fn a_class_that_is_not_there_is_named() {
    let gathered = Gathered {
        class_missing: true,
        ..Gathered::default()
    };
    let status = report(&town("{}"), &gathered, &applied("{}", STARTING), at(0));
    assert_eq!(
        said(&status, ConditionType::ConfigurationValid),
        "False/MissingReference"
    );
}

fn failure(code: u16, text: &str) -> Error {
    let status = kube::core::Status {
        code,
        message: text.to_owned(),
        ..kube::core::Status::default()
    };
    Error::of("patch", "services town")(kube::Error::Api(Box::new(status)))
}

fn that_served() -> NostrRelay {
    let mut relay = town("{}");
    relay.status = Some(report(
        &relay,
        &Gathered::default(),
        &applied("{}", SERVING),
        at(0),
    ));
    relay
}

#[test]
fn a_passing_failure_changes_only_reconciling() {
    let relay = that_served();
    let status = report::failed(&relay, &failure(503, "busy"), at(5)).unwrap();
    assert_eq!(said(&status, ConditionType::Ready), "True/Serving");
    assert_eq!(said(&status, ConditionType::Reconciling), "True/Retrying");
    assert!(message(&status, ConditionType::Reconciling).contains("cannot patch services town"));
    let mut retrying = relay.clone();
    retrying.status = Some(status);
    let another = report::failed(&retrying, &failure(500, "busy at 12:01"), at(9));
    assert_eq!(
        another, None,
        "another text each time would be a write each time"
    );
    assert_eq!(
        report::failed(&relay, &failure(409, "changed"), at(5)),
        None,
        "nobody's news"
    );
}

#[test]
fn a_first_visit_that_fails_names_every_lasting_condition() {
    for (code, ready) in [(503, "Unknown/Pending"), (403, "False/Forbidden")] {
        let status = report::failed(&town("{}"), &failure(code, "no"), at(0)).unwrap();
        assert_eq!(said(&status, ConditionType::Ready), ready);
        for type_ in [
            ConditionType::Available,
            ConditionType::Degraded,
            ConditionType::ConfigurationValid,
            ConditionType::StorageReady,
        ] {
            assert_eq!(said(&status, type_), "Unknown/Pending", "{type_}");
        }
    }
}

#[test]
fn conditions_of_others_are_not_written_as_ours_when_a_visit_fails() {
    let mut relay = that_served();
    let old = relay.status.as_mut().unwrap();
    let mut other = old.conditions[0].clone();
    other.type_ = "example.org/Approved".to_owned();
    old.conditions.push(other);
    let status = report::failed(&relay, &failure(403, "no"), at(5)).unwrap();
    let types: Vec<&str> = status
        .conditions
        .iter()
        .map(|it| it.type_.as_str())
        .collect();
    assert!(!types.contains(&"example.org/Approved"), "{types:?}");
}

#[test]
fn a_failure_that_needs_a_human_stalls() {
    for (code, text, reason) in [
        (403, "cannot patch resource \"services\"", "Forbidden"),
        (422, "spec.x: invalid", "InvalidSpec"),
        (500, "failed to create typed patch object", "CrdOutdated"),
    ] {
        let status = report::failed(&that_served(), &failure(code, text), at(5)).unwrap();
        assert_eq!(
            said(&status, ConditionType::Ready),
            format!("False/{reason}")
        );
        assert_eq!(
            said(&status, ConditionType::Stalled),
            format!("True/{reason}")
        );
        assert_eq!(said(&status, ConditionType::Available), "True/Serving");
    }
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
