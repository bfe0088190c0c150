//! The texts that a list's sources come to, or which of them is missing or cannot be read.

use super::{Map, Maps, Rejected, SELECTED, SOURCES_BYTES, Sources, bad, missing};
use crate::{
    api::access::{ConfigMapSource, Source},
    names,
};
use std::collections::BTreeSet;

/// A text with the words that name it.
pub(super) struct Text<'a> {
    pub(super) name: String,
    pub(super) text: &'a str,
}

/// The names of the ConfigMaps of a source that are there.
pub(super) fn named<'a>(source: &'a Source, maps: &'a Maps) -> Vec<&'a str> {
    let selected = |map: &Map| {
        source
            .selector
            .as_ref()
            .is_some_and(|selector| selector.selects(&map.labels))
    };
    match &source.config_map {
        Some(one) => vec![one.name.as_str()],
        None => maps
            .iter()
            .filter(|(_, map)| selected(map))
            .map(|(name, _)| name.as_str())
            .collect(),
    }
}

/// All texts of a list's sources, each once; a named one that is not there is missed.
pub(super) fn texts<'a>(
    from: &[Source],
    field: &str,
    maps: &'a Maps,
) -> Result<Vec<Text<'a>>, Rejected> {
    let (mut texts, mut there) = (Vec::new(), BTreeSet::new());
    for source in from {
        for name in named(source, maps) {
            let Some((name, map)) = maps.get_key_value(name) else {
                return missing(format!(
                    "ConfigMap {name}, which spec.{field}.from names, does not exist: create it"
                ));
            };
            let only = source.config_map.as_ref().and_then(key);
            let new = read(name, map, only, field)?.filter(|(key, _)| there.insert((name, *key)));
            texts.extend(new.map(|(key, text)| Text {
                name: format!("ConfigMap {name}, key {key}"),
                text,
            }));
        }
    }
    Ok(texts)
}

/// The texts of a ConfigMap that count: all, or those under one key.
fn read<'a>(
    name: &str,
    map: &'a Map,
    only: Option<&str>,
    field: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a String)>, Rejected> {
    let counts = move |key: &str| only.is_none_or(|only| only == key);
    if let Some(key) = map.binary.iter().find(|key| counts(key)) {
        return bad(format!(
            "ConfigMap {name}, key {key}: not UTF-8 text: save it as UTF-8, or name another key in spec.{field}.from"
        ));
    }
    if let Some(key) = only.filter(|key| !map.values.contains_key(*key)) {
        return missing(format!(
            "ConfigMap {name} has no key {key}, which spec.{field}.from names: add it"
        ));
    }
    let manager = map.labels.get(names::LABEL_MANAGED_BY);
    if manager.is_some_and(|manager| manager == names::MANAGER) {
        return bad(format!(
            "ConfigMap {name}, which spec.{field}.from names, has the label {}, the mark of what the operator writes and of nothing else: take the label off",
            names::managed()
        ));
    }
    Ok(map.values.iter().filter(move |(key, _)| counts(key)))
}

fn key(source: &ConfigMapSource) -> Option<&str> {
    source.key.as_deref()
}

/// The sources must be small enough together, and each selector of these must select few enough.
pub(super) fn few_enough(from: &[Source], field: &str, sources: &Sources) -> Result<(), Rejected> {
    if sources.too_large && !from.is_empty() {
        return bad(format!(
            "the ConfigMaps in spec.access and spec.addresses hold more than {} MB together (120000 entries are 8): \
             name or select fewer in spec.{field}.from, or take out of them what is no list",
            SOURCES_BYTES / 1_000_000
        ));
    }
    let cut = &sources.cut;
    let mut selectors = from.iter().filter_map(|source| source.selector.as_ref());
    match selectors.find(|selector| cut.contains(selector)) {
        None => Ok(()),
        Some(selector) => bad(format!(
            "the selector {} in spec.{field}.from selects more than {SELECTED} ConfigMaps: join some of them",
            selector.text()
        )),
    }
}
