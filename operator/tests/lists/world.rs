//! What the cluster and the operator's part in it would be, without either.

use crate::{
    common::{settings, town},
    scene::maps,
};
use k8s_openapi::jiff::Timestamp;
use nostr_fleet_operator::{
    api::{
        NostrRelay,
        status::{ConditionType, Status},
    },
    build::{self, Applied, Plan, Shards},
    kinds::Kind,
    reconcile::{
        Outcome,
        allowlist::{Asked, Maps},
        gather::Gathered,
        last_good::Written,
        report::report,
        validate::validate,
    },
};
use relay_config::{Config, Hot, Lists, names::CONFIG_FILE};
use std::{collections::BTreeMap, sync::Arc};

pub const LAN: &str = "{allow: [10.0.0.0/8]}";
pub const CRAWLERS: &str = "{from: [{configMap: {name: crawlers}}]}";

/// The cluster and the operator's part in it, without either: objects, sources, status.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub mode: &'static str,
    /// `spec.auth.required`, `spec.access.kinds` and `spec.addresses`, where they are not the default.
    pub auth: &'static str,
    pub kinds: &'static str,
    pub addresses: &'static str,
    pub sources: Maps,
    pub ours: BTreeMap<String, String>,
    pub status: Option<Status>,
}

impl World {
    pub fn relay(&self) -> NostrRelay {
        let or = |text: &'static str, default| if text.is_empty() { default } else { text };
        let (mode, auth) = (or(self.mode, "Open"), or(self.auth, "Never"));
        let (kinds, addresses) = (or(self.kinds, "{}"), or(self.addresses, "{}"));
        let mut relay = town(&format!(
            "{{auth: {{required: {auth}}}, addresses: {addresses}, access: {{kinds: {kinds}, write: {{mode: {mode}, \
             from: [{{configMap: {{name: residents}}}}, {{selector: {{matchLabels: {{list: guests}}}}}}]}}}}}}"
        ));
        relay.status.clone_from(&self.status);
        relay
    }

    pub fn put(&mut self, name: &str, text: &str) {
        let all = maps(&format!("{{{name}: {{list: '{text}'}}}}"));
        self.sources.extend(all);
    }

    pub fn written(&self) -> Written {
        Written {
            config: self.ours.get("config").cloned(),
            shards: std::array::from_fn(|number| {
                self.ours.get(&relay_config::names::shard(number)).cloned()
            }),
        }
    }

    pub fn gathered(&self) -> Gathered {
        let relay = self.relay();
        let common = relay.common();
        let asked = Asked::of(
            common.access,
            common.auth,
            common.addresses,
            &self.sources.clone().into(),
        );
        Gathered {
            asked: Some(asked),
            written: self.written(),
            ..Gathered::default()
        }
    }

    /// One visit, cut short after so many writes: the operator is killed. Looks at what pods could read after each.
    pub fn visit(&mut self, writes: usize, look: &mut dyn FnMut(&Self)) -> Plan {
        let (relay, gathered) = (self.relay(), self.gathered());
        let plan = validate(&relay, &gathered, &settings()).unwrap();
        let children = build::children(&plan);
        let mut left = writes;
        let maps = children.door.shards.iter().chain([&children.door.config]);
        for map in maps {
            if left == 0 {
                return plan;
            }
            left -= 1;
            for (key, text) in map.data.iter().flatten() {
                let key = if key == CONFIG_FILE { "config" } else { key };
                self.ours.insert(key.to_owned(), text.clone());
            }
            look(self);
        }
        if matches!(plan.allowlist.shards, Shards::None) {
            self.ours.retain(|key, _| key == "config"); // pruned
            look(self);
        }
        if left > 0 {
            let stateful_set = children.house.stateful_set;
            let applied = Box::new(Applied { stateful_set });
            let outcome = Outcome::Applied(Arc::new(plan.clone()), applied);
            let status = report(&relay, &gathered, &outcome, Timestamp::UNIX_EPOCH);
            self.status = Some(status);
        }
        plan
    }

    /// What a pod that starts now would find, if it is whole.
    pub fn view(&self) -> Option<Lists> {
        let written = self.written();
        let hot = Config::read(&written.config?).ok()?.hot;
        match hot.access.generation {
            Some(_) => Lists::whole(&hot, &written.shards).ok(),
            None => Lists::inline(&hot).ok(),
        }
    }

    /// All that says who gets in, as the spec and its sources ask for it, if all of it can be used.
    pub fn asked(&self) -> Option<Lists> {
        let asked = self.gathered().asked.unwrap();
        asked.addresses.ok()?;
        Some(asked.lists.ok()?.lists)
    }

    /// What the pods' file says.
    pub fn hot(&self) -> Hot {
        Config::read(&self.ours["config"]).unwrap().hot
    }

    pub fn said(&self, type_: ConditionType) -> String {
        let status = self.status.clone().unwrap_or_default();
        status
            .condition(type_)
            .map_or("-".to_owned(), |it| format!("{}/{}", it.status, it.reason))
    }
}

pub fn whole(world: &mut World) -> Plan {
    world.visit(usize::MAX, &mut |_| ())
}
