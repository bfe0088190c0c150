//! Sources and what they come to, in words.

use crate::common::yaml;
use nostr_fleet_operator::{
    api::access::Access,
    reconcile::allowlist::{self, Map, Maps, Merged, Rejected},
};
use relay_config::lists::Entry;
use std::collections::BTreeMap;

pub const ANNA: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
pub const ANNA_NPUB: &str = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";
pub const BEN: &str = "7bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

pub fn access(text: &str) -> Access {
    yaml(text)
}

/// ConfigMaps by name: `{residents: {list: text}}`; all with label `list: <name>`.
pub fn maps(text: &str) -> Maps {
    let values: BTreeMap<String, BTreeMap<String, String>> = yaml(text);
    values
        .into_iter()
        .map(|(name, values)| {
            let labels = [("list".to_owned(), name.clone())].into();
            let map = Map {
                labels,
                values,
                ..Map::default()
            };
            (name, map)
        })
        .collect()
}

pub fn merge(spec: &str, sources: &str) -> Result<Merged, Rejected> {
    merged(spec, &maps(sources))
}

pub fn merged(spec: &str, maps: &Maps) -> Result<Merged, Rejected> {
    let access = access(spec);
    let terms = allowlist::modes(&access).into();
    allowlist::merge(&access, terms, maps)
}

pub fn listed(merged: &Merged) -> Vec<String> {
    let line = |entry: &Entry| {
        let mut line = format!("{:?} ", entry.list);
        entry.push_line(&mut line);
        line.trim_end().to_owned()
    };
    merged.lists.entries().iter().map(line).collect()
}
