//! The operator against a real API server: unmodified controllers in this process, a namespace per test.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod cluster;
mod common;

use cluster::{CHILDREN, Space, cluster_role, config, eventually, in_a_space};
use common::{
    repository,
    rules::{self, CASES, NAMES, SCHEMA_REFUSES},
    yaml,
};
use http::{Method, Request};
use kube::{
    Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    client::{Body, ClientBuilder},
};
use nostr_fleet_operator::{api::status::ConditionType, names};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{BoxError, filter::FilterLayer};

#[tokio::test]
async fn a_relay_gets_its_children_and_they_belong_to_it() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let uid = space.town("{}").await.uid();
        space.until_built().await;
        for (kind, name) in CHILDREN.iter().filter(|(kind, _)| *kind != "NostrRelay") {
            let child = space.get(kind, name).await.unwrap();
            let owner = &child.owner_references()[0];
            assert_eq!(Some(&owner.uid), uid.as_ref(), "{kind}");
            assert_eq!(
                (owner.controller, owner.block_owner_deletion),
                (Some(true), Some(true)),
                "{kind}"
            );
            assert_eq!(child.labels()[names::LABEL_INSTANCE], "town", "{kind}");
            assert_eq!(cluster::managers(&child), [names::MANAGER], "{kind}");
        }
        // The namespace enforces restricted Pod Security: the pod was let in.
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        eventually("the claim is bound", || async {
            space.said(ConditionType::StorageReady).await == "True/Bound"
        })
        .await;
        assert_eq!(
            space.status().await.url,
            format!("ws://town.{}.svc:8080", space.name)
        );
        assert!(space.events().await.contains(&"PodsUnavailable".to_owned()));
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changed() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space
            .town("{deletionPolicy: Delete, resources: {requests: {cpu: 1}, limits: {memory: 1024Mi}}, network: {ingressFrom: [{ipBlock: {cidr: 10.0.0.0/8}}]}, service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}}")
            .await;
        space.until_built().await;
        space.until_quiet().await;
        let visits = operator.visits();
        space.visit_again(&operator).await;
        let before = space.until_quiet().await;
        space.visit_again(&operator).await;
        let after = space.until_quiet().await;
        assert_eq!(before[..7], after[..7], "children");
        assert!(operator.visits() >= visits + 4);
        operator.stop().await;

        let restarted = space.operator();
        let before = space.versions().await;
        eventually("the new operator has looked", || async { restarted.visits() >= 1 }).await;
        assert_eq!(space.until_quiet().await, before, "after a restart");
        restarted.stop().await;
    })
    .await;
}

#[tokio::test]
async fn drift_of_every_child_is_undone() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        for (kind, name, patch, pointer, ours) in [
            (
                "ServiceAccount",
                "town",
                json!({"automountServiceAccountToken": true}),
                "/automountServiceAccountToken",
                json!(false),
            ),
            (
                "ConfigMap",
                "town-config",
                json!({"data": {"relay.yaml": "hacked"}}),
                "/data/relay.yaml",
                Value::Null,
            ),
            (
                "Service",
                "town",
                json!({"spec": {"selector": {"app.kubernetes.io/instance": "other"}}}),
                "/spec/selector/app.kubernetes.io~1instance",
                json!("town"),
            ),
            (
                "Service",
                "town-headless",
                json!({"spec": {"publishNotReadyAddresses": false}}),
                "/spec/publishNotReadyAddresses",
                json!(true),
            ),
            (
                "NetworkPolicy",
                "town",
                json!({"spec": {"ingress": [{}]}}),
                "/spec/ingress/0/ports/0/port",
                json!(8080),
            ),
            (
                "PodDisruptionBudget",
                "town",
                json!({"spec": {"maxUnavailable": 0}}),
                "/spec/maxUnavailable",
                json!(1),
            ),
            (
                "StatefulSet",
                "town",
                json!({"spec": {"replicas": 3}}),
                "/spec/replicas",
                json!(1),
            ),
            (
                "StatefulSet",
                "town",
                json!({"spec": {"template": {"spec": {"automountServiceAccountToken": true}}}}),
                "/spec/template/spec/automountServiceAccountToken",
                json!(false),
            ),
            (
                "NetworkPolicy",
                "town",
                json!({"metadata": {"ownerReferences": null}}),
                "/metadata/ownerReferences/0/kind",
                json!("NostrRelay"),
            ),
        ] {
            let look = || async {
                let object = serde_json::to_value(space.get(kind, name).await.unwrap()).unwrap();
                object.pointer(pointer).cloned()
            };
            let before = look().await;
            space.meddle(kind, name, &patch).await;
            eventually(&format!("{kind} {name} is as it was"), || async {
                look().await == before
            })
            .await;
            if !ours.is_null() {
                assert_eq!(before, Some(ours), "{kind} {name}");
            }
        }
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_child_comes_back() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        for (kind, name) in CHILDREN.iter().filter(|(kind, _)| *kind != "NostrRelay") {
            let uid = space.get(kind, name).await.unwrap().uid();
            space
                .of(kind)
                .delete(name, &DeleteParams::background())
                .await
                .unwrap();
            eventually(&format!("{kind} {name} is back"), || async {
                space
                    .get(kind, name)
                    .await
                    .is_some_and(|new| new.uid() != uid)
            })
            .await;
        }
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_relay_leaves_its_claims_unless_told_otherwise() {
    in_a_space(|space| async move {
        let operator = space.operator();
        for (spec, kept) in [("{}", true), ("deletionPolicy: Delete", false)] {
            space.town(spec).await;
            space.until_built().await;
            eventually("the claim exists", || {
                space.has("PersistentVolumeClaim", "data-town-0")
            })
            .await;
            eventually("the pod exists", || space.has("Pod", "town-0")).await;
            space.until_quiet().await;
            space
                .of("NostrRelay")
                .delete("town", &DeleteParams::background())
                .await
                .unwrap();
            for (kind, name) in CHILDREN {
                eventually(&format!("{kind} {name} is gone"), || async {
                    space.get(kind, name).await.is_none()
                })
                .await;
            }
            eventually("the pod is gone", || async {
                space.get("Pod", "town-0").await.is_none()
            })
            .await;
            if kept {
                assert!(space.has("PersistentVolumeClaim", "data-town-0").await);
            } else {
                eventually("the claim is going", || async {
                    !space.has("PersistentVolumeClaim", "data-town-0").await
                })
                .await;
            }
        }
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_claim_of_another_size_is_not_taken_over() {
    in_a_space(|space| async move {
        let claim: DynamicObject = yaml(
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data-town-0, annotations: {k8s.local/no-provision: 'true'},
              labels: {app.kubernetes.io/name: nostr-relay, app.kubernetes.io/instance: town, app.kubernetes.io/managed-by: nostr-fleet-operator}},
              spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 5Gi}}}}",
        );
        space.of("PersistentVolumeClaim").create(&PostParams::default(), &claim).await.unwrap();
        let operator = space.operator();
        space.town("{}").await;
        space.until_said(ConditionType::Stalled, "True/ImmutableChange").await;
        assert!(!space.has("StatefulSet", "town").await, "a refusal applies nothing");
        space.of("PersistentVolumeClaim").delete("data-town-0", &DeleteParams::background()).await.unwrap();
        space.until_built().await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone() {
    in_a_space(|space| async move {
        let service: DynamicObject = yaml(
            "{apiVersion: v1, kind: Service, metadata: {name: town}, spec: {ports: [{port: 80}], selector: {app: web}}}",
        );
        space.of("Service").create(&PostParams::default(), &service).await.unwrap();
        let operator = space.operator();
        space.town("{}").await;
        space.until_said(ConditionType::Ready, "False/NameTaken").await;
        let left = space.get("Service", "town").await.unwrap();
        assert_eq!(left.data["spec"]["selector"], json!({"app": "web"}));
        assert!(!space.has("ConfigMap", "town-config").await, "a refusal applies nothing");
        space.of("Service").delete("town", &DeleteParams::background()).await.unwrap();
        space.until_built().await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_removed_and_nothing_else() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let relay = space.town("{}").await;
        space.until_built().await;
        let config_map = |name: &str, ours: bool| -> DynamicObject {
            let labels = if ours {
                json!({names::LABEL_NAME: "nostr-relay", names::LABEL_INSTANCE: "town", names::LABEL_MANAGED_BY: names::MANAGER})
            } else {
                json!({names::LABEL_INSTANCE: "town"})
            };
            let owner = json!([{"apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay", "name": "town", "uid": relay.uid(), "controller": true}]);
            let metadata = json!({"name": name, "labels": labels, "ownerReferences": owner});
            serde_json::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})).unwrap()
        };
        for (name, ours) in [("town-of-an-older-operator", true), ("town-of-a-user", false)] {
            let maps = space.of("ConfigMap");
            maps.create(&PostParams::default(), &config_map(name, ours)).await.unwrap();
        }
        eventually("the leftover is gone", || async { !space.has("ConfigMap", "town-of-an-older-operator").await }).await;
        space.town("network: {policy: None}").await;
        eventually("the policy is gone", || async { !space.has("NetworkPolicy", "town").await }).await;
        space.town("{}").await;
        eventually("the policy is back", || space.has("NetworkPolicy", "town")).await;
        assert!(space.has("ConfigMap", "town-of-a-user").await);
        assert!(space.has("PersistentVolumeClaim", "data-town-0").await);
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_stopped_relay_keeps_its_claim_and_starts_again() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        space.town("operation: Stopped").await;
        space
            .until_said(ConditionType::Ready, "False/Stopped")
            .await;
        eventually("the pod is gone", || async {
            space.get("Pod", "town-0").await.is_none()
        })
        .await;
        space.until_said(ConditionType::Reconciling, "-").await;
        assert!(space.has("PersistentVolumeClaim", "data-town-0").await);
        space.town("operation: Running").await;
        eventually("the pod is back", || space.has("Pod", "town-0")).await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_paused_relay_is_left_alone() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        let pause =
            |value: Value| json!({"metadata": {"annotations": {names::ANNOTATION_PAUSED: value}}});
        space
            .meddle("NostrRelay", "town", &pause(json!("true")))
            .await;
        space
            .until_said(ConditionType::Paused, "True/AnnotationSet")
            .await;
        space
            .meddle("StatefulSet", "town", &json!({"spec": {"replicas": 0}}))
            .await;
        space.visit_again(&operator).await;
        assert_eq!(
            space.get("StatefulSet", "town").await.unwrap().data["spec"]["replicas"],
            0
        );
        space
            .meddle("NostrRelay", "town", &pause(Value::Null))
            .await;
        eventually("the drift is undone", || async {
            space.get("StatefulSet", "town").await.unwrap().data["spec"]["replicas"] == 1
        })
        .await;
        space.until_said(ConditionType::Paused, "-").await;
        operator.stop().await;
    })
    .await;
}

/// Answers every request with this body, as a pod's ops port would.
async fn serve(listener: TcpListener, body: String) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let body = body.clone();
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        });
    }
}

#[tokio::test]
async fn the_status_says_what_the_pods_say() {
    in_a_space(|space| async move {
        let address = format!("127.{}.{}.7", 1 + rand::random::<u8>() % 250, rand::random::<u8>());
        let listener = TcpListener::bind((address.as_str(), relay_config::names::PORT_OPS)).await.unwrap();
        let answer = json!({
            "version": "0.1.0-test", "role": "relay", "uptimeSeconds": 1, "ready": true, "draining": false,
            "connections": 0, "subscriptions": 0, "configuration": {},
            "store": {"usedBytes": 3_u64 << 30, "capacityBytes": 10_u64 << 30, "quarantined": [{"file": "x.log", "lost": [[1, 2]]}]},
        });
        let pod = tokio::spawn(serve(listener, answer.to_string()));
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        space
            .pod_status("town-0", &json!({
                "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
            }))
            .await;
        space.until_said(ConditionType::Ready, "True/Serving").await;
        eventually("the version is known", || async {
            space.status().await.version.as_deref() == Some("0.1.0-test")
        })
        .await;
        let status = space.status().await;
        assert_eq!((status.replicas, status.ready_replicas), (1, 1));
        assert_eq!(status.storage.unwrap().used.as_deref(), Some("3Gi"));
        assert_eq!(space.said(ConditionType::StorageReady).await, "False/Quarantined");
        assert_eq!(space.said(ConditionType::Reconciling).await, "-");
        eventually("the events are there", || async {
            let told = space.events().await;
            ["Serving", "Quarantined"].iter().all(|reason| told.iter().any(|event| event == reason))
        })
        .await;
        pod.abort();
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_spec_that_cannot_be_read_stalls_and_its_neighbour_is_served() {
    in_a_space(|space| async move {
        let operator = space.operator();
        // The pattern lets it in; no clock runs that long.
        space
            .town("limits: {queryTime: 99999999999999999999h}")
            .await;
        let neighbour = rules::object(
            "neighbour",
            "{pod: {nodeSelector: {example.org/nowhere: 'true'}}}",
        );
        let neighbour: DynamicObject = serde_json::from_value(neighbour).unwrap();
        space
            .of("NostrRelay")
            .create(&PostParams::default(), &neighbour)
            .await
            .unwrap();
        eventually("the neighbour is served", || {
            space.has("StatefulSet", "neighbour")
        })
        .await;
        eventually("it stalls", || async {
            let relay = space.get("NostrRelay", "town").await.unwrap();
            let conditions = relay.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            conditions.iter().any(|condition| {
                condition["type"] == "Stalled" && condition["reason"] == "InvalidSpec"
            })
        })
        .await;
        assert!(!space.has("StatefulSet", "town").await);
        space.town("limits: {queryTime: 1s}").await;
        space.until_built().await;
        space.until_said(ConditionType::Stalled, "-").await;
        operator.stop().await;
    })
    .await;
}

/// A client that is cut off after so many writes: what an operator can do before it is killed.
async fn cut_off_after(writes: usize) -> (Client, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let layer = FilterLayer::new(move |request: Request<Body>| {
        let write = request.method() != Method::GET;
        if write && seen.fetch_add(1, Ordering::SeqCst) >= writes {
            return Err::<_, BoxError>("the operator is dead".into());
        }
        Ok(request)
    });
    let builder = ClientBuilder::try_from(config().await).unwrap();
    (builder.with_layer(&layer).build(), count)
}

#[tokio::test]
async fn an_operator_that_is_killed_between_any_two_writes_is_made_good_by_the_next() {
    in_a_space(|space| async move {
        let mut wanted: Option<Vec<Value>> = None;
        for writes in 0..=8 {
            let (client, count) = cut_off_after(writes).await;
            let dying = Space::operator_as(client, space.settings());
            space.town("network: {policy: Managed}").await;
            eventually("it got that far", || async {
                count.load(Ordering::SeqCst) > writes
            })
            .await;
            dying.kill();
            let next = space.operator();
            space.until_built().await;
            space.until_quiet().await;
            next.stop().await;
            let built = spec_of_all(&space).await;
            assert_eq!(
                &built,
                wanted.get_or_insert_with(|| built.clone()),
                "after {writes} writes"
            );
            space
                .of("NostrRelay")
                .delete("town", &DeleteParams::foreground())
                .await
                .unwrap();
            for (kind, name) in CHILDREN {
                eventually(&format!("{kind} {name} is gone"), || async {
                    space.get(kind, name).await.is_none()
                })
                .await;
            }
        }
    })
    .await;
}

/// What was asked for, without what the server adds to each object anew.
async fn spec_of_all(space: &Space) -> Vec<Value> {
    let mut all = Vec::new();
    for (kind, name) in CHILDREN {
        let object = space.get(kind, name).await.unwrap();
        let mut value = object.data.clone();
        for key in ["clusterIP", "clusterIPs"] {
            if let Some(spec) = value["spec"].as_object_mut() {
                spec.remove(key);
            }
        }
        if let Some(object) = value.as_object_mut() {
            object.remove("status");
        }
        all.push(json!({"kind": kind, "labels": object.labels(), "rest": value}));
    }
    all
}

#[tokio::test]
async fn the_operator_needs_no_more_than_its_role_and_never_reads_a_secret() {
    in_a_space(|space| async move {
        let client = space.limited_to(cluster_role()).await;
        let operator = Space::operator_as(client.clone(), space.settings());
        space.town("{}").await;
        space.until_built().await;
        space
            .meddle(
                "Service",
                "town",
                &json!({"spec": {"selector": {"x": "y"}}}),
            )
            .await;
        space.town("network: {policy: None}").await;
        eventually("the policy is gone", || async {
            !space.has("NetworkPolicy", "town").await
        })
        .await;
        eventually("an event is there", || async {
            !space.events().await.is_empty()
        })
        .await;
        assert_eq!(space.said(ConditionType::Stalled).await, "-");
        operator.stop().await;

        let limited = Space {
            client,
            name: space.name.clone(),
        };
        assert!(
            limited
                .of("Secret")
                .list(&ListParams::default())
                .await
                .is_err()
        );
        for rule in cluster_role()["rules"].as_array().unwrap() {
            for word in ["resources", "verbs", "apiGroups"] {
                let words = rule[word].as_array().unwrap();
                assert!(
                    !words.contains(&json!("*")) && !words.contains(&json!("secrets")),
                    "{rule}"
                );
            }
        }
        space.drop_role().await;
    })
    .await;
}

#[tokio::test]
async fn an_operator_without_rights_says_which_one_is_missing() {
    in_a_space(|space| async move {
        let mut role = cluster_role();
        for rule in role["rules"].as_array_mut().unwrap() {
            if rule["resources"] == json!(["networkpolicies"]) {
                rule["verbs"] = json!(["get", "list", "watch"]);
            }
        }
        let operator = Space::operator_as(space.limited_to(role).await, space.settings());
        space.town("{}").await;
        space
            .until_said(ConditionType::Stalled, "True/Forbidden")
            .await;
        let status = space.status().await;
        let message = &status.condition(ConditionType::Stalled).unwrap().message;
        assert!(
            message.contains("cannot patch networkpolicies town"),
            "{message}"
        );
        operator.stop().await;
        space.drop_role().await;
    })
    .await;
}

#[tokio::test]
async fn an_operator_without_any_rights_is_not_ready_and_stops_when_told() {
    in_a_space(|space| async move {
        let mut config = config().await;
        config.auth_info.impersonate = Some("nobody".to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
        let client = Client::try_from(config).unwrap();
        let powerless = Space::operator_as(client, space.settings());
        let operator = space.operator();
        eventually("one with rights works", || async { operator.is_working() }).await;
        assert!(!powerless.is_working());
        let started = Instant::now();
        tokio::join!(powerless.stop(), operator.stop());
        assert!(started.elapsed() < Duration::from_secs(20));
    })
    .await;
}

async fn dry_run(space: &Space, object: &Value) -> Result<DynamicObject, String> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object = serde_json::from_value(object.clone()).unwrap();
    space
        .of("NostrRelay")
        .create(&params, &object)
        .await
        .map_err(|why| why.to_string())
}

#[tokio::test]
async fn the_api_server_refuses_what_the_rules_refuse() {
    in_a_space(|space| async move {
        let relays = space.of("NostrRelay");
        for case in CASES {
            if let Some(before) = case.before {
                let object = serde_json::from_value(rules::object(case.name, before)).unwrap();
                relays
                    .create(&PostParams::default(), &object)
                    .await
                    .unwrap();
                let change = |spec: &str| Patch::Apply(rules::object(case.name, spec));
                let params = PatchParams {
                    dry_run: true,
                    ..PatchParams::apply("user").force()
                };
                for (spec, accepted) in [(case.accepted, true), (case.refused, false)] {
                    // As a replacement, for fields that are taken away.
                    let mut whole = rules::object(case.name, spec);
                    whole["metadata"]["resourceVersion"] =
                        json!(relays.get(case.name).await.unwrap().resource_version());
                    let post = PostParams {
                        dry_run: true,
                        ..PostParams::default()
                    };
                    let replaced = relays
                        .replace(case.name, &post, &serde_json::from_value(whole).unwrap())
                        .await;
                    assert_eq!(replaced.is_ok(), accepted, "{spec}: {replaced:?}");
                    if let Err(why) = replaced {
                        assert!(why.to_string().contains(case.message), "{spec}: {why}");
                    }
                    let _ = relays.patch(case.name, &params, &change(spec)).await;
                }
                relays
                    .delete(case.name, &DeleteParams::default())
                    .await
                    .unwrap();
                continue;
            }
            let accepted = dry_run(&space, &rules::object(case.name, case.accepted)).await;
            assert!(accepted.is_ok(), "{}: {accepted:?}", case.accepted);
            let refused = dry_run(&space, &rules::object(case.name, case.refused)).await;
            assert!(
                refused
                    .as_ref()
                    .is_err_and(|why| why.contains(case.message)),
                "{}: {refused:?}",
                case.refused
            );
        }
        for (message, accepted, refused) in NAMES {
            let accepted = dry_run(&space, &rules::object(accepted, "{}")).await;
            assert!(accepted.is_ok(), "{accepted:?}");
            let refused = dry_run(&space, &rules::object(refused, "{}")).await;
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(message)),
                "{refused:?}"
            );
        }
        for (field, spec) in SCHEMA_REFUSES {
            let refused = dry_run(&space, &rules::object("town", spec)).await;
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(field)),
                "{spec}: {refused:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn samples_are_accepted_and_scaling_past_one_is_not() {
    in_a_space(|space| async move {
        for entry in fs::read_dir(repository("config/samples")).unwrap() {
            let path = entry.unwrap().path();
            let value: Value = yaml(&fs::read_to_string(&path).unwrap());
            if value["kind"] == "NostrRelay" {
                let accepted = dry_run(&space, &value).await;
                assert!(accepted.is_ok(), "{}: {accepted:?}", path.display());
            }
        }
        space.town("{}").await;
        let scale = json!({"spec": {"replicas": 2}});
        let scaled = space
            .of("NostrRelay")
            .patch_scale("town", &PatchParams::default(), &Patch::Merge(&scale))
            .await;
        let why = scaled.unwrap_err().to_string();
        assert!(why.contains("replicas must be 1"), "{why}");
    })
    .await;
}
