//! Lists on a real API server: what a rotation writes, what is said about bad sources, and that they heal by themselves.

use crate::{
    broken::{Fault, broken_client, is_watch},
    server::{eventually, in_a_space},
    space::Space,
};
use http::Request;
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    client::Body,
};
use nostr_fleet_operator::{
    api::status::{AllowlistStatus, ConditionType},
    names,
};
use relay_config::{Config, Lists, lists::SHARDS, names as pod};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

const ANNA: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const BEN: &str = "7bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const RESIDENTS: &str =
    "{access: {write: {mode: Allow, from: [{configMap: {name: residents, key: list}}]}}}";

impl Space {
    pub async fn source(&self, name: &str, labels: &Value, text: &str) {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels}, "data": {"list": text},
        });
        let force = PatchParams::apply("user").force();
        let maps = self.of("ConfigMap");
        maps.patch(name, &force, &Patch::Apply(&map)).await.unwrap();
    }

    async fn text(&self, map: &str, key: &str) -> Option<String> {
        let map = self.get("ConfigMap", map).await?;
        map.data["data"][key].as_str().map(str::to_owned)
    }

    /// What a pod that starts now would find: `None` if it is not whole.
    async fn lists_of(&self, relay: &str) -> Option<Lists> {
        let text = self.text(&names::config(relay), pod::CONFIG_FILE).await?;
        let hot = Config::read(&text).unwrap().hot;
        if hot.access.generation.is_none() {
            return Some(Lists::inline(&hot).unwrap());
        }
        let mut shards: [Option<String>; SHARDS] = Default::default();
        for (number, place) in shards.iter_mut().enumerate() {
            *place = self
                .text(&names::shard(relay, number), &pod::shard(number))
                .await;
        }
        Lists::whole(&hot, &shards).ok()
    }

    pub async fn until_entries(&self, entries: usize) {
        eventually(&format!("{entries} entries are in force"), || async {
            let lists = self.lists_of("town").await;
            lists.is_some_and(|lists| lists.entries().len() == entries)
        })
        .await;
    }

    async fn allowlist(&self) -> AllowlistStatus {
        self.status().await.allowlist.unwrap_or_default()
    }

    async fn versions_here(&self) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        for kind in [
            "ConfigMap",
            "StatefulSet",
            "Service",
            "ServiceAccount",
            "NetworkPolicy",
            "PodDisruptionBudget",
        ] {
            for object in self.of(kind).list(&ListParams::default()).await.unwrap() {
                let version = object.resource_version().unwrap();
                versions.insert(format!("{kind} {}", object.name_any()), version);
            }
        }
        versions
    }
}

/// Waits until the controllers of Kubernetes have said what they say of a new relay: it may take them longer than the operator.
async fn until_settled(space: &Space) {
    eventually("the pod is counted", || async {
        let status = |kind| async move { space.get(kind, "town").await.unwrap().data };
        let set = &status("StatefulSet").await["status"];
        let budget = &status("PodDisruptionBudget").await["status"];
        set["replicas"] == 1 && set["observedGeneration"] == 1 && budget["expectedPods"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_changed_source_rewrites_shards_and_configuration_and_nothing_else() {
    in_a_space(|space| async move {
        let operator = space.operator();
        space.source("residents", &json!({}), ANNA).await;
        space.town(RESIDENTS).await;
        space.until_built().await;
        space.until_entries(1).await;
        until_settled(&space).await;
        space.until_quiet().await;
        let (before, status) = (space.versions_here().await, space.allowlist().await);
        assert_eq!(
            (status.entries, status.sources, status.applied.as_str()),
            (1, 1, "0/1")
        );

        space
            .source("residents", &json!({}), &format!("{ANNA}\n{BEN}"))
            .await;
        space.until_entries(2).await;
        space.until_quiet().await;
        let after = space.versions_here().await;
        let changed: Vec<&str> = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version))
            .map(|(name, _)| name.as_str())
            .collect();
        let mut wanted: Vec<String> = (0..SHARDS)
            .map(|number| format!("ConfigMap {}", names::shard("town", number)))
            .collect();
        wanted.extend(["ConfigMap town-config", "ConfigMap residents"].map(str::to_owned));
        wanted.sort();
        assert_eq!(changed, wanted);
        let lists = space.lists_of("town").await.unwrap();
        eventually("the status names it", || async {
            space.allowlist().await.hash == lists.generation()
        })
        .await;
        assert!(
            space
                .events()
                .await
                .contains(&"RotatedAllowlist".to_owned())
        );

        // Nothing is written when nothing changed, and what somebody changes is changed back.
        let before = space.versions_here().await;
        space.visit_again(&operator).await;
        assert_eq!(space.versions_here().await, before);
        let meddled = json!({"data": {"allowlist-03": "hacked"}});
        space
            .meddle("ConfigMap", "town-allowlist-03", &meddled)
            .await;
        space.until_entries(2).await;

        // Open again: no shard stays.
        space.town("{}").await;
        eventually("the shards are gone", || async {
            !space.has("ConfigMap", "town-allowlist-00").await
                && !space.has("ConfigMap", "town-allowlist-07").await
        })
        .await;
        assert!(space.has("ConfigMap", "residents").await);
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_bad_an_emptied_and_a_deleted_source_keep_the_last_good_list_and_heal() {
    in_a_space(|space| async move {
        let operator = space.operator();
        // Not there yet: nobody is served.
        space.town(RESIDENTS).await;
        space
            .until_said(ConditionType::Stalled, "True/MissingReference")
            .await;
        space
            .until_said(ConditionType::ConfigurationValid, "False/MissingReference")
            .await;
        assert_eq!(space.lists_of("town").await, None);
        let status = space.status().await;
        let message = &status
            .condition(ConditionType::ConfigurationValid)
            .unwrap()
            .message;
        assert!(
            message.starts_with("ConfigMap residents, which spec.access.write.from names"),
            "{message}"
        );

        // It appears, and nobody has to touch the resource.
        space.source("residents", &json!({}), ANNA).await;
        space
            .until_said(ConditionType::ConfigurationValid, "True/Valid")
            .await;
        space.until_said(ConditionType::Stalled, "-").await;
        let good = space.lists_of("town").await;
        assert_eq!(good.as_ref().map(|lists| lists.entries().len()), Some(1));

        space
            .source("residents", &json!({}), &format!("{BEN}\nme"))
            .await;
        space
            .until_said(ConditionType::ConfigurationValid, "False/BadKey")
            .await;
        space
            .until_said(ConditionType::Degraded, "True/ListRejected")
            .await;
        let status = space.status().await;
        let message = &status
            .condition(ConditionType::ConfigurationValid)
            .unwrap()
            .message;
        assert!(
            message.contains("ConfigMap residents, key list, line 2"),
            "{message}"
        );
        assert_eq!(space.lists_of("town").await, good);

        space.source("residents", &json!({}), "# nobody").await;
        eventually("the empty list is named", || async {
            let status = space.status().await;
            let condition = status.condition(ConditionType::ConfigurationValid);
            condition.is_some_and(|it| it.message.contains("would allow nobody"))
        })
        .await;
        assert_eq!(space.lists_of("town").await, good);

        // Another operator, which remembers nothing, and a change of something else.
        operator.kill();
        let operator = space.operator();
        space
            .of("ConfigMap")
            .delete("residents", &kube::api::DeleteParams::default())
            .await
            .unwrap();
        space
            .until_said(ConditionType::ConfigurationValid, "False/MissingReference")
            .await;
        let mut spec: Value = serde_yaml::from_str(RESIDENTS).unwrap();
        spec["limits"] = json!({"filters": 7});
        space.town(&spec.to_string()).await;
        eventually("the rest of the spec goes on", || async {
            let text = space.text("town-config", pod::CONFIG_FILE).await;
            text.is_some_and(|text| text.contains("filters: 7"))
        })
        .await;
        assert_eq!(space.lists_of("town").await, good);

        space.source("residents", &json!({}), BEN).await;
        space
            .until_said(ConditionType::Degraded, "False/AsSpecified")
            .await;
        let healed = space.lists_of("town").await.unwrap();
        assert_eq!(healed.entries()[0].key.to_string(), BEN);
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_network_that_opens_together_with_a_list_that_is_missing_opens_when_the_list_is_there() {
    const OPENED: &str = "{network: {ingressFrom: [{ipBlock: {cidr: 0.0.0.0/0}}]}, access: {write: {mode: Allow, from: [{configMap: {name: residents, key: list}}]}}}";
    in_a_space(|space| async move {
        let operator = space.operator();
        space.town("{}").await;
        space.until_built().await;
        let ingress = || async {
            let policy = space.get("NetworkPolicy", "town").await.unwrap();
            policy.data["spec"]["ingress"].clone()
        };
        let before = ingress().await;
        for spec in [
            OPENED,
            "{network: {policy: None}, access: {banned: {from: [{configMap: {name: residents}}]}}}",
        ] {
            space.town(spec).await;
            space
                .until_said(ConditionType::ConfigurationValid, "False/MissingReference")
                .await;
            space.until_quiet().await;
            assert_eq!(ingress().await, before, "{spec}");
        }
        space.town(OPENED).await;
        space.source("residents", &json!({}), ANNA).await;
        eventually("the network is open", || async {
            ingress().await.to_string().contains("0.0.0.0/0")
        })
        .await;
        assert_eq!(space.lists_of("town").await.unwrap().entries().len(), 1);
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn labels_select_and_a_map_that_loses_its_label_leaves_the_lists() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let guests = json!({"town/list": "guests"});
        space.source("anna", &guests, ANNA).await;
        space.source("ben", &guests, BEN).await;
        space.source("other", &json!({"town/list": "others"}), "me").await;
        let spec = "{access: {write: {mode: Allow, from: [{selector: {matchLabels: {town/list: guests}}}]}}}";
        space.town(spec).await;
        // Another relay of the namespace shares them.
        let city = json!({
            "apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay", "metadata": {"name": "city"},
            "spec": {"access": {"banned": {"from": [{"configMap": {"name": "anna"}}]}}, "pod": {"nodeSelector": {"example.org/nowhere": "true"}}},
        });
        let force = PatchParams::apply("user").force();
        space.of("NostrRelay").patch("city", &force, &Patch::Apply(&city)).await.unwrap();
        space.until_entries(2).await;
        let entries = |relay: &'static str| {
            let space = space.clone();
            async move { space.lists_of(relay).await.map(|lists| lists.entries().len()) }
        };
        eventually("the other has its ban", || async { entries("city").await == Some(1) }).await;

        space.meddle("ConfigMap", "ben", &json!({"metadata": {"labels": {"town/list": null}}})).await;
        space.until_entries(1).await;
        // A ban is lifted by emptying; the same map empty leaves nobody to allow, and that is not done.
        space.source("anna", &guests, "").await;
        eventually("the ban is lifted", || async { entries("city").await == Some(0) }).await;
        space.until_said(ConditionType::ConfigurationValid, "False/BadKey").await;
        assert_eq!(entries("town").await, Some(1));
        operator.stop().await;
    })
    .await;
}

/// Is it the watch of the ConfigMaps that users write?
fn is_watch_of_lists(request: &Request<Body>) -> bool {
    let (path, query) = (request.uri().path(), request.uri().query());
    let others = ["!%3D", "%21%3D", "!="];
    is_watch(request)
        && path.ends_with("/configmaps")
        && query.is_some_and(|query| others.iter().any(|not| query.contains(not)))
}

#[tokio::test]
async fn a_selected_map_that_goes_while_only_its_watch_is_broken_leaves_the_lists() {
    in_a_space(|space| async move {
        let (cut, cuts) = watch::channel(0);
        let (away, old) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_away, is_old) = (away.clone(), old.clone());
        let client = broken_client(move |request| {
            if !is_watch_of_lists(request) {
                Fault::None
            } else if is_away.load(Ordering::SeqCst) {
                Fault::Dropped
            } else if is_old.swap(false, Ordering::SeqCst) {
                Fault::Gone
            } else {
                Fault::WatchCut(cuts.clone())
            }
        });
        let operator = Space::operator_as(client.await, space.settings());
        let guests = json!({"town/list": "guests"});
        space.source("anna", &guests, ANNA).await;
        space.source("ben", &guests, BEN).await;
        space.town("{access: {write: {mode: Allow, from: [{selector: {matchLabels: {town/list: guests}}}]}}}").await;
        space.until_built().await;
        space.until_entries(2).await;
        space.until_at_rest(&operator).await;

        away.store(true, Ordering::SeqCst);
        cut.send_replace(1);
        let maps = space.of("ConfigMap");
        maps.delete("ben", &DeleteParams::default()).await.unwrap();
        let before = operator.visits();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(operator.visits(), before, "nobody has told it");
        // What it missed is compacted away: it lists anew, and a list does not tell what went.
        old.store(true, Ordering::SeqCst);
        away.store(false, Ordering::SeqCst);
        space.until_entries(1).await;
        assert!(!old.load(Ordering::SeqCst));
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_keys_from_three_config_maps() {
    in_a_space(|space| async move {
        let operator = space.operator();
        let part = |part: u32, last: u32| {
            // Spread over all shards.
            let key = |n: u32| {
                format!(
                    "{:064x}",
                    u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                )
                .chars()
                .rev()
                .collect::<String>()
            };
            let lines: Vec<String> = (part * 15_000..last).map(key).collect();
            lines.join("\n")
        };
        // What people write may not exceed a ConfigMap either: seven of 15,000 lines.
        for number in 0..7 {
            let last = ((number + 1) * 15_000).min(100_000);
            let text = part(number, last);
            space
                .source(&format!("part-{number}"), &json!({"list": "big"}), &text)
                .await;
        }
        let started = Instant::now();
        space
            .town(
                "{access: {write: {mode: Allow, from: [{selector: {matchLabels: {list: big}}}]}}}",
            )
            .await;
        space.until_entries(100_000).await;
        println!(
            "100,000 keys written and whole after {:?}",
            started.elapsed()
        );
        let started = Instant::now();
        space
            .source("part-6", &json!({"list": "big"}), &part(6, 99_999))
            .await;
        space.until_entries(99_999).await;
        println!("one of them taken out after {:?}", started.elapsed());
        eventually("the status counts them", || async {
            space.allowlist().await.entries == 99_999
        })
        .await;
        operator.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_namesake_in_another_namespace_is_never_read() {
    in_a_space(|space| async move {
        let elsewhere = Space {
            name: "default".to_owned(),
            ..space.clone()
        };
        let name = format!("residents-{}", space.name);
        elsewhere.source(&name, &json!({}), ANNA).await;
        let operator = space.operator();
        space
            .town(&format!(
                "{{access: {{write: {{mode: Allow, from: [{{configMap: {{name: {name}}}}}]}}}}}}"
            ))
            .await;
        space
            .until_said(ConditionType::Stalled, "True/MissingReference")
            .await;
        assert_eq!(space.lists_of("town").await, None);
        operator.stop().await;
        let maps = elsewhere.of("ConfigMap");
        maps.delete(&name, &kube::api::DeleteParams::default())
            .await
            .unwrap();
    })
    .await;
}
