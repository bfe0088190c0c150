//! What differs between the kinds, and nothing else. No other module asks which kind it is.

mod relay;

use crate::api::{
    access::{Access, Addresses},
    shared::{
        DeletionPolicy, Logging, Network, Operation, PodOptions, Resources, ServiceOptions,
        Storage, Tls,
    },
    status::Status,
};
use kube::{Resource, core::NamespaceResourceScope};
use relay_config::{Auth, Hot, Limits, Role};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A custom resource that becomes pods.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
    /// `app.kubernetes.io/name` of its children.
    const APP: &'static str;
    /// The role of its pods.
    const ROLE: Role;
    /// Memory request and limit where the spec names none.
    const MEMORY: &'static str;

    /// The part of the spec that every kind has.
    fn common(&self) -> Common<'_>;
    /// The status as it was last written.
    fn status(&self) -> Option<&Status>;
    /// Puts the kind's own settings into the pods' configuration.
    fn configure(&self, hot: &mut Hot);
}

/// The part of a spec that every kind has.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// Pods.
    pub replicas: i32,
    /// Image, where it is not the operator's default.
    pub image: Option<&'a str>,
    /// What clients type, where it is not the Service's URL.
    pub url: Option<&'a str>,
    /// Whether pods run.
    pub operation: Operation,
    /// What happens to the claims in the end.
    pub deletion_policy: DeletionPolicy,
    /// The volume.
    pub storage: &'a Storage,
    /// The Secret with the certificate of the public port.
    pub tls: Option<&'a Tls>,
    /// The public Service.
    pub service: &'a ServiceOptions,
    /// Who may reach the pods.
    pub network: &'a Network,
    /// From where clients may come.
    pub addresses: &'a Addresses,
    /// Who may read and write.
    pub access: &'a Access,
    /// When clients must say who they are.
    pub auth: &'a Auth,
    /// What one client may ask.
    pub limits: &'a Limits,
    /// Log lines.
    pub logging: &'a Logging,
    /// CPU and memory.
    pub resources: &'a Resources,
    /// Labels, placement and stop.
    pub pod: &'a PodOptions,
}
