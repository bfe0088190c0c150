//! The two Services.

use super::Plan;
use crate::{api::shared::ServiceType, names};
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use relay_config::names::PORT_OPS;

/// The Service that clients use.
pub fn public(plan: &Plan) -> Service {
    let mut metadata = plan.identity.metadata(&plan.identity.name);
    metadata.annotations = Some(plan.service.annotations.clone()).filter(|map| !map.is_empty());
    let (name, number) = plan.public_port();
    let ranges = &plan.service.load_balancer_source_ranges;
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(type_name(plan.service.type_).to_owned()),
            selector: Some(plan.identity.selector()),
            ports: Some(vec![ServicePort {
                app_protocol: Some(format!("kubernetes.io/{name}")),
                ..port(name, number)
            }]),
            load_balancer_source_ranges: Some(ranges.clone()).filter(|list| !list.is_empty()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// The Service that gives each pod a name, before it is ready too: the operator and Prometheus ask pods, not Services.
pub fn headless(plan: &Plan) -> Service {
    Service {
        metadata: plan.identity.metadata(names::headless(&plan.identity.name)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(plan.identity.selector()),
            ports: Some(vec![port(names::PORT_OPS, PORT_OPS)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number.into(),
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

fn type_name(type_: ServiceType) -> &'static str {
    match type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    }
}
