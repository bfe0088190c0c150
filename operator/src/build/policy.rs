//! The NetworkPolicy: who may talk to the pods, and that they talk to nobody.

use super::Plan;
use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
        NetworkPolicySpec,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use relay_config::names::PORT_OPS;

/// Lets in what the plan names, port by port, and lets nothing out. An empty `from` would mean everyone and is never
/// written: a rule whose list is empty is left out, which means nobody.
pub fn network_policy(plan: &Plan) -> Option<NetworkPolicy> {
    let access = plan.access.as_ref()?;
    let (_, public) = plan.public_port();
    let rules = [rule(public, &access.public), rule(PORT_OPS, &access.ops)];
    Some(NetworkPolicy {
        metadata: plan.identity.metadata(&plan.identity.name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(plan.identity.label_selector()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(rules.into_iter().flatten().collect()),
            // Absent, with Egress among the types: nothing goes out. An empty list means the same, but the API server
            // forgets it, and every apply would be a write.
            egress: None,
        }),
    })
}

/// Whom a policy of ours lets reach the public port: what [`network_policy`] wrote, read back.
pub fn public_peers(policy: &NetworkPolicy) -> Vec<NetworkPolicyPeer> {
    let rules = policy
        .spec
        .iter()
        .flat_map(|spec| spec.ingress.iter().flatten());
    let is_ops = |rule: &&NetworkPolicyIngressRule| {
        let mut ports = rule.ports.iter().flatten();
        ports.any(|port| port.port == Some(IntOrString::Int(PORT_OPS.into())))
    };
    let public = rules.filter(|rule| !is_ops(rule));
    public
        .flat_map(|rule| rule.from.iter().flatten())
        .cloned()
        .collect()
}

fn rule(port: u16, from: &[NetworkPolicyPeer]) -> Option<NetworkPolicyIngressRule> {
    (!from.is_empty()).then(|| NetworkPolicyIngressRule {
        from: Some(from.to_vec()),
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(port.into())),
            protocol: Some("TCP".to_owned()),
            ..NetworkPolicyPort::default()
        }]),
    })
}
