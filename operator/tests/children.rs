//! What a spec becomes: one reviewable snapshot of all children per scenario, and what must hold for every spec.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod common;

use common::{children, plan, settings, to_yaml, town, yaml};
use k8s_openapi::{
    api::networking::v1::NetworkPolicyPeer, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use nostr_fleet_operator::{
    api::status::Reason,
    build::{self, Children, Door, House, config_text, public_peers},
    names,
    reconcile::{
        gather::Gathered,
        inventory::Found,
        validate::{Refusal, validate},
    },
    settings::Settings,
};
use proptest::prelude::*;
use relay_config::Config;
use serde_json::{Value, json};

/// All children as one YAML stream, in the order in which they are written.
fn stream(children: &Children) -> String {
    let texts: Vec<String> = all(children).iter().map(to_yaml).collect();
    format!("---\n{}", texts.join("---\n"))
}

fn all(children: &Children) -> Vec<Value> {
    let Children { door, house } = children;
    let Door {
        shards,
        untouched: _,
        config,
    } = door;
    let House {
        service_account,
        service,
        headless,
        policy,
        disruption,
        stateful_set,
    } = house;
    let value = |object: Result<Value, serde_json::Error>| object.unwrap();
    let mut all: Vec<Value> = shards
        .iter()
        .map(|map| value(serde_json::to_value(map)))
        .collect();
    all.extend([
        value(serde_json::to_value(config)),
        value(serde_json::to_value(service_account)),
        value(serde_json::to_value(service)),
        value(serde_json::to_value(headless)),
    ]);
    all.extend(
        policy
            .iter()
            .map(|policy| value(serde_json::to_value(policy))),
    );
    all.push(value(serde_json::to_value(disruption)));
    all.push(value(serde_json::to_value(stateful_set)));
    all
}

fn snapshot(name: &str, spec: &str) {
    snapshot_with(name, spec, &settings());
}

fn snapshot_with(name: &str, spec: &str, settings: &Settings) {
    let text = stream(&children(spec, settings));
    insta::with_settings!({description => spec, omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn an_empty_spec() {
    snapshot("an_empty_spec", "{}");
}

#[test]
fn a_stopped_relay() {
    snapshot("a_stopped_relay", "operation: Stopped");
}

#[test]
fn a_relay_with_a_public_url_and_texts() {
    snapshot(
        "a_public_url_and_texts",
        "{url: 'wss://relay.town.example', info: {name: Town, contact: 'mailto:a@town.example'}}",
    );
}

#[test]
fn a_relay_whose_claims_go_with_it() {
    snapshot(
        "claims_go_with_it",
        "{deletionPolicy: Delete, storage: {size: 1Gi, storageClassName: fast, eraseWithin: 1h}}",
    );
}

#[test]
fn a_relay_behind_a_load_balancer() {
    snapshot(
        "a_load_balancer",
        "{service: {type: LoadBalancer, annotations: {a.example/b: c}, loadBalancerSourceRanges: [203.0.113.0/24]}}",
    );
}

#[test]
fn a_relay_on_node_ports_without_a_policy() {
    snapshot(
        "node_ports_without_policy",
        "{service: {type: NodePort}, network: {policy: None}}",
    );
}

#[test]
fn a_relay_that_names_who_may_reach_it() {
    snapshot(
        "names_who_may_reach_it",
        "{network: {ingressFrom: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}, {podSelector: {matchLabels: {a: b}}}]}}",
    );
}

#[test]
fn an_operator_that_lets_in_a_cidr_a_namespace_and_monitoring() {
    let settings = Settings {
        ingress_from: vec![
            "10.250.0.254".parse().unwrap(),
            "ingress-nginx".parse().unwrap(),
        ],
        monitoring_namespace: Some("monitoring".to_owned()),
        namespace: "elsewhere".to_owned(),
        ..settings()
    };
    snapshot_with("operator_defaults", "{}", &settings);
}

#[test]
fn a_relay_with_limits_and_logging() {
    snapshot(
        "limits_and_logging",
        "{limits: {filters: 5, queryTime: 2s, minPow: 12}, logging: {level: debug, format: text}}",
    );
}

#[test]
fn a_relay_with_resources() {
    snapshot(
        "resources",
        "{resources: {requests: {cpu: 2, memory: 2Gi}, limits: {memory: 4Gi, cpu: '4'}}}",
    );
}

#[test]
fn a_relay_that_is_placed() {
    snapshot(
        "placed",
        "{pod: {labels: {team: a}, annotations: {x: y}, nodeSelector: {disk: ssd}, tolerations: [{key: k, operator: Exists}],
          topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}],
          affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}},
          priorityClassName: high, imagePullSecrets: [{name: pull}], terminationGracePeriodSeconds: 3600}, image: example.org/own:2}",
    );
}

#[test]
fn a_relay_that_stops_in_a_hurry() {
    snapshot(
        "stops_in_a_hurry",
        "{pod: {terminationGracePeriodSeconds: 10}}",
    );
}

#[test]
fn a_hot_change_leaves_the_pods_alone_and_a_cold_one_does_not() {
    let template = |spec| {
        to_yaml(
            &children(spec, &settings())
                .house
                .stateful_set
                .spec
                .unwrap()
                .template,
        )
    };
    for hot in [
        "url: wss://a.example",
        "limits: {filters: 3}",
        "info: {name: a}",
        "logging: {level: warn}",
        "storage: {eraseWithin: 2h}",
        "operation: Stopped",
        "deletionPolicy: Delete",
        "service: {type: NodePort}",
        "network: {policy: None}",
    ] {
        assert_eq!(template("{}"), template(hot), "{hot}");
    }
    for cold in [
        "logging: {format: text}",
        "pod: {terminationGracePeriodSeconds: 90}",
        "image: b",
        "resources: {limits: {memory: 2Gi}}",
        "pod: {labels: {a: b}}",
    ] {
        assert_ne!(template("{}"), template(cold), "{cold}");
    }
}

#[test]
fn memory_is_asked_for_as_much_as_it_is_limited_unless_both_are_said() {
    for (spec, request, limit) in [
        ("{}", "1Gi", "1Gi"),
        ("resources: {limits: {memory: 3Gi}}", "3Gi", "3Gi"),
        ("resources: {requests: {memory: 2Gi}}", "2Gi", "2Gi"),
        (
            "resources: {requests: {memory: 1Gi}, limits: {memory: 4Gi}}",
            "1Gi",
            "4Gi",
        ),
    ] {
        let resources = plan(spec, &settings()).resources;
        assert_eq!(resources.requests.unwrap()["memory"].0, request, "{spec}");
        assert_eq!(resources.limits.unwrap()["memory"].0, limit, "{spec}");
    }
}

fn refusal(spec: &str, gathered: &Gathered) -> Refusal {
    match validate(&town(spec), gathered, &settings()) {
        Ok(_) => panic!("{spec} was accepted"),
        Err(refusal) => refusal,
    }
}

/// What the rules of the definition keep out is refused here too: an older definition may be installed.
#[test]
fn what_an_older_definition_lets_in_is_refused() {
    for (spec, reason, words) in [
        ("replicas: 2", Reason::InvalidSpec, "spec.replicas is 2"),
        ("url: 'https://x'", Reason::InvalidSpec, "spec.url"),
    ] {
        let refusal = refusal(spec, &Gathered::default());
        assert_eq!(refusal.reason, reason, "{spec}");
        assert!(refusal.message.contains(words), "{}", refusal.message);
    }
    let mut long = town("{}");
    long.metadata.name = Some("a".repeat(41));
    let refused = validate(&long, &Gathered::default(), &settings()).unwrap_err();
    assert!(
        refused.message.contains("40 characters"),
        "{}",
        refused.message
    );
}

/// Both pass the pattern of the definition; the second has another last character than its checksum wants.
#[test]
fn an_administrator_s_key_with_a_wrong_checksum_is_refused_before_a_pod_sees_it() {
    let spec = |last: char| {
        format!(
            "info: {{pubkey: npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjpt{last}}}"
        )
    };
    assert!(validate(&town(&spec('g')), &Gathered::default(), &settings()).is_ok());
    let refused = refusal(&spec('q'), &Gathered::default());
    assert_eq!(refused.reason, Reason::InvalidSpec);
    assert!(
        refused
            .message
            .starts_with("spec.info.pubkey: not a public key"),
        "{}",
        refused.message
    );
}

#[test]
fn who_could_reach_a_relay_before_is_all_who_can_while_its_lists_are_held_back() {
    let peers: Vec<NetworkPolicyPeer> = yaml("[{ipBlock: {cidr: 192.0.2.0/24}}]");
    let wide = "{network: {ingressFrom: [{ipBlock: {cidr: 0.0.0.0/0}}]}}";
    for (kept, spec) in [
        (peers, wide),
        (Vec::new(), wide),
        (Vec::new(), "{network: {policy: None}}"),
    ] {
        let gathered = Gathered {
            reachable: Some(kept.clone()),
            ..Gathered::default()
        };
        let plan = validate(&town(spec), &gathered, &settings()).unwrap();
        let policy = build::children(&plan).house.policy.unwrap();
        assert_eq!(public_peers(&policy), kept, "{spec}");
        let ingress = policy.spec.unwrap().ingress.unwrap();
        assert_eq!(ingress.len(), 1 + usize::from(!kept.is_empty()), "{spec}");
    }
}

#[test]
fn a_claim_that_was_enlarged_under_a_running_relay_stops_nothing() {
    let town = town("{}");
    let running = |size: &str| Gathered {
        claims: vec![yaml(&format!(
            "{{metadata: {{name: data-town-0}}, spec: {{resources: {{requests: {{storage: {size}}}}}}}}}"
        ))],
        found: vec![Found {
            kind: "StatefulSet".to_owned(),
            name: "town".to_owned(),
            controller: town.metadata.uid.clone(),
            labelled: true,
            version: String::new(),
        }],
        ..Gathered::default()
    };
    for (size, fits) in [("20Gi", true), ("5Gi", false)] {
        let result = validate(&town, &running(size), &settings());
        assert_eq!(result.is_ok(), fits, "{size}");
    }
}

#[test]
fn a_claim_that_was_enlarged_does_not_keep_a_deleted_stateful_set_from_coming_back() {
    let mut town = town("{}");
    let made: ObjectMeta = yaml("{creationTimestamp: '2026-03-01T12:00:00Z'}");
    town.metadata.creation_timestamp = made.creation_timestamp;
    for (made, fits) in [
        ("2026-03-01T12:00:01Z", true),
        ("2026-02-01T00:00:00Z", false),
    ] {
        let claim = format!(
            "{{metadata: {{name: data-town-0, creationTimestamp: '{made}'}}, spec: {{resources: {{requests: {{storage: 20Gi}}}}}}}}"
        );
        let gathered = Gathered {
            claims: vec![yaml(&claim)],
            ..Gathered::default()
        };
        let result = validate(&town, &gathered, &settings());
        assert_eq!(result.is_ok(), fits, "{made}");
    }
}

#[test]
fn a_claim_left_behind_must_have_the_size_that_is_asked_for() {
    let with_claim = |name: &str, size: &str| Gathered {
        claims: vec![yaml(&format!(
            "{{metadata: {{name: {name}}}, spec: {{resources: {{requests: {{storage: {size}}}}}}}}}"
        ))],
        ..Gathered::default()
    };
    for (size, fits) in [
        ("10Gi", true),
        ("10240Mi", true),
        ("5Gi", false),
        ("20Gi", false),
        ("odd", true),
    ] {
        let result = validate(&town("{}"), &with_claim("data-town-0", size), &settings());
        assert_eq!(result.is_ok(), fits, "{size}");
    }
    let other = validate(&town("{}"), &with_claim("backup-town", "5Gi"), &settings());
    assert!(other.is_ok(), "only claims of the StatefulSet count");
    let refused = refusal("{}", &with_claim("data-town-0", "5Gi"));
    assert_eq!(refused.reason, Reason::ImmutableChange);
    assert!(
        refused.message.contains("claim data-town-0 has 5Gi"),
        "{}",
        refused.message
    );
}

#[test]
fn an_object_of_somebody_else_is_not_taken_over() {
    let found = |labelled, controller: Option<&str>| Gathered {
        found: vec![Found {
            kind: "Service".to_owned(),
            name: "town".to_owned(),
            version: "1".to_owned(),
            labelled,
            controller: controller.map(str::to_owned),
        }],
        ..Gathered::default()
    };
    let ours = "00000000-0000-0000-0000-000000000001";
    for (labelled, controller, free) in [
        (true, Some(ours), true),
        (false, Some(ours), true), // the labels drifted
        (true, None, true),        // left behind by a deletion that orphaned it
        (false, None, false),
        (false, Some("other"), false),
        (true, Some("other"), false), // a deleted resource of the name, not collected yet
    ] {
        let result = validate(&town("{}"), &found(labelled, controller), &settings());
        assert_eq!(result.is_ok(), free, "{labelled} {controller:?}");
    }
    let refused = refusal("{}", &found(false, None));
    assert_eq!(refused.reason, Reason::NameTaken);
    assert!(
        refused.message.starts_with("Service town exists"),
        "{}",
        refused.message
    );
}

fn texts() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,10}", "[a-zA-Z0-9]{1,20}", 0..4).prop_map(|map| json!(map))
}

/// Any spec that the API server would take, as far as children depend on it.
fn specs() -> impl Strategy<Value = Value> {
    let network = prop_oneof![
        Just(json!({})),
        Just(json!({"policy": "None"})),
        Just(json!({"ingressFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})),
        Just(
            json!({"ingressFrom": [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"a": "b"}}}]})
        ),
    ];
    let service = prop_oneof![
        Just(json!({})),
        Just(json!({"type": "NodePort"})),
        Just(json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"]})),
    ];
    let operation = prop_oneof![Just("Running"), Just("Stopped")];
    let url = prop_oneof![
        Just(Value::Null),
        Just(json!("wss://a.example/x")),
        Just(json!("ws://[::1]:1"))
    ];
    (
        (network, service, operation, url),
        (texts(), texts(), texts(), 10_i64..=3600),
        (256_u32..5000, 1_u64..=10_000, any::<bool>(), 600_u64..100_000),
    )
        .prop_map(|((network, service, operation, url), (labels, annotations, nodes, stop), (size, subscriptions, delete, erase))| {
            json!({
                "network": network, "service": service, "operation": operation, "url": url,
                "pod": {"labels": labels, "annotations": annotations, "nodeSelector": nodes, "terminationGracePeriodSeconds": stop},
                "storage": {"size": format!("{size}Mi"), "eraseWithin": format!("{erase}s")},
                "limits": {"subscriptions": subscriptions},
                "deletionPolicy": if delete { "Delete" } else { "Retain" },
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn children_of_any_spec_keep_our_promises(spec in specs(), name in "[a-z][a-z0-9-]{0,38}[a-z0-9]") {
        let mut relay = town(&spec.to_string());
        relay.metadata.name = Some(name.clone());
        let plan = validate(&relay, &Gathered::default(), &settings()).unwrap();
        let children = nostr_fleet_operator::build::children(&plan);

        for child in all(&children) {
            let child_name = child["metadata"]["name"].as_str().unwrap();
            // Pods add -0, revisions a dash and ten characters.
            prop_assert!(child_name.len() + 11 <= 63, "{child_name}");
            prop_assert_eq!(&child["metadata"]["namespace"], "here");
            let owner = &child["metadata"]["ownerReferences"][0];
            prop_assert_eq!(&owner["uid"], "00000000-0000-0000-0000-000000000001");
            prop_assert_eq!(&owner["controller"], true);
            prop_assert_eq!(&owner["blockOwnerDeletion"], true);
            prop_assert_eq!(&child["metadata"]["labels"][names::LABEL_MANAGED_BY], names::MANAGER);
            prop_assert_ne!(&child["kind"], "Secret");
        }

        let config = Config::read(&config_text(&plan)).unwrap();
        prop_assert_eq!(&config, &plan.config);

        let set = children.house.stateful_set.spec.unwrap();
        let selector = set.selector.match_labels.unwrap();
        prop_assert_eq!(selector.keys().collect::<Vec<_>>(), [names::LABEL_INSTANCE, names::LABEL_NAME]);
        let template = set.template.metadata.unwrap().labels.unwrap();
        prop_assert!(selector.iter().all(|(key, value)| template.get(key) == Some(value)));
        let claim = &set.volume_claim_templates.unwrap()[0];
        prop_assert!(claim.metadata.owner_references.is_none());

        let pod = set.template.spec.unwrap();
        prop_assert_eq!(pod.automount_service_account_token, Some(false));
        let security = pod.security_context.unwrap();
        prop_assert_eq!(security.run_as_non_root, Some(true));
        prop_assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        let container = &pod.containers[0];
        prop_assert!(container.env.is_none());
        let inner = container.security_context.as_ref().unwrap();
        prop_assert_eq!(inner.allow_privilege_escalation, Some(false));
        prop_assert_eq!(inner.read_only_root_filesystem, Some(true));
        prop_assert_eq!(inner.capabilities.as_ref().unwrap().drop.as_deref(), Some(&["ALL".to_owned()][..]));

        let stop = pod.termination_grace_period_seconds.unwrap();
        let grace = plan.config.cold.grace.get().as_secs().cast_signed();
        prop_assert!(grace >= 1 && grace + names::PRE_STOP_SECONDS < stop, "{grace} {stop}");

        for rule in children.house.policy.iter().flat_map(|policy| policy.spec.as_ref().unwrap().ingress.iter().flatten()) {
            prop_assert!(!rule.from.as_ref().unwrap().is_empty(), "an empty from means everyone");
            prop_assert!(!rule.ports.as_ref().unwrap().is_empty());
        }
    }
}
