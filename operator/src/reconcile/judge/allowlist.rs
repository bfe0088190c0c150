//! AllowlistApplied: has every pod that serves the wanted modes and lists in force?

use super::{Facts, Judgement};
use crate::{
    api::status::{ConditionType, Reason},
    build::Plan,
    reconcile::workload::{self, Word},
};
use kube::ResourceExt;

/// What the pods that serve say together.
enum Said<'a> {
    /// There is none.
    Nothing,
    /// All have what is wanted.
    InForce,
    /// This one does not say.
    Silent(String),
    /// This one has others, and why if it says so.
    Others(String, &'a str),
}

/// Has every pod that serves the wanted modes and lists in force?
pub(super) fn allowlist_applied(facts: &Facts) -> Judgement {
    let judge = |holds: Option<bool>, reason, message: String| {
        Judgement::new(ConditionType::AllowlistApplied, holds, reason, message)
    };
    let no = |reason, message| judge(Some(false), reason, message);
    let unknown = |message| judge(None, Reason::Pending, message);
    let Some(plan) = facts.outcome.written() else {
        return unknown("nothing is written: what the pods have stays".to_owned());
    };
    if let Some(kept) = facts.rejected().filter(|_| plan.allowlist.held_back) {
        let what = if kept.is_nothing {
            "nobody is served until there is a good list"
        } else {
            "what was last good stays in force"
        };
        return no(Reason::Rejected, format!("{what}: {}", kept.message));
    }
    match said(facts, plan) {
        Said::Nothing => unknown("no pod serves".to_owned()),
        Said::InForce => judge(
            Some(true),
            Reason::Applied,
            "every pod that serves has the wanted lists in force".to_owned(),
        ),
        Said::Silent(pod) => unknown(format!("{pod} does not say which lists it has")),
        Said::Others(pod, why)
            if !why.is_empty() && facts.gathered.nudged.enough(&workload::wanted(plan)) =>
        {
            no(
                Reason::Rejected,
                format!("{pod} keeps its last good lists: {why}"),
            )
        }
        Said::Others(pod, _) => no(
            Reason::Propagating,
            format!("{pod} does not have the newest lists yet"),
        ),
    }
}

/// One that has others counts more than one that is silent.
fn said<'a>(facts: &'a Facts, plan: &Plan) -> Said<'a> {
    let mut said = Said::Nothing;
    let pods = facts.gathered.pods.iter();
    for pod in pods.filter(|pod| workload::serves(pod)) {
        let pod = pod.name_any();
        match workload::word(facts.gathered, &pod, &plan.allowlist.hash) {
            Word::Others(why) => return Said::Others(pod, why),
            Word::Silent => said = Said::Silent(pod),
            Word::InForce if matches!(said, Said::Nothing) => said = Said::InForce,
            Word::InForce => {}
        }
    }
    said
}
