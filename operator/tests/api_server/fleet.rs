//! Many relays in one namespace, r00, r01 …: each meets another misfortune, all at the same time.

use crate::{
    common::yaml,
    server::{PATIENCE, eventually_every},
    space::Space,
};
use http::Request;
use kube::{
    ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    client::Body,
};
use nostr_fleet_operator::names;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Between two looks at a whole fleet, which cost the API server as much as some visits.
pub const PAUSE: Duration = Duration::from_millis(500);

/// The kinds of what a relay has, and of itself.
const KINDS: [&str; 7] = [
    "ServiceAccount",
    "ConfigMap",
    "Service",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "StatefulSet",
    "NostrRelay",
];

/// The name of a relay.
pub fn relay(number: usize) -> String {
    format!("r{number:02}")
}

/// Which relay a request is about, where its address says so. Events do not.
pub fn about(request: &Request<Body>) -> Option<usize> {
    let address = request.uri().to_string();
    let spots = address.match_indices(['/', '=']);
    let encoded = address.match_indices("%3D");
    spots
        .chain(encoded)
        .find_map(|(at, sign)| number(&address[at + sign.len()..]))
}

fn number(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('r')?;
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// A relay for whom its own list names, which is found by its name and by its label.
pub const LISTED: &str = "access: {read: {mode: Allow, from: [{configMap: {name: NAME-list}}]}, \
     write: {mode: Allow, from: [{selector: {matchLabels: {list: NAME}}}]}}";

impl Space {
    /// Applies a list for each of so many relays.
    pub async fn lists(&self, count: usize, text: &str) {
        let force = PatchParams::apply("user").force();
        for relay in (0..count).map(relay) {
            let name = format!("{relay}-list");
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "labels": {"list": relay}}, "data": {"list": text},
            });
            let maps = self.of("ConfigMap");
            maps.patch(&name, &force, &Patch::Apply(&map))
                .await
                .unwrap();
        }
    }

    /// Applies so many relays whose pods find no node. `NAME` in the spec is the name of each.
    pub async fn fleet(&self, count: usize, spec: &str) {
        let force = PatchParams::apply("user").force();
        for name in (0..count).map(relay) {
            let mut spec: Value = yaml(&spec.replace("NAME", &name));
            spec["pod"]["nodeSelector"]["example.org/nowhere"] = json!("true");
            let object = json!({
                "apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay",
                "metadata": {"name": name}, "spec": spec,
            });
            let relays = self.of("NostrRelay");
            relays
                .patch(&name, &force, &Patch::Apply(&object))
                .await
                .unwrap();
        }
    }

    /// All objects of these kinds, by relay.
    async fn listed(&self, kinds: &[&str]) -> BTreeMap<String, Vec<(String, DynamicObject)>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for kind in kinds {
            let list = self.of(kind).list(&ListParams::default()).await.unwrap();
            for object in list {
                let instance = object.labels().get(names::LABEL_INSTANCE);
                let Some(relay) = instance
                    .cloned()
                    .or((*kind == "NostrRelay").then(|| object.name_any()))
                else {
                    continue;
                };
                all.entry(relay)
                    .or_default()
                    .push(((*kind).to_owned(), object));
            }
        }
        all
    }

    /// What was made for each relay, without what the server adds and without the relay's own name and uid.
    pub async fn made(&self) -> BTreeMap<String, String> {
        let listed = self.listed(&KINDS).await;
        let text = |(name, objects): (String, Vec<(String, DynamicObject)>)| {
            let all: Vec<Value> = objects
                .iter()
                .map(|(kind, object)| asked(kind, object))
                .collect();
            let itself = objects.iter().find(|(kind, _)| kind == "NostrRelay");
            let uid = itself.and_then(|(_, relay)| relay.uid()).unwrap();
            let text = serde_json::to_string_pretty(&all).unwrap();
            let text = text.replace(&name, "NAME").replace(&uid, "UID");
            (name, text)
        };
        listed.into_iter().map(text).collect()
    }

    /// Who must never be replaced: claims and pods, by name with their uid, and how often each StatefulSet was changed.
    pub async fn lasting(&self) -> BTreeMap<String, String> {
        let listed = self
            .listed(&["PersistentVolumeClaim", "Pod", "StatefulSet"])
            .await;
        let of = |(kind, object): &(String, DynamicObject)| {
            let (uid, changes) = (object.uid().unwrap(), object.metadata.generation);
            let what = format!("{uid}, generation {changes:?}");
            (format!("{kind} {}", object.name_any()), what)
        };
        listed.values().flatten().map(of).collect()
    }

    /// The version of every object, status included.
    async fn all_versions(&self) -> BTreeMap<String, String> {
        let listed = self.listed(&KINDS).await;
        let of = |(kind, object): &(String, DynamicObject)| {
            (
                format!("{kind} {}", object.name_any()),
                object.resource_version().unwrap(),
            )
        };
        listed.values().flatten().map(of).collect()
    }

    /// Does no relay say that a visit failed and will be tried again?
    async fn is_calm(&self) -> bool {
        let relays = self.of("NostrRelay").list(&ListParams::default()).await;
        relays.unwrap().iter().all(is_built)
    }

    /// Waits until no object changes for two seconds, and nobody waits for another try.
    pub async fn until_fleet_quiet(&self) -> BTreeMap<String, String> {
        let started = Instant::now();
        let mut before = self.all_versions().await;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = self.all_versions().await;
            if now == before && self.is_calm().await {
                return now;
            }
            assert!(started.elapsed() < PATIENCE, "it never rests");
            before = now;
        }
    }

    /// Waits until the first `count` relays say this of their configuration.
    pub async fn until_fleet_says(&self, count: usize, what: &str) {
        eventually_every(PAUSE, &format!("{count} relays say {what}"), || async {
            let relays = self.of("NostrRelay").list(&ListParams::default()).await;
            let says = |relay: &DynamicObject| {
                let conditions = relay.data["status"]["conditions"].as_array();
                let mut valid = conditions.into_iter().flatten();
                valid.any(|it| it["type"] == "ConfigurationValid" && it["reason"] == what)
            };
            relays.unwrap().iter().take(count).all(says)
        })
        .await;
    }

    /// Waits until each relay's status is about its newest spec, no visit's failure is left, and its pod and claim are there.
    pub async fn until_fleet_built(&self, count: usize) {
        eventually_every(PAUSE, "all relays are built", || async {
            let relays = self
                .of("NostrRelay")
                .list(&ListParams::default())
                .await
                .unwrap();
            let claims = self
                .of("PersistentVolumeClaim")
                .list(&ListParams::default())
                .await
                .unwrap();
            let pods = self.of("Pod").list(&ListParams::default()).await.unwrap();
            let built = relays.iter().filter(|relay| is_built(relay)).count();
            built == count && claims.items.len() == count && pods.items.len() == count
        })
        .await;
    }
}

fn is_built(relay: &DynamicObject) -> bool {
    let status = &relay.data["status"];
    let conditions = status["conditions"].as_array();
    let retrying = conditions
        .into_iter()
        .flatten()
        .any(|it| it["reason"] == "Retrying");
    status["observedGeneration"].as_i64() == relay.metadata.generation && !retrying
}

/// What was asked for: labels and content, without what the server fills in anew for each object.
fn asked(kind: &str, object: &DynamicObject) -> Value {
    let mut data = object.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("status");
    }
    if let Some(spec) = data["spec"].as_object_mut() {
        for key in ["clusterIP", "clusterIPs"] {
            spec.remove(key);
        }
    } else if data["spec"].is_null()
        && let Some(fields) = data.as_object_mut()
    {
        fields.remove("spec");
    }
    let owner = object.owner_references().first().map(|owner| &owner.name);
    json!({"kind": kind, "name": object.name_any(), "labels": object.labels(), "owner": owner, "rest": data})
}
