//! What the installed operator asked of the API server, as the local cluster's audit log has it, and whether its roles allow that.

use crate::{scene::Scene, script::script};
use anyhow::{Context, Result};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    rbac::v1::{ClusterRole, PolicyRule, Role},
};
use kube::{Api, ResourceExt, api::ListParams};
use nostr_fleet_operator::names;
use serde::Deserialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Where the API server says what its authorizer decided. The status says less: admission refuses with 403 too, in a namespace that is being deleted.
const DECISION: &str = "authorization.k8s.io/decision";
/// Where the API server says in which pod a token was used (KEP-1205).
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";

/// One request, in the words of RBAC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    verb: String,
    group: String,
    /// With its subresource, as in `nostrrelays/status`.
    resource: String,
    /// Empty: in all namespaces, or of the cluster.
    namespace: String,
    /// Empty: of no object by name.
    name: String,
    /// Was it refused for want of a right?
    pub forbidden: bool,
}

impl Request {
    /// Was it granted, now or another time? An API server that has just been started refuses all for a moment, until it has read the roles.
    pub fn was_granted(&self, all: &BTreeSet<Self>) -> bool {
        let granted = Self {
            forbidden: false,
            ..self.clone()
        };
        all.contains(&granted)
    }

    /// Its verb and resource: what a rule is about.
    pub fn right(&self) -> String {
        format!("{} {}.{}", self.verb, self.resource, self.group)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.right(), self.namespace, self.name)
    }
}

/// An `audit.k8s.io/v1` Event, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    verb: String,
    user: User,
    object_ref: Option<Object>,
    response_status: Option<Answer>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Object {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Answer {
    code: u16,
}

impl Entry {
    fn is_by(&self, pods_of: &str) -> bool {
        let pods = self.user.extra.get(POD_NAME).into_iter().flatten();
        pods.filter_map(|pod| pod.strip_prefix(pods_of))
            .any(|rest| rest.starts_with('-'))
    }

    /// None of what is about no object: discovery is open to all. An apply that made the object needed the right to create it too.
    fn requests(self) -> Vec<Request> {
        let code = self.response_status.map_or(0, |answer| answer.code);
        let forbidden = self
            .annotations
            .get(DECISION)
            .is_some_and(|it| it == "forbid");
        let Some(object) = self.object_ref else {
            return Vec::new();
        };
        let mut resource = object.resource;
        if !object.subresource.is_empty() {
            resource = format!("{resource}/{}", object.subresource);
        }
        let asked = Request {
            verb: self.verb,
            group: object.api_group,
            resource,
            namespace: object.namespace,
            name: object.name,
            forbidden,
        };
        let made = (asked.verb == "patch" && code == 201).then(|| Request {
            verb: "create".to_owned(),
            ..asked.clone()
        });
        [asked].into_iter().chain(made).collect()
    }
}

/// All that pods of the newest ReplicaSet of the operator asked, each request once.
pub async fn requests(home: &Scene) -> Result<BTreeSet<Request>> {
    let replica_set = newest_replica_set(home).await?;
    let log = script("cluster/audit-log.sh", &[]).await?;
    let mut requests = BTreeSet::new();
    for line in log.lines() {
        let entry: Entry = serde_json::from_str(line).context("a line of the audit log")?;
        if entry.is_by(&replica_set) {
            requests.extend(entry.requests());
        }
    }
    Ok(requests)
}

/// Requests of pods before it may have been made under other rules.
async fn newest_replica_set(home: &Scene) -> Result<String> {
    let sets: Api<ReplicaSet> = Api::namespaced(home.cluster.client.clone(), &home.namespace);
    let its = ListParams::default().labels(&format!("{}={}", names::LABEL_NAME, names::MANAGER));
    let mut sets = sets.list(&its).await?.items;
    sets.retain(|set| set.spec.as_ref().and_then(|spec| spec.replicas) > Some(0));
    sets.sort_by_key(|set| Reverse(set.creation_timestamp()));
    Ok(sets
        .first()
        .context("no ReplicaSet of the operator")?
        .name_any())
}

/// The rules of the roles that the chart installed: of the cluster, and of namespaces.
pub struct Rules {
    cluster: Vec<PolicyRule>,
    namespaced: Vec<(String, PolicyRule)>,
}

impl Rules {
    /// Those whose labels say that they are the operator's.
    pub async fn installed(home: &Scene) -> Result<Self> {
        let client = &home.cluster.client;
        let its =
            ListParams::default().labels(&format!("{}={}", names::LABEL_NAME, names::MANAGER));
        let cluster = Api::<ClusterRole>::all(client.clone()).list(&its).await?;
        // What is aggregated to users is not the operator's.
        let cluster = cluster
            .into_iter()
            .filter(|role| role.name_any() == names::MANAGER);
        let roles = Api::<Role>::all(client.clone()).list(&its).await?;
        let namespaced = roles.into_iter().flat_map(|role| {
            let namespace = role.namespace().unwrap_or_default();
            let rules = role.rules.unwrap_or_default();
            rules.into_iter().map(move |rule| (namespace.clone(), rule))
        });
        Ok(Self {
            cluster: cluster
                .flat_map(|role| role.rules.unwrap_or_default())
                .collect(),
            namespaced: namespaced.collect(),
        })
    }

    /// As RBAC judges: one rule that names it is enough.
    pub fn allow(&self, request: &Request) -> bool {
        let here = self
            .namespaced
            .iter()
            .filter(|(namespace, _)| *namespace == request.namespace);
        let rules = self.cluster.iter().chain(here.map(|(_, rule)| rule));
        rules.into_iter().any(|rule| allows(rule, request))
    }
}

fn allows(rule: &PolicyRule, request: &Request) -> bool {
    let names = |words: &Option<Vec<String>>, word: &String| {
        words.as_ref().is_some_and(|words| words.contains(word))
    };
    let any_object = rule.resource_names.as_ref().is_none_or(Vec::is_empty);
    rule.verbs.contains(&request.verb)
        && names(&rule.api_groups, &request.group)
        && names(&rule.resources, &request.resource)
        && (any_object || names(&rule.resource_names, &request.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(line: &serde_json::Value) -> Vec<Request> {
        serde_json::from_value::<Entry>(line.clone())
            .unwrap()
            .requests()
    }

    fn rules(cluster: &serde_json::Value, town: &serde_json::Value) -> Rules {
        let town: Vec<PolicyRule> = serde_json::from_value(town.clone()).unwrap();
        Rules {
            cluster: serde_json::from_value(cluster.clone()).unwrap(),
            namespaced: town
                .into_iter()
                .map(|rule| ("town".to_owned(), rule))
                .collect(),
        }
    }

    #[test]
    fn an_entry_is_read_as_rbac_judged_it() {
        let apply = json!({
            "verb": "patch", "user": {"username": "x"}, "responseStatus": {"code": 201},
            "objectRef": {"apiGroup": "apps", "resource": "statefulsets", "namespace": "town", "name": "a"},
        });
        let seen: Vec<String> = asked(&apply).iter().map(ToString::to_string).collect();
        assert_eq!(
            seen,
            [
                "patch statefulsets.apps town/a",
                "create statefulsets.apps town/a"
            ]
        );
        let status = json!({
            "verb": "patch", "user": {}, "responseStatus": {"code": 403}, "annotations": {DECISION: "forbid"},
            "objectRef": {"apiGroup": "nostrfleet.io", "resource": "nostrrelays", "subresource": "status", "namespace": "town", "name": "a"},
        });
        let [request] = asked(&status).try_into().unwrap();
        assert_eq!(request.resource, "nostrrelays/status");
        assert!(request.forbidden);
        let in_a_namespace_that_goes = json!({
            "verb": "create", "user": {}, "responseStatus": {"code": 403}, "annotations": {DECISION: "allow"},
            "objectRef": {"resource": "events", "namespace": "town", "name": "a"},
        });
        assert!(!asked(&in_a_namespace_that_goes)[0].forbidden);
        assert_eq!(asked(&json!({"verb": "get", "user": {}})), []);
    }

    #[test]
    fn what_was_refused_once_and_granted_once_was_granted() {
        let ask = |decision: &str| {
            asked(&json!({
                "verb": "get", "user": {}, "annotations": {DECISION: decision},
                "objectRef": {"resource": "configmaps", "namespace": "town", "name": "a"},
            }))
        };
        let refused: BTreeSet<_> = ask("forbid").into_iter().collect();
        assert!(refused.iter().all(|it| !it.was_granted(&refused)));
        let both: BTreeSet<_> = ask("forbid").into_iter().chain(ask("allow")).collect();
        assert!(both.len() == 2 && both.iter().all(|it| it.was_granted(&both)));
    }

    #[test]
    fn only_pods_of_the_replica_set_count() {
        let by = |pod: &str| -> Entry {
            serde_json::from_value(json!({"verb": "get", "user": {"extra": {POD_NAME: [pod]}}}))
                .unwrap()
        };
        assert!(by("operator-5f-x1").is_by("operator-5f"));
        assert!(!by("operator-5f1-x1").is_by("operator-5f"));
        assert!(!by("operator-77-x1").is_by("operator-5f"));
    }

    #[test]
    fn a_rule_allows_what_it_names_where_it_stands() {
        let rules = rules(
            &json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]),
            &json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["mine"], "verbs": ["update"]}]),
        );
        let ask = |verb: &str, group: &str, resource: &str, (namespace, name): (&str, &str)| {
            rules.allow(&Request {
                verb: verb.to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                forbidden: false,
            })
        };
        assert!(ask("list", "", "pods", ("", "")));
        assert!(ask("list", "", "pods", ("town", "")));
        assert!(!ask("get", "", "pods", ("town", "a")));
        assert!(!ask("list", "apps", "pods", ("town", "")));
        assert!(!ask("list", "", "pods/log", ("town", "")));
        let lease = |place| ask("update", "coordination.k8s.io", "leases", place);
        assert!(lease(("town", "mine")));
        assert!(!lease(("town", "yours")));
        assert!(!lease(("village", "mine")));
    }
}
