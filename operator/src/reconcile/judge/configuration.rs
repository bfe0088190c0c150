//! ConfigurationValid: does the spec make sense, to the operator and to the pods, and is all there that it names?

use super::{Facts, Judgement};
use crate::{
    api::status::{ConditionType, Reason},
    reconcile::{Outcome, gather::Gathered, mounts::Unmounted, workload},
};
use kube::ResourceExt;

/// Does the spec make sense?
pub(super) fn configuration_valid(facts: &Facts) -> Judgement {
    use ConditionType::ConfigurationValid;
    if let Outcome::Refused(refusal) = facts.outcome {
        return Judgement::new(
            ConfigurationValid,
            false,
            refusal.reason,
            refusal.message.clone(),
        );
    }
    if facts.gathered.class_missing {
        return Judgement::new(
            ConfigurationValid,
            false,
            Reason::MissingReference,
            "the StorageClass that spec.storage.storageClassName names does not exist: create it",
        );
    }
    if let Some(missing) = facts.gathered.unmounted.first() {
        return Judgement::new(
            ConfigurationValid,
            false,
            Reason::MissingReference,
            cannot_mount(missing, facts.outcome),
        );
    }
    if let Some(kept) = facts.rejected() {
        return Judgement::new(ConfigurationValid, false, kept.reason, kept.message);
    }
    match rejected_by_a_pod(facts.gathered) {
        Some(message) => Judgement::new(ConfigurationValid, false, Reason::Rejected, message),
        None => Judgement::new(
            ConfigurationValid,
            true,
            Reason::Valid,
            "the spec makes sense",
        ),
    }
}

/// What a pod waits for, and which field names it.
fn cannot_mount(missing: &Unmounted, outcome: &Outcome) -> String {
    let Unmounted {
        pod,
        object,
        key,
        starts,
    } = missing;
    let so = if *starts {
        format!("so {pod} cannot start")
    } else {
        format!("so {pod}, which runs on, could not start again")
    };
    let secret = outcome
        .written()
        .and_then(|plan| plan.tls_secret.as_deref());
    let tls = secret.filter(|secret| object == "Secret" || *object == format!("Secret {secret}"));
    let object = tls.map_or(object.clone(), |secret| format!("Secret {secret}"));
    let named = tls.map_or("", |_| ", which spec.tls.secretName names,");
    match key {
        Some(key) => format!("{object}{named} has no {key}, {so}: add it"),
        None => format!("{object}{named} does not exist, {so}: create it"),
    }
}

/// What a pod refuses, and in its own words why.
fn rejected_by_a_pod(gathered: &Gathered) -> Option<String> {
    if let Some((pod, why)) = refused(gathered) {
        return Some(format!("{pod} refuses it: {why}"));
    }
    if let Some((pod, why)) = certificate_refused(gathered) {
        return Some(format!(
            "{pod} refuses the newest certificate of the Secret that spec.tls.secretName names: {why}"
        ));
    }
    gathered.pods.iter().find_map(|pod| {
        let last = workload::last_words(gathered, pod)?;
        let why = last.misused.then_some(last.words)?;
        Some(format!("{} cannot start with it: {why}", pod.name_any()))
    })
}

/// The first pod that serves on with an older certificate, and why.
pub(in crate::reconcile) fn certificate_refused(gathered: &Gathered) -> Option<(&String, &String)> {
    let told = gathered
        .answers
        .iter()
        .filter_map(|(pod, answer)| Some((pod, &answer.tls.as_ref()?.error)));
    told.into_iter().find(|(_, error)| !error.is_empty())
}

/// The first pod that refuses its configuration file, and why.
pub(in crate::reconcile) fn refused(gathered: &Gathered) -> Option<(&String, &String)> {
    let told = gathered
        .answers
        .iter()
        .map(|(pod, answer)| (pod, &answer.configuration.error));
    told.into_iter().find(|(_, error)| !error.is_empty())
}
