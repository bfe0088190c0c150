//! Every CEL rule with something that it accepts and something that it refuses: evaluated here without a cluster, and
//! by the API server in the other suite.

use super::yaml;
use serde_json::{Value, json};

/// One rule's case.
pub struct Case {
    /// How the rule's message begins.
    pub message: &'static str,
    /// `metadata.name`.
    pub name: &'static str,
    /// The spec before, for rules about changes.
    pub before: Option<&'static str>,
    /// A spec that it lets through.
    pub accepted: &'static str,
    /// A spec that it refuses.
    pub refused: &'static str,
}

const fn case(message: &'static str, accepted: &'static str, refused: &'static str) -> Case {
    Case {
        message,
        name: "town",
        before: None,
        accepted,
        refused,
    }
}

const fn change(
    message: &'static str,
    before: &'static str,
    accepted: &'static str,
    refused: &'static str,
) -> Case {
    Case {
        before: Some(before),
        ..case(message, accepted, refused)
    }
}

/// All cases about specs; rules about names are in [`NAMES`].
pub const CASES: &[Case] = &[
    case("replicas must be 1", "replicas: 1", "replicas: 2"),
    case(
        "url must be written",
        "url: wss://relay.example.com",
        "url: https://relay.example.com",
    ),
    case(
        "url must be written",
        "url: ws://10.0.0.1:8080/path",
        "url: wss://user@relay.example.com",
    ),
    case(
        "url must be written",
        "url: 'wss://[2001:db8::1]:443'",
        "url: wss://relay.example.com/#top",
    ),
    case("url must be written", "url: wss://r", "url: 'wss://'"),
    case(
        "url must be written",
        "url: wss://relay.example.com:65535",
        "url: wss://relay.example.com:65536",
    ),
    case(
        "url must be written",
        "url: wss://relay.example.com:9",
        "url: wss://relay.example.com:0",
    ),
    case("url must be written", "url: wss://x.y", "url: wss://x..y"),
    case("url must be written", "url: wss://a-b", "url: wss://a b"),
    case(
        "url must be written",
        "url: wss://255.0.1.20",
        "url: wss://256.0.1.20",
    ),
    case(
        "storage.eraseWithin must be",
        "storage: {eraseWithin: 10m}",
        "storage: {eraseWithin: 9m59s}",
    ),
    case(
        "storage.eraseWithin must be",
        "storage: {eraseWithin: 168h}",
        "storage: {eraseWithin: 0s}",
    ),
    case(
        "limits.queryTime must be",
        "limits: {queryTime: 100ms}",
        "limits: {queryTime: 99ms}",
    ),
    case(
        "limits.queryTime must be",
        "limits: {queryTime: 1h30m}",
        "limits: {queryTime: 0s}",
    ),
    case(
        "storage.size must be",
        "storage: {size: 256Mi}",
        "storage: {size: 255Mi}",
    ),
    case(
        "storage.size must be",
        "storage: {size: 1Pi}",
        "storage: {size: 2Pi}",
    ),
    change(
        "storage.size is fixed",
        "storage: {size: 1Gi}",
        "storage: {size: 1Gi, eraseWithin: 1h}",
        "storage: {size: 2Gi}",
    ),
    change(
        "storage.size is fixed",
        "storage: {size: 2Gi}",
        "storage: {size: 2Gi}",
        "storage: {size: 1Gi}",
    ),
    change(
        "storage.size is fixed",
        "{}",
        "replicas: 1",
        "storage: {size: 20Gi}",
    ),
    change(
        "storage.storageClassName is fixed",
        "storage: {storageClassName: a}",
        "storage: {storageClassName: a}",
        "storage: {storageClassName: b}",
    ),
    change(
        "storage.storageClassName is fixed",
        "{}",
        "{}",
        "storage: {storageClassName: a}",
    ),
    change(
        "storage.storageClassName is fixed",
        "storage: {storageClassName: a}",
        "storage: {storageClassName: a, eraseWithin: 2h}",
        "{}",
    ),
    case(
        "service.loadBalancerSourceRanges needs",
        "service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}",
        "service: {loadBalancerSourceRanges: [10.0.0.0/8]}",
    ),
    case(
        "must be a CIDR",
        "service: {type: LoadBalancer, loadBalancerSourceRanges: ['fd00::/8']}",
        "service: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.1]}",
    ),
    case(
        "must be a CIDR",
        "network: {ingressFrom: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}",
        "network: {ingressFrom: [{ipBlock: {cidr: example.org}}]}",
    ),
    case(
        "must be a CIDR",
        "network: {ingressFrom: [{ipBlock: {cidr: 10.0.0.0/8}}]}",
        "network: {ingressFrom: [{ipBlock: {cidr: 10.0.0.0/8, except: [ten]}}]}",
    ),
    case(
        "a peer must have",
        "network: {ingressFrom: [{podSelector: {}}]}",
        "network: {ingressFrom: [{}]}",
    ),
    case(
        "pod.labels must not",
        "pod: {labels: {team: a}}",
        "pod: {labels: {app.kubernetes.io/name: a}}",
    ),
    case(
        "pod.labels must not",
        "pod: {labels: {example.org/team: a}}",
        "pod: {labels: {nostrfleet.io/x: a}}",
    ),
    case(
        "pod.annotations must not",
        "pod: {annotations: {a: b}}",
        "pod: {annotations: {nostrfleet.io/cold-configuration: x}}",
    ),
    case(
        "a source must have either",
        "access: {write: {from: [{configMap: {name: residents}}, {selector: {matchLabels: {town/list: guests}}}]}}",
        "access: {write: {from: [{configMap: {name: residents}, selector: {matchLabels: {a: b}}}]}}",
    ),
    case(
        "a source must have either",
        "access: {banned: {from: [{configMap: {name: bad, key: list}}]}}",
        "access: {banned: {from: [{}]}}",
    ),
    case(
        "a source must have either",
        "addresses: {from: [{configMap: {name: bad}}]}",
        "addresses: {from: [{}]}",
    ),
    case(
        "must be an address or a range",
        "addresses: {deny: [203.0.113.0/24, '2001:db8::1']}",
        "addresses: {deny: [town]}",
    ),
    case(
        "must be an address or a range",
        "network: {trustedProxies: [10.0.0.0/8]}",
        "network: {trustedProxies: [10.0.0.0/33]}",
    ),
    case(
        "network.proxyProtocol needs",
        "network: {proxyProtocol: true, trustedProxies: [10.0.0.0/8]}",
        "network: {proxyProtocol: true}",
    ),
];

/// Rules about names: accepted and refused.
pub const NAMES: &[(&str, &str, &str)] = &[
    (
        "metadata.name must have at most 40",
        "a234567890123456789012345678901234567890",
        "a2345678901234567890123456789012345678901",
    ),
    ("metadata.name must start with a letter", "a-1", "1-a"),
    ("metadata.name must start with a letter", "a1", "a.b"),
];

/// Specs that the schema itself refuses: bounds, patterns and words. (What the answer must contain, the spec.)
pub const SCHEMA_REFUSES: &[(&str, &str)] = &[
    ("spec.replicas", "replicas: 0"),
    ("spec.operation", "operation: Paused"),
    ("spec.deletionPolicy", "deletionPolicy: Snapshot"),
    ("spec.storage.size", "storage: {size: lots}"),
    ("spec.storage.size", "storage: {size: -1Gi}"),
    ("spec.storage.eraseWithin", "storage: {eraseWithin: 1d}"),
    ("spec.service.type", "service: {type: ExternalName}"),
    ("spec.network.policy", "network: {policy: Open}"),
    ("spec.limits.subscriptions", "limits: {subscriptions: 0}"),
    (
        "spec.limits.subscriptions",
        "limits: {subscriptions: 10001}",
    ),
    ("spec.limits.queryTime", "limits: {queryTime: soon}"),
    ("spec.limits.messageBytes", "limits: {messageBytes: 1}"),
    ("spec.logging.level", "logging: {level: loud}"),
    (
        "spec.resources.limits",
        "resources: {limits: {memory: much}}",
    ),
    (
        "spec.pod.terminationGracePeriodSeconds",
        "pod: {terminationGracePeriodSeconds: 9}",
    ),
    (
        "spec.pod.labels",
        "pod: {labels: {a: '0123456789012345678901234567890123456789012345678901234567890123'}}",
    ),
    ("spec.info.pubkey", "info: {pubkey: me}"),
    (
        "spec.access.write.pubkeys",
        "access: {write: {pubkeys: [me]}}",
    ),
    (
        "spec.access.write.pubkeys",
        "access: {write: {pubkeys: ['npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg until May']}}",
    ),
    ("spec.access.read.mode", "access: {read: {mode: Closed}}"),
    ("spec.access.write.by", "access: {write: {by: Anybody}}"),
    (
        "spec.access.kinds.allow",
        "access: {kinds: {allow: [some]}}",
    ),
    (
        "spec.access.write.from[0].selector.matchLabels",
        "access: {write: {from: [{selector: {matchLabels: {}}}]}}",
    ),
    ("spec.auth.required", "auth: {required: Sometimes}"),
    ("spec.tls.secretName", "tls: {secretName: ''}"),
    ("spec.image", "image: ''"),
    ("spec.image", "image: 'a b'"),
];

/// A whole object.
pub fn object(name: &str, spec: &str) -> Value {
    json!({
        "apiVersion": "nostrfleet.io/v1alpha1", "kind": "NostrRelay",
        "metadata": {"name": name}, "spec": yaml::<Value>(spec),
    })
}
