//! What is named that is not there.

use crate::{
    common::town,
    scene::{SERVING, STARTING, applied, at, message, said},
};
use nostr_fleet_operator::{
    api::status::ConditionType,
    reconcile::{gather::Gathered, mounts::Unmounted, report::report},
};

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
