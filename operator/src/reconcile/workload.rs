//! Pods and their answers, boiled down to what conditions are about. Pure.

use super::gather::Gathered;
use crate::{
    build::{Plan, config_text, hash},
    names,
};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::ResourceExt;

/// How the pods fare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Pods that should be.
    pub wanted: i32,
    /// Pods that are.
    pub replicas: i32,
    /// Pods that serve.
    pub ready: i32,
    /// Are pods being replaced, added or removed?
    pub rolling: bool,
}

impl Workload {
    /// From the StatefulSet, whose status may lag behind its spec.
    pub fn of(set: Option<&StatefulSet>) -> Self {
        let Some((set, spec)) = set.and_then(|set| Some((set, set.spec.as_ref()?))) else {
            return Self::default();
        };
        let status = set.status.clone().unwrap_or_default();
        let wanted = spec.replicas.unwrap_or(1);
        let seen = status.observed_generation >= set.metadata.generation;
        let replaced = wanted == 0
            || status.update_revision == status.current_revision
            || status.updated_replicas == Some(wanted);
        Self {
            wanted,
            replicas: status.replicas,
            ready: status.ready_replicas.unwrap_or(0),
            rolling: !seen || !replaced || status.replicas != wanted,
        }
    }
}

/// Is a pod Ready?
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .filter(|condition| condition.type_ == "Ready")
        .any(|condition| condition.status == "True")
}

/// Is a pod Ready, and not on its way out?
pub fn serves(pod: &Pod) -> bool {
    is_ready(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Does a ready pod say nothing about itself?
pub fn has_silent_pods(gathered: &Gathered) -> bool {
    let silent = |pod: &Pod| is_ready(pod) && !gathered.answers.contains_key(&pod.name_any());
    gathered.pods.iter().any(silent)
}

/// What a pod says about the modes and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// Nothing.
    Silent,
    /// It has the wanted ones in force.
    InForce,
    /// It has others, and perhaps says why.
    Others(&'a str),
}

/// What a pod says about the modes and lists with this hash.
pub fn word<'a>(gathered: &'a Gathered, pod: &str, hash: &str) -> Word<'a> {
    let Some(access) = gathered.answers.get(pod).map(|answer| &answer.access) else {
        return Word::Silent;
    };
    match (access.hash.as_str(), access.error.as_str()) {
        (have, _) if have == hash => Word::InForce,
        ("", "") => Word::Silent,
        (_, why) => Word::Others(why),
    }
}

/// The hash of the configuration file that pods should have.
pub fn wanted(plan: &Plan) -> String {
    hash(&config_text(plan))
}

/// Pods that run another configuration file than the newest, or other modes and lists. One that says why, nudge after nudge,
/// refuses the file and is not waited for; what it says at first may be about an older file. One that does not say is not
/// doubted.
pub fn behind<'a>(gathered: &'a Gathered, plan: &Plan) -> Vec<&'a Pod> {
    let wanted = wanted(plan);
    let lists = &plan.allowlist.hash;
    let is_behind = |pod: &&Pod| {
        let name = pod.name_any();
        let Some(answer) = gathered.answers.get(&name) else {
            return false;
        };
        let have = &answer.configuration;
        let file = !have.hash.is_empty() && have.hash != wanted;
        if file && !have.error.is_empty() && gathered.nudged.enough(&wanted) {
            return false;
        }
        let others = || matches!(word(gathered, &name, lists), Word::Others(_));
        file || (!lists.is_empty() && others())
    };
    gathered.pods.iter().filter(is_behind).collect()
}

/// Does a pod that serves say that it runs the newest configuration, lists and all?
pub fn has_arrived(gathered: &Gathered, plan: &Plan) -> bool {
    let wanted = wanted(plan);
    let lists = &plan.allowlist.hash;
    let has = |pod: &Pod| {
        let name = pod.name_any();
        let answer = gathered.answers.get(&name);
        let file = answer.is_some_and(|answer| answer.configuration.hash == wanted);
        let rest = || lists.is_empty() || word(gathered, &name, lists) == Word::InForce;
        file && rest()
    };
    gathered.pods.iter().any(|pod| serves(pod) && has(pod))
}

/// What keeps pods from serving, in words; empty when nothing is known.
pub fn trouble(gathered: &Gathered) -> String {
    let pods = gathered.pods.iter().filter(|pod| !is_ready(pod));
    let told: Vec<String> = pods.filter_map(|pod| pod_trouble(gathered, pod)).collect();
    told.join("; ")
}

/// Why a relay ended that is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// Must somebody change something first?
    pub misused: bool,
    /// Its sentence.
    pub words: String,
}

/// Characters of last words that are told.
const WORDS: usize = 500;
/// The exit code of `relay serve` when somebody must change something first.
const MISUSED: i32 = 2;

/// The sentence with which the relay of a pod ended, until it answers or serves again. Of its log only that one line counts,
/// which begins with the program's name.
pub fn last_words(gathered: &Gathered, pod: &Pod) -> Option<LastWords> {
    if is_ready(pod) || gathered.answers.contains_key(&pod.name_any()) {
        return None;
    }
    let mut containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    let relay = containers.find(|container| container.name == names::CONTAINER)?;
    if relay.started == Some(true) {
        return None; // it served since, and is silent for another reason
    }
    let mut states = [&relay.state, &relay.last_state].into_iter().flatten();
    let ended = states.find_map(|state| state.terminated.as_ref())?;
    let log = ended.message.as_deref()?;
    let line = log
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("relay: "))?;
    let printable = line.chars().filter(|letter| !letter.is_control());
    Some(LastWords {
        misused: ended.exit_code == MISUSED,
        words: printable.take(WORDS).collect(),
    })
}

fn pod_trouble(gathered: &Gathered, pod: &Pod) -> Option<String> {
    let name = pod.name_any();
    if let Some(answer) = gathered
        .answers
        .get(&name)
        .filter(|answer| !answer.not_ready.is_empty())
    {
        return Some(format!("{name} is not ready: {}", answer.not_ready));
    }
    if let Some(last) = last_words(gathered, pod) {
        return Some(format!("{name} ended and is started again: {}", last.words));
    }
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let waiting = containers
        .filter_map(|container| container.state.as_ref()?.waiting.as_ref())
        .find_map(|waiting| waiting.reason.clone());
    if let Some(reason) = waiting {
        return Some(format!("{name} waits: {reason}"));
    }
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .find_map(|condition| condition.message.clone());
    unscheduled.map(|message| format!("{name} has no node: {message}"))
}
