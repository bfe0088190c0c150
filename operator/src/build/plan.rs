//! What validate makes of a resource: everything that the builders need, checked and with its defaults.

use crate::{
    api::shared::{DeletionPolicy, PodOptions, ServiceOptions, Storage, Texts},
    names,
    reconcile::allowlist::Rejected,
};
use k8s_openapi::{
    api::{core::v1::ResourceRequirements, networking::v1::NetworkPolicyPeer},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
};
use relay_config::{
    Config, Lists,
    names::{PORT_WS, PORT_WSS},
};

/// Everything that the builders need.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose children they are.
    pub identity: Identity,
    /// The image.
    pub image: String,
    /// What clients type.
    pub url: String,
    /// The pods' configuration.
    pub config: Config,
    /// Pods; 0 while stopped.
    pub replicas: i32,
    /// What happens to the claims in the end.
    pub deletion_policy: DeletionPolicy,
    /// The volume.
    pub storage: Storage,
    /// The public Service.
    pub service: ServiceOptions,
    /// Who may reach which port; without it no policy is written.
    pub access: Option<Access>,
    /// The lists that are put into force.
    pub allowlist: Allowlist,
    /// The Secret with the certificate of the public port.
    pub tls_secret: Option<String>,
    /// CPU and memory.
    pub resources: ResourceRequirements,
    /// Labels, placement and stop.
    pub pod: PodOptions,
}

impl Plan {
    /// Name and number of the public port.
    pub fn public_port(&self) -> (&'static str, u16) {
        match self.tls_secret {
            Some(_) => (names::PORT_WSS, PORT_WSS),
            None => (names::PORT_WS, PORT_WS),
        }
    }
}

/// The lists that are put into force, with all else that says who gets in.
#[derive(Clone, Debug, Default)]
pub struct Allowlist {
    /// The hash that pods have to report; empty while there never was a good list.
    pub hash: String,
    /// Entries of all lists, where they are known.
    pub entries: Option<u64>,
    /// Where the entries come from; unknown while the last good ones are kept.
    pub sources: Option<u64>,
    /// What becomes of the shards.
    pub shards: Shards,
    /// Why it is not what the spec asks for: what is wrong with its lists, or with its addresses.
    pub rejected: Vec<Rejected>,
    /// The lists that the spec asks for are not these: they wait until all of it can be used.
    pub held_back: bool,
    /// There never was anything good: nobody is served.
    pub serves_nobody: bool,
}

/// What becomes of the shards.
#[derive(Clone, Debug, Default)]
pub enum Shards {
    /// There are none: nothing is listed.
    #[default]
    None,
    /// They hold these lists.
    Of(Lists),
    /// They stay as they are, whatever they hold.
    Untouched,
}

/// Who may reach the pods. Neither list is ever empty: an empty one would mean everyone.
#[derive(Clone, Debug)]
pub struct Access {
    /// The public port.
    pub public: Vec<NetworkPolicyPeer>,
    /// The ops port.
    pub ops: Vec<NetworkPolicyPeer>,
}

/// Whose children they are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `app.kubernetes.io/name`.
    pub app: &'static str,
    /// The resource's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What its children point at.
    pub owner: OwnerReference,
}

impl Identity {
    /// What selects the pods. It can never change: neither versions nor user labels belong here.
    pub fn selector(&self) -> Texts {
        texts([
            (names::LABEL_NAME, self.app),
            (names::LABEL_INSTANCE, &self.name),
        ])
    }

    /// The selector as a query.
    pub fn selector_text(&self) -> String {
        selector_text(self.app, &self.name)
    }

    /// The selector as a field.
    pub fn label_selector(&self) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.selector()),
            ..LabelSelector::default()
        }
    }

    /// Labels of everything.
    pub fn labels(&self) -> Texts {
        let mut labels = self.selector();
        labels.extend(texts([
            (names::LABEL_COMPONENT, names::CONTAINER),
            (names::LABEL_PART_OF, names::PART_OF),
            (names::LABEL_MANAGED_BY, names::MANAGER),
        ]));
        labels
    }

    /// Metadata of a child that goes when the resource goes.
    pub fn metadata(&self, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        }
    }
}

/// What selects the pods of a resource.
pub fn selector_text(app: &str, name: &str) -> String {
    format!(
        "{}={app},{}={name}",
        names::LABEL_NAME,
        names::LABEL_INSTANCE
    )
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Texts {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
