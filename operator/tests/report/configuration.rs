//! Which configuration and which lists the pods have.

use crate::{
    common::{children, plan, settings, town, yaml},
    scene::{SERVING, after_nudges, applied, at, message, said, with_answer},
};
use k8s_openapi::{api::apps::v1::StatefulSet, apimachinery::pkg::apis::meta::v1::Time};
use nostr_fleet_operator::{
    api::status::{ConditionType, Status},
    build::{config_text, hash},
    reconcile::{
        Outcome,
        gather::Gathered,
        report::{self, report},
    },
};
use serde_json::json;

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

#[test]
fn a_certificate_that_a_pod_refuses_is_named_in_the_pod_s_words_while_it_serves_on() {
    const TLS: &str = "tls: {secretName: town-tls}";
    let why = "tls.key: the key is not the one of the first certificate in tls.crt";
    for (tls, valid, degraded) in [
        (
            json!({"fingerprint": "a", "error": why}),
            "False/Rejected",
            "True/Rejected",
        ),
        (
            json!({"fingerprint": "a"}),
            "True/Valid",
            "False/AsSpecified",
        ),
    ] {
        let gathered = with_answer(json!({"tls": tls}));
        let status = report(&town(TLS), &gathered, &applied(TLS, SERVING), at(0));
        assert_eq!(said(&status, ConditionType::Ready), "True/Serving");
        for (type_, expected) in [
            (ConditionType::ConfigurationValid, valid),
            (ConditionType::Degraded, degraded),
        ] {
            assert_eq!(said(&status, type_), expected, "{tls}");
            let words = message(&status, type_);
            assert_eq!(
                words.ends_with(why),
                expected.ends_with("Rejected"),
                "{words}"
            );
            assert!(words.starts_with("town-0 ") || !expected.ends_with("Rejected"));
        }
    }
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
        ..children(LISTS, &settings()).house.stateful_set
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
