//! The pod template: restricted Pod Security, probes, stop, volumes.

use super::{Plan, hash, shard_names};
use crate::{api::shared::Texts, names};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapProjection, Container, ContainerPort, EmptyDirVolumeSource,
        HTTPGetAction, KeyToPath, Lifecycle, LifecycleHandler, PodSecurityContext, PodSpec,
        PodTemplateSpec, Probe, ProjectedVolumeSource, SeccompProfile, SecretVolumeSource,
        SecurityContext, SleepAction, TopologySpreadConstraint, Volume, VolumeMount,
        VolumeProjection,
    },
    apimachinery::pkg::{
        api::resource::Quantity, apis::meta::v1::ObjectMeta, util::intstr::IntOrString,
    },
};
use relay_config::names::{
    CONFIG_DIR, CONFIG_FILE, DATA_DIR, PATH_LIVEZ, PATH_READYZ, PORT_OPS, RUNTIME_DIR,
    TLS_CERTIFICATE, TLS_DIR, TLS_KEY,
};

/// The user and group of the process and its files.
const USER: i64 = 65532;

/// The template of the pods.
pub fn template(plan: &Plan) -> PodTemplateSpec {
    let mut labels = plan.pod.labels.clone();
    labels.extend(plan.identity.labels());
    let mut annotations = plan.pod.annotations.clone();
    annotations.insert(
        names::ANNOTATION_COLD.to_owned(),
        hash(&plan.config.cold_text()),
    );
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(plan)),
    }
}

fn pod(plan: &Plan) -> PodSpec {
    let options = &plan.pod;
    PodSpec {
        service_account_name: Some(plan.identity.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(pod_security()),
        termination_grace_period_seconds: Some(options.termination_grace_period_seconds),
        containers: vec![container(plan)],
        volumes: Some(volumes(plan)),
        node_selector: some(options.node_selector.clone(), Texts::is_empty),
        tolerations: some(options.tolerations.clone(), Vec::is_empty),
        affinity: options.affinity.clone(),
        topology_spread_constraints: Some(spread(plan)),
        priority_class_name: options.priority_class_name.clone(),
        image_pull_secrets: some(options.image_pull_secrets.clone(), Vec::is_empty),
        ..PodSpec::default()
    }
}

fn container(plan: &Plan) -> Container {
    Container {
        name: names::CONTAINER.to_owned(),
        image: Some(plan.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(vec![
            "serve".to_owned(),
            "--config".to_owned(),
            format!("{CONFIG_DIR}/{CONFIG_FILE}"),
        ]),
        ports: Some(vec![
            port(plan.public_port().0, plan.public_port().1),
            port(names::PORT_OPS, PORT_OPS),
        ]),
        resources: Some(plan.resources.clone()),
        security_context: Some(container_security()),
        // Rebuilding a large store takes a while: /livez answers from the start, and only a start that does not even
        // get there within two minutes is killed.
        startup_probe: Some(probe(PATH_LIVEZ, 1, 120)),
        liveness_probe: Some(probe(PATH_LIVEZ, 10, 3)),
        readiness_probe: Some(probe(PATH_READYZ, 2, 2)),
        // Why a relay ended is its last line: it then stands in the pod's status, and the operator reads no logs.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        // The image has no shell; the kubelet sleeps while endpoints forget the pod.
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction {
                    seconds: names::PRE_STOP_SECONDS,
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        volume_mounts: Some(mounts(plan)),
        ..Container::default()
    }
}

fn mounts(plan: &Plan) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount(names::CLAIM, DATA_DIR, false),
        mount("config", CONFIG_DIR, true),
        mount("run", RUNTIME_DIR, false),
        mount("tmp", "/tmp", false),
    ];
    if plan.tls_secret.is_some() {
        mounts.push(mount("tls", TLS_DIR, true));
    }
    mounts
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        ..SecurityContext::default()
    }
}

fn volumes(plan: &Plan) -> Vec<Volume> {
    let memory = |name: &str, size: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity(size.to_owned())),
        }),
        ..Volume::default()
    };
    let mut volumes = vec![
        config_volume(&plan.identity.name),
        // Lives as long as the pod: the store's run token tells a restarted process from a lost node.
        memory("run", "16Mi"),
        memory("tmp", "64Mi"),
    ];
    volumes.extend(plan.tls_secret.as_deref().map(tls_volume));
    volumes
}

/// The configuration and the shards of the lists in one volume, whose files change in one step. Shards come and go with the
/// lists, and the template stays as it is.
fn config_volume(name: &str) -> Volume {
    let source = |name: String, optional| VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name,
            optional,
            ..ConfigMapProjection::default()
        }),
        ..VolumeProjection::default()
    };
    let mut sources = vec![source(names::config(name), None)];
    sources.extend(
        shard_names(name)
            .into_iter()
            .map(|name| source(name, Some(true))),
    );
    Volume {
        name: "config".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Certificate and key, readable by the group of the process alone, and nothing else of the Secret.
fn tls_volume(secret: &str) -> Volume {
    let item = |name: &str| KeyToPath {
        key: name.to_owned(),
        path: name.to_owned(),
        ..KeyToPath::default()
    };
    Volume {
        name: "tls".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(0o440),
            items: Some(vec![item(TLS_CERTIFICATE), item(TLS_KEY)]),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Over hosts and zones where possible; what the user says replaces it.
fn spread(plan: &Plan) -> Vec<TopologySpreadConstraint> {
    if !plan.pod.topology_spread_constraints.is_empty() {
        return plan.pod.topology_spread_constraints.clone();
    }
    ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        .map(|key| TopologySpreadConstraint {
            topology_key: key.to_owned(),
            max_skew: 1,
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(plan.identity.label_selector()),
            ..TopologySpreadConstraint::default()
        })
        .into()
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(names::PORT_OPS.to_owned()),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(if period < 5 { 1 } else { 5 }),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn some<T>(value: T, is_empty: impl Fn(&T) -> bool) -> Option<T> {
    Some(value).filter(|value| !is_empty(value))
}
