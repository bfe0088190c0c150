//! Visits that fail: what is said of the failure, and of the lists.

use crate::{
    common::{children, plan, settings, town, yaml},
    scene::{SERVING, STARTING, applied, at, message, said, that_served, with_answer, with_claim},
};
use k8s_openapi::api::apps::v1::StatefulSet;
use nostr_fleet_operator::{
    api::{
        NostrRelay,
        status::{AllowlistStatus, ConditionType, Reason, Status},
    },
    build::Plan,
    reconcile::{
        Outcome, allowlist::Rejected, error::Error, failure::Failure, gather::Gathered, report,
    },
};
use serde_json::json;
use std::sync::Arc;

/// A request that the API server refuses, before anything is written; the pod serves.
fn failure(code: u16, text: &str) -> Failure {
    let status = kube::core::Status {
        code,
        message: text.to_owned(),
        ..kube::core::Status::default()
    };
    Failure {
        error: Error::of("patch", "services town")(kube::Error::Api(Box::new(status))),
        gathered: having(""),
        outcome: Outcome::Failed(None),
    }
}

#[test]
fn a_passing_failure_changes_only_reconciling() {
    let relay = that_served();
    let status = failure(503, "busy").status(&relay, at(5)).unwrap();
    assert_eq!(said(&status, ConditionType::Ready), "True/Serving");
    assert_eq!(said(&status, ConditionType::Reconciling), "True/Retrying");
    assert!(message(&status, ConditionType::Reconciling).contains("cannot patch services town"));
    let lists = |status: &Status| said(status, ConditionType::AllowlistApplied);
    let before = lists(relay.status.as_ref().unwrap());
    assert_eq!(lists(&status), before, "the next visit comes in a second");
    let mut retrying = relay.clone();
    retrying.status = Some(status);
    let second = failure(500, "busy at 12:01").status(&retrying, at(9));
    let second = second.unwrap();
    assert_eq!(lists(&second), "Unknown/Pending", "a list may have changed");
    retrying.status = Some(second);
    let third = failure(500, "busy at 12:02").status(&retrying, at(19));
    assert!(
        report::same(retrying.status.as_ref(), &third.unwrap()),
        "another text each time would be a write each time"
    );
    assert_eq!(
        failure(409, "changed").status(&relay, at(5)),
        None,
        "nobody's news"
    );
}

#[test]
fn a_first_visit_that_fails_names_every_lasting_condition() {
    for (code, ready) in [(503, "Unknown/Pending"), (403, "False/Forbidden")] {
        let failure = Failure {
            gathered: Gathered::default(),
            ..failure(code, "no")
        };
        let status = failure.status(&town("{}"), at(0)).unwrap();
        assert_eq!(said(&status, ConditionType::Ready), ready);
        assert_eq!(status.storage.as_ref().unwrap().requested, "10Gi");
        let available = said(&status, ConditionType::Available);
        assert_eq!(available, "False/PodsUnavailable", "there is no pod");
        for type_ in [
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
    let status = failure(403, "no").status(&relay, at(5)).unwrap();
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
        let status = failure(code, text).status(&that_served(), at(5)).unwrap();
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

/// What a visit with this failure says of a relay.
fn after(relay: &NostrRelay, code: u16, gathered: &Gathered, outcome: Outcome) -> Status {
    let failure = Failure {
        gathered: gathered.clone(),
        outcome,
        ..failure(code, "no")
    };
    failure.status(relay, at(5)).unwrap()
}

fn written(spec: &str) -> Outcome {
    Outcome::Failed(Some(Arc::new(plan(spec, &settings()))))
}

/// A pod and a claim.
fn seen(set_status: &str, phase: &str) -> Gathered {
    Gathered {
        stateful_set: Some(set(set_status)),
        ..with_claim(&format!("{{phase: {phase}, capacity: {{storage: 9Gi}}}}"))
    }
}

#[test]
fn how_pods_and_claims_fare_is_told_while_visits_fail() {
    let (mut relay, _) = with_lists();
    let lost = "False/PodsUnavailable";
    for (gathered, ready, available, storage, pods) in [
        (
            seen(SERVING, "Bound"),
            "True/Serving",
            "True/Serving",
            "True/Bound",
            1,
        ),
        (seen(STARTING, "Lost"), lost, lost, "False/ClaimLost", 0),
        (Gathered::default(), lost, lost, "Unknown/Pending", 0),
    ] {
        for code in [500, 403, 422] {
            for outcome in [Outcome::Failed(None), written("{}")] {
                let status = after(&relay, code, &gathered, outcome);
                let of = |type_| said(&status, type_);
                assert_eq!(of(ConditionType::Available), available);
                assert_eq!(of(ConditionType::StorageReady), storage);
                if code == 500 {
                    assert_eq!(of(ConditionType::Ready), ready);
                }
                assert_eq!(status.ready_replicas, pods);
                let stored = status.storage.clone().unwrap();
                assert_eq!(stored.capacity.is_some(), !gathered.claims.is_empty());
            }
        }
        relay.status = Some(after(&relay, 500, &gathered, written("{}")));
        let again = after(&relay, 500, &gathered, written("{}"));
        assert!(report::same(relay.status.as_ref(), &again), "one write");
    }
    let back = after(&relay, 500, &seen(SERVING, "Bound"), written("{}"));
    assert_eq!(said(&back, ConditionType::Available), "True/Serving");
    assert_eq!(
        said(&back, ConditionType::Ready),
        "Unknown/Pending",
        "nobody knows of the rest"
    );
}

#[test]
fn that_no_pod_should_run_is_told_by_who_knows_what_is_asked_for() {
    const STOPPED: &str = "{operation: Stopped}";
    let none = Gathered {
        stateful_set: Some(children(STOPPED, &settings()).house.stateful_set),
        ..Gathered::default()
    };
    let mut stopped = town(STOPPED);
    stopped.status = Some(report::report(
        &stopped,
        &none,
        &applied(STOPPED, "{}"),
        at(0),
    ));
    let (serving, _) = with_lists();
    for (relay, outcome, available) in [
        (&stopped, Outcome::Failed(None), "False/Stopped"),
        (&stopped, written(STOPPED), "False/Stopped"),
        (&stopped, written("{}"), "False/PodsUnavailable"),
        (&serving, Outcome::Failed(None), "False/PodsUnavailable"),
        (&serving, written(STOPPED), "False/Stopped"),
    ] {
        let status = after(relay, 500, &none, outcome);
        assert_eq!(said(&status, ConditionType::Available), available);
        assert_eq!(said(&status, ConditionType::Ready), available);
    }
}

const DENY: &str = "access: {write: {mode: Deny}}";

/// A relay that serves, whose pod has its lists in force.
fn with_lists() -> (NostrRelay, AllowlistStatus) {
    let mut relay = town("{}");
    let gathered = having(&plan("{}", &settings()).allowlist.hash);
    let status = report::report(&relay, &gathered, &applied("{}", SERVING), at(0));
    let lists = status.allowlist.clone().unwrap();
    assert_eq!(lists.applied, "1/1");
    assert!(status.is(ConditionType::AllowlistApplied));
    relay.status = Some(status);
    (relay, lists)
}

/// A StatefulSet of one pod with this status.
fn set(status: &str) -> StatefulSet {
    StatefulSet {
        status: Some(yaml(status)),
        ..children("{}", &settings()).house.stateful_set
    }
}

/// What is found where the pod has the lists of this hash.
fn having(hash: &str) -> Gathered {
    Gathered {
        stateful_set: Some(set(SERVING)),
        ..with_answer(json!({"access": {"hash": hash}}))
    }
}

/// A child behind lists and configuration is refused.
fn refused(code: u16, plan: Plan, gathered: Gathered) -> Failure {
    Failure {
        gathered,
        outcome: Outcome::Failed(Some(Arc::new(plan))),
        ..failure(code, "no")
    }
}

fn lists_of(status: &Status) -> AllowlistStatus {
    status.allowlist.clone().unwrap()
}

#[test]
fn lists_that_are_written_are_told_whatever_becomes_of_the_children_behind_them() {
    let (relay, old) = with_lists();
    let denying = || plan(DENY, &settings());
    let new = denying().allowlist.hash;
    assert_ne!(old.hash, new);
    for (code, reconciling, stalled) in [
        (500, "True/Retrying", "-"),
        (403, "-", "True/Forbidden"),
        (422, "-", "True/InvalidSpec"),
        (409, "-", "-"),
    ] {
        for (has, applied, said_of_it) in [
            (&old.hash, "0/1", "False/Propagating"),
            (&new, "1/1", "True/Applied"),
            (&String::new(), "0/1", "Unknown/Pending"),
        ] {
            let failure = refused(code, denying(), having(has));
            let status = failure.status(&relay, at(5)).unwrap();
            let lists = lists_of(&status);
            assert_eq!((&lists.hash, lists.applied.as_str()), (&new, applied));
            assert_ne!(lists.rotated_at, old.rotated_at, "{code}");
            let of = |type_| said(&status, type_);
            assert_eq!(of(ConditionType::AllowlistApplied), said_of_it, "{code}");
            assert_eq!(of(ConditionType::Reconciling), reconciling, "{code}");
            assert_eq!(of(ConditionType::Stalled), stalled, "{code}");
        }
    }
}

#[test]
fn a_failure_that_lasts_is_told_once_and_the_lists_each_time() {
    let (mut relay, old) = with_lists();
    let denying = || plan(DENY, &settings());
    let new = denying().allowlist.hash;
    let failure = |has: &str| refused(500, denying(), having(has));
    relay.status = failure(&old.hash).status(&relay, at(5));
    let again = failure(&old.hash).status(&relay, at(6)).unwrap();
    assert!(report::same(relay.status.as_ref(), &again));
    let later = failure(&new).status(&relay, at(7)).unwrap();
    assert_eq!(lists_of(&later).applied, "1/1");
    assert_eq!(said(&later, ConditionType::Reconciling), "True/Retrying");
}

#[test]
fn a_resource_that_is_not_paused_any_more_does_not_say_so_where_its_visit_fails() {
    let (mut relay, old) = with_lists();
    let paused = report::report(&relay, &having(&old.hash), &Outcome::Paused, at(1));
    assert_eq!(said(&paused, ConditionType::Paused), "True/AnnotationSet");
    relay.status = Some(paused);
    let written = refused(403, plan("{}", &settings()), having(&old.hash));
    for (failure, says) in [(written, "-"), (failure(403, "no"), "True/AnnotationSet")] {
        let status = failure.status(&relay, at(5)).unwrap();
        assert_eq!(said(&status, ConditionType::Paused), says);
    }
}

#[test]
fn of_lists_that_may_not_be_written_nothing_is_known_but_what_the_pods_say() {
    let (relay, old) = with_lists();
    for code in [500, 403, 422] {
        for (has, applied) in [(old.hash.as_str(), "1/1"), ("another", "0/1")] {
            let failure = Failure {
                gathered: having(has),
                ..failure(code, "no")
            };
            let mut again = relay.clone();
            again.status = failure.status(&relay, at(5));
            let status = failure.status(&again, at(7)).unwrap();
            let judged = said(&status, ConditionType::AllowlistApplied);
            assert_eq!(judged, "Unknown/Pending", "{code}");
            let wanted = AllowlistStatus {
                applied: applied.to_owned(),
                ..old.clone()
            };
            assert_eq!(lists_of(&status), wanted, "{code}");
        }
    }
}

#[test]
fn a_bad_list_is_told_and_mended_while_a_child_is_refused() {
    let (mut relay, old) = with_lists();
    let mut bad = plan("{}", &settings());
    bad.allowlist.held_back = true;
    bad.allowlist.rejected.push(Rejected {
        reason: Reason::BadKey,
        message: "ConfigMap residents, line 2".to_owned(),
    });
    let bad = refused(500, bad, having(&old.hash));
    let status = bad.status(&relay, at(5)).unwrap();
    for (type_, judged) in [
        (ConditionType::ConfigurationValid, "False/BadKey"),
        (ConditionType::Degraded, "True/ListRejected"),
        (ConditionType::AllowlistApplied, "False/Rejected"),
        (ConditionType::Ready, "True/Serving"),
    ] {
        assert_eq!(said(&status, type_), judged);
    }
    relay.status = Some(status);
    for (code, valid) in [(500, "True/Valid"), (422, "False/InvalidSpec")] {
        let mended = refused(code, plan("{}", &settings()), having(&old.hash));
        let status = mended.status(&relay, at(9)).unwrap();
        assert_eq!(said(&status, ConditionType::ConfigurationValid), valid);
        assert_eq!(said(&status, ConditionType::Degraded), "False/AsSpecified");
    }
}
