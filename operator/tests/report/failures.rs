//! Visits that fail.

use crate::{
    common::town,
    scene::{at, message, said, that_served},
};
use nostr_fleet_operator::{
    api::status::ConditionType,
    reconcile::{error::Error, report},
};

fn failure(code: u16, text: &str) -> Error {
    let status = kube::core::Status {
        code,
        message: text.to_owned(),
        ..kube::core::Status::default()
    };
    Error::of("patch", "services town")(kube::Error::Api(Box::new(status)))
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
