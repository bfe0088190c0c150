//! Claims, used bytes, full volumes.

use crate::{
    common::town,
    scene::{SERVING, STARTING, applied, at, message, said, with_answer, with_claim},
};
use nostr_fleet_operator::{
    api::status::ConditionType,
    reconcile::{
        gather::Gathered,
        report::{report, two_digits},
    },
};
use serde_json::json;

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
