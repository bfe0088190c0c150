//! The API server lastingly refuses a child, or never answers for it: lists rotate all the same, and the status says so.

use crate::{
    broken::{Fault, broken_client},
    pod::FakePod,
    server::{eventually, in_a_space},
    shut::{ANNA, BEN},
    space::Space,
};
use http::Method;
use kube::Client;
use nostr_fleet_operator::api::status::{AllowlistStatus, ConditionType};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const RESIDENTS: &str =
    "access: {write: {mode: Allow, from: [{configMap: {name: residents, key: list}}]}}";

impl Space {
    async fn residents(&self, text: &str) {
        self.source("residents", &json!({}), text).await;
    }

    /// A relay whose pod has the list of Anna and Ben in force.
    async fn town_of_two(&self) -> FakePod {
        self.residents(&format!("{ANNA}\n{BEN}")).await;
        self.town(RESIDENTS).await;
        let pod = FakePod::start(self, self.all_written().await).await;
        self.until_applied("1/1", 2).await;
        pod
    }

    async fn until_applied(&self, applied: &str, entries: u64) -> AllowlistStatus {
        eventually(&format!("{entries} entries, {applied}"), || async {
            let lists = self.status().await.allowlist.unwrap_or_default();
            lists.applied == applied && lists.entries == entries
        })
        .await;
        self.status().await.allowlist.unwrap()
    }
}

/// The hash of the lists that are written.
fn hash(written: &Value) -> &str {
    written["access"]["hash"].as_str().unwrap()
}

/// Takes Ben out of the list while the operator cannot finish a visit, and nobody else calls for one.
async fn rotates(space: &Space, pod: &FakePod, trouble: (ConditionType, &str)) {
    let before = space.all_written().await;
    space.residents(ANNA).await;
    eventually("the new list is written", || async {
        space.all_written().await != before
    })
    .await;
    let after = space.all_written().await;
    let started = Instant::now();
    space
        .until_nudged(after["configuration"]["hash"].as_str().unwrap())
        .await;
    assert!(started.elapsed() < Duration::from_secs(20));
    let lists = space.until_applied("0/1", 1).await;
    assert_eq!(lists.hash, hash(&after), "the status names what is written");
    let (type_, said) = trouble;
    for (type_, said) in [
        (type_, said),
        (ConditionType::AllowlistApplied, "False/Propagating"),
    ] {
        assert_eq!(space.said(type_).await, said);
    }
    pod.says(after);
    let lists = space.until_applied("1/1", 1).await;
    assert_eq!(lists.hash, hash(&space.all_written().await));
    for (type_, said) in [
        (type_, said),
        (ConditionType::AllowlistApplied, "True/Applied"),
    ] {
        assert_eq!(space.said(type_).await, said);
    }
    assert!(
        space
            .events()
            .await
            .contains(&"RotatedAllowlist".to_owned())
    );
}

#[tokio::test]
async fn lists_rotate_while_the_stateful_set_is_invalid() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let pod = space.town_of_two().await;
        // The schema lets it in, the API server no pod with it.
        let invalid = format!("{RESIDENTS}\npod: {{labels: {{x: 'a b!'}}}}");
        space.town(&invalid).await;
        let stalled = (ConditionType::Stalled, "True/InvalidSpec");
        space.until_said(stalled.0, stalled.1).await;
        let status = space.status().await;
        let why = &status.condition(ConditionType::Stalled).unwrap().message;
        assert!(
            why.starts_with("cannot patch statefulsets town: StatefulSet.apps \"town\" is invalid")
                && !why.contains("Status {"),
            "{why}"
        );
        rotates(&space, &pod, stalled).await;
        let rotations = operator.metric("rotation_seconds_count");
        assert!(0.5 < rotations && rotations < 1.5, "{rotations}");
        // Once the pods have it nobody is visited any more.
        space.until_at_rest(&operator).await;
        let visits = operator.visits();
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(operator.visits(), visits);

        space.town(RESIDENTS).await;
        space.until_said(ConditionType::Stalled, "-").await;
        space.until_said(ConditionType::Ready, "True/Serving").await;
        operator.stop().await;
    })
    .await;
}

/// A client whose writes of these children meet this fault as long as it is `broken`.
async fn client_without(children: &'static str, fault: Fault, broken: Arc<AtomicBool>) -> Client {
    broken_client(move |request| {
        let child = request.uri().path().contains(children);
        let struck = child && request.method() == Method::PATCH && broken.load(Ordering::SeqCst);
        if struck { fault.clone() } else { Fault::None }
    })
    .await
}

async fn lists_rotate_without(
    children: &'static str,
    fault: Fault,
    trouble: (ConditionType, &'static str),
) {
    in_a_space(move |space| async move {
        let broken = Arc::new(AtomicBool::new(false));
        let client = client_without(children, fault, broken.clone()).await;
        let operator = Space::operator_as(client, space.settings());
        let pod = space.town_of_two().await;
        broken.store(true, Ordering::SeqCst);
        rotates(&space, &pod, trouble).await;
        broken.store(false, Ordering::SeqCst);
        space.until_said(trouble.0, "-").await;
        space.until_said(ConditionType::Ready, "True/Serving").await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn lists_rotate_while_the_server_fails_at_the_stateful_set() {
    let retrying = (ConditionType::Reconciling, "True/Retrying");
    lists_rotate_without("/statefulsets/", Fault::Refused(500, None), retrying).await;
}

#[tokio::test]
async fn lists_rotate_while_the_first_and_the_last_child_behind_them_are_forbidden() {
    let stalled = (ConditionType::Stalled, "True/Forbidden");
    for child in ["/serviceaccounts/", "/statefulsets/"] {
        lists_rotate_without(child, Fault::Refused(403, None), stalled).await;
    }
}

/// Each visit takes all the time that one may take.
#[tokio::test]
async fn lists_rotate_while_nobody_answers_for_the_stateful_set() {
    let retrying = (ConditionType::Reconciling, "True/Retrying");
    lists_rotate_without("/statefulsets/", Fault::Hang, retrying).await;
}

#[tokio::test]
async fn of_lists_that_cannot_be_written_the_status_says_only_what_the_pods_say() {
    in_a_space(|space| async move {
        let broken = Arc::new(AtomicBool::new(false));
        let strikes = broken.clone();
        let client = broken_client(move |request| {
            let shard = request.uri().path().contains("/town-allowlist-");
            let struck = shard && request.method() == Method::PATCH;
            if struck && strikes.load(Ordering::SeqCst) {
                Fault::Refused(403, None)
            } else {
                Fault::None
            }
        });
        let operator = Space::operator_as(client.await, space.settings());
        let pod = space.town_of_two().await;
        let old = space.all_written().await;
        broken.store(true, Ordering::SeqCst);
        space.residents(ANNA).await;
        space
            .until_said(ConditionType::AllowlistApplied, "Unknown/Pending")
            .await;
        assert_eq!(space.until_applied("1/1", 2).await.hash, hash(&old));
        assert_eq!(space.all_written().await, old);
        pod.is_silent();
        space.visit_again(&operator).await;
        assert_eq!(space.until_applied("0/1", 2).await.hash, hash(&old));
        pod.says(old);
        broken.store(false, Ordering::SeqCst);
        space.until_applied("0/1", 1).await;
        pod.says(space.all_written().await);
        space.until_applied("1/1", 1).await;
        space
            .until_said(ConditionType::AllowlistApplied, "True/Applied")
            .await;

        // The pattern lets it in; no clock runs that long.
        space
            .town(&format!(
                "{RESIDENTS}\nlimits: {{queryTime: 99999999999999999999h}}"
            ))
            .await;
        space
            .until_said(ConditionType::Stalled, "True/InvalidSpec")
            .await;
        assert_eq!(
            space.said(ConditionType::AllowlistApplied).await,
            "Unknown/Pending"
        );
        space.until_applied("1/1", 1).await;
        operator.stop().await;
    })
    .await;
}
