//! Resource and surroundings → plan, or the reason why not. Pure.

use super::{gather::Gathered, last_good::Resource, standing::Standing};
use crate::{
    api::{
        schema,
        shared::{Operation, PolicyMode, Resources},
        status::Reason,
    },
    build::{Access, Identity, Plan},
    kinds::{Common, Kind},
    names,
    settings::{Settings, Source},
};
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{PersistentVolumeClaim, ResourceRequirements},
        networking::v1::{IPBlock, NetworkPolicyPeer},
    },
    apimachinery::pkg::{
        api::resource::Quantity, apis::meta::v1::LabelSelector, util::intstr::IntOrString,
    },
};
use kube::{Resource as _, ResourceExt};
use relay_config::{
    Cold, Config, ConfigError, Duration, Hot, Size, Storage, cold, file, names as pod,
};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// Why nothing is applied. The message names the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For conditions and events.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

fn refuse<T>(reason: Reason, message: String) -> Result<T, Refusal> {
    Err(Refusal { reason, message })
}

/// Everything that the builders need, or why not.
pub fn validate<K: Kind>(
    object: &K,
    gathered: &Gathered,
    settings: &Settings,
) -> Result<Plan, Refusal> {
    let identity = identity(object)?;
    let common = object.common();
    if common.replicas != 1 {
        return refuse(
            Reason::InvalidSpec,
            format!("spec.replicas is {}: it must be 1", common.replicas),
        );
    }
    names_are_free(object, gathered)?;
    claims_fit(object, &identity, gathered)?;
    let url = match (common.url, common.tls) {
        (Some(url), _) => url.to_owned(),
        (None, Some(_)) => in_cluster(&identity, "wss", pod::PORT_WSS),
        (None, None) => in_cluster(&identity, "ws", pod::PORT_WS),
    };
    let mut config = configuration::<K>(&common, &url);
    object.configure(&mut config.hot);
    let remembered = object.status().and_then(|status| status.allowlist.as_ref());
    let resource = Resource {
        uid: &identity.owner.uid,
        remembered: remembered.map_or("", |list| list.hash.as_str()),
    };
    let standing = Standing::of(&common, gathered, resource);
    config.hot.access.resource_uid = Some(identity.owner.uid.clone());
    let allowlist = standing.put(&mut config.hot);
    if let Err(error) = config.check() {
        return refuse(Reason::InvalidSpec, in_the_spec(error));
    }
    Ok(Plan {
        image: common.image.unwrap_or(&settings.image).to_owned(),
        url,
        config,
        replicas: match common.operation {
            Operation::Running => common.replicas,
            Operation::Stopped => 0,
        },
        deletion_policy: common.deletion_policy,
        storage: common.storage.clone(),
        service: common.service.clone(),
        access: reach(&common, settings, gathered.reachable.clone()),
        allowlist,
        tls_secret: common.tls.map(|tls| tls.secret_name.clone()),
        resources: resources(common.resources, K::MEMORY),
        pod: common.pod.clone(),
        identity,
    })
}

fn in_cluster(identity: &Identity, scheme: &str, port: u16) -> String {
    format!(
        "{scheme}://{}.{}.svc:{port}",
        identity.name, identity.namespace
    )
}

/// What the pod would say about its file, in the words of the spec.
fn in_the_spec(error: ConfigError) -> String {
    match error {
        ConfigError::Rule { key, problem } => {
            let field = key.trim_start_matches("hot.").trim_start_matches("cold.");
            format!("spec.{field}: {problem}")
        }
        other => format!("spec: {other}"),
    }
}

fn identity<K: Kind>(object: &K) -> Result<Identity, Refusal> {
    let name = object.name_any();
    // Of a resource that was made under an older definition, perhaps without these rules.
    if let Some(rule) = schema::name_breaks(&name) {
        return refuse(Reason::InvalidSpec, format!("{rule}: it is {name:?}"));
    }
    let Some(mut owner) = object.controller_owner_ref(&()) else {
        return refuse(
            Reason::InvalidSpec,
            "the object has no uid: it was never stored".to_owned(),
        );
    };
    // A foreground deletion of the resource waits for its children.
    owner.block_owner_deletion = Some(true);
    Ok(Identity {
        app: K::APP,
        namespace: object.namespace().unwrap_or_default(),
        name,
        owner,
    })
}

/// Server-side apply with force would take over whatever has the name: an object that is not ours is left alone.
fn names_are_free<K: Kind>(object: &K, gathered: &Gathered) -> Result<(), Refusal> {
    let uid = object.uid();
    let foreign = gathered.found.iter().find(|found| match &found.controller {
        Some(controller) => Some(controller) != uid.as_ref(),
        None => !found.labelled,
    });
    match foreign {
        None => Ok(()),
        Some(found) => refuse(
            Reason::NameTaken,
            format!(
                "{} {} exists already and belongs to somebody else: delete it or choose another metadata.name",
                found.kind, found.name
            ),
        ),
    }
}

/// A resource created anew takes over the claims that an earlier one of the name left behind; their size counts. What is its
/// own already somebody may have enlarged: that must not keep its lists from being changed.
fn claims_fit<K: Kind>(
    object: &K,
    identity: &Identity,
    gathered: &Gathered,
) -> Result<(), Refusal> {
    let prefix = format!("{}-{}-", names::CLAIM, identity.name);
    let want = object.common().storage.size;
    let is_ours = |claim: &PersistentVolumeClaim| {
        has_workload(identity, gathered) || is_younger(claim, object)
    };
    for claim in &gathered.claims {
        let name = claim.name_any();
        let Some(have) = requested(claim).filter(|_| name.starts_with(&prefix)) else {
            continue;
        };
        let enlarged = have > want && is_ours(claim);
        if have != want && !enlarged {
            return refuse(
                Reason::ImmutableChange,
                format!(
                    "spec.storage.size is {want}, but claim {name} has {have}: create the resource with {have}, or delete the claim if its events are not needed"
                ),
            );
        }
    }
    Ok(())
}

/// Was the claim made with or after the resource, that is, for it?
fn is_younger<K: Kind>(claim: &PersistentVolumeClaim, object: &K) -> bool {
    match (claim.creation_timestamp(), object.creation_timestamp()) {
        (Some(claim), Some(object)) => claim >= object,
        _ => false,
    }
}

/// Is our StatefulSet there already?
fn has_workload(identity: &Identity, gathered: &Gathered) -> bool {
    gathered.found.iter().any(|found| {
        found.kind == StatefulSet::kind(&())
            && found.name == identity.name
            && found.controller.as_deref() == Some(identity.owner.uid.as_str())
    })
}

/// What a claim asks for; unreadable quantities count as none.
pub fn requested(claim: &PersistentVolumeClaim) -> Option<Size> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    size(requests.get("storage")?)
}

/// The pods' configuration without what is particular to the kind.
fn configuration<K: Kind>(common: &Common, url: &str) -> Config {
    let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
    let public = match common.tls {
        Some(_) => pod::PORT_WSS,
        None => pod::PORT_WS,
    };
    let total = common.pod.termination_grace_period_seconds;
    let grace = (total - names::CLOSE_SECONDS - names::PRE_STOP_SECONDS).max(1);
    Config {
        version: file::VERSION,
        cold: Cold {
            role: K::ROLE,
            listen: any(public),
            ops: any(pod::PORT_OPS),
            data: PathBuf::from(pod::DATA_DIR),
            runtime_dir: Some(PathBuf::from(pod::RUNTIME_DIR)),
            grace: Duration::seconds(grace.unsigned_abs()),
            log_format: common.logging.format,
            tls: common.tls.map(|_| cold::Tls {
                directory: PathBuf::from(pod::TLS_DIR),
            }),
            proxy_protocol: common.network.proxy_protocol,
        },
        hot: Hot {
            url: Some(url.to_owned()),
            limits: common.limits.clone(),
            trusted_proxies: common.network.trusted_proxies.clone(),
            log_level: common.logging.level,
            storage: Storage {
                size: Some(common.storage.size),
                erase_within: common.storage.erase_within,
            },
            ..Hot::default()
        },
    }
}

/// Who may reach which port. `kept` is who could before, as long as what says who gets in is held back: a network that a spec
/// opens together with a list that cannot be used must not be open before that list is there.
fn reach(
    common: &Common,
    settings: &Settings,
    kept: Option<Vec<NetworkPolicyPeer>>,
) -> Option<Access> {
    let mut ops = vec![NetworkPolicyPeer {
        pod_selector: Some(labels(names::LABEL_NAME, names::MANAGER)),
        ..namespace(&settings.namespace)
    }];
    ops.extend(settings.monitoring_namespace.as_deref().map(namespace));
    if kept.is_none() && common.network.policy == PolicyMode::None {
        return None;
    }
    let public = kept.unwrap_or_else(|| public(common, settings));
    Some(Access { public, ops })
}

/// Always somebody.
fn public(common: &Common, settings: &Settings) -> Vec<NetworkPolicyPeer> {
    let mut public = common.network.ingress_from.clone();
    if public.is_empty() {
        public = settings.ingress_from.iter().map(source).collect();
    }
    if public.is_empty() {
        public.push(NetworkPolicyPeer {
            pod_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        });
    }
    public
}

fn source(source: &Source) -> NetworkPolicyPeer {
    match source {
        Source::Namespace(name) => namespace(name),
        Source::Cidr(net) => NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: net.to_string(),
                ..IPBlock::default()
            }),
            ..NetworkPolicyPeer::default()
        },
    }
}

fn namespace(name: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(labels(names::LABEL_NAMESPACE, name)),
        ..NetworkPolicyPeer::default()
    }
}

fn labels(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(key.to_owned(), value.to_owned())].into()),
        ..LabelSelector::default()
    }
}

/// Memory request and limit are equal unless both are named: mapped pages count. No CPU limit unless asked for.
fn resources(asked: &Resources, memory: &str) -> ResourceRequirements {
    let mut requests = quantities(&asked.requests);
    let mut limits = quantities(&asked.limits);
    let either = requests.get("memory").or(limits.get("memory")).cloned();
    let memory = either.unwrap_or_else(|| Quantity(memory.to_owned()));
    limits
        .entry("memory".to_owned())
        .or_insert_with(|| memory.clone());
    requests.entry("memory".to_owned()).or_insert(memory);
    requests.entry("cpu".to_owned()).or_insert_with(|| {
        limits
            .get("cpu")
            .cloned()
            .unwrap_or_else(|| Quantity("100m".to_owned()))
    });
    ResourceRequirements {
        requests: Some(requests),
        limits: Some(limits),
        ..ResourceRequirements::default()
    }
}

fn quantities(asked: &BTreeMap<String, IntOrString>) -> BTreeMap<String, Quantity> {
    let text = |value: &IntOrString| match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    };
    asked
        .iter()
        .map(|(name, value)| (name.clone(), Quantity(text(value))))
        .collect()
}

/// A quantity of bytes, if it is one.
pub fn size(quantity: &Quantity) -> Option<Size> {
    quantity.0.parse().ok()
}
