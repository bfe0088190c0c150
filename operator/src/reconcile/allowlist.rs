//! Spec and sources of lists → one generation of all that says who gets in, or what is wrong with it. Pure. Nothing of a line
//! is ever repeated in a message: people paste secret keys.

mod lines;
mod texts;

use crate::api::{
    access::{Access, Addresses, Selector, Source},
    shared::Texts,
    status::Reason,
};
use lines::Bad;
use relay_config::{
    Auth, Cidr, Lists, access,
    lists::{self, Entry, List, Modes, SHARD_BYTES, SHARDS, Terms},
};
use std::collections::{BTreeMap, BTreeSet};
use texts::{few_enough, named, texts};

/// Ranges of addresses that the relay's file may hold.
const RANGES: usize = 10_000;
/// ConfigMaps that one selector may select.
pub const SELECTED: usize = 100;
/// Bytes of all ConfigMaps that one resource reads. The 120,000 entries that the shards hold are 8 MB with their dates
/// and line ends, and comments may take as much again; the operator of all namespaces has 256Mi, and holds few of these at once.
pub const SOURCES_BYTES: usize = 16_000_000;
/// Entries that are merged before doubles are taken out: twice what the shards hold, and more.
const MERGED: usize = 300_000;
/// The field of ranges of addresses, below `spec`.
const ADDRESSES: &str = "addresses";

/// The ConfigMaps that a resource's sources name or select, by name.
pub type Maps = BTreeMap<String, Map>;

/// What is read of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// Its labels.
    pub labels: Texts,
    /// Its texts by key.
    pub values: BTreeMap<String, String>,
    /// Its keys under `binaryData`, where kubectl puts what is not UTF-8.
    pub binary: BTreeSet<String>,
}

/// What each text, key and label takes besides its bytes.
const PIECE: usize = 64;

impl Map {
    /// How much of it is held: texts, keys and labels.
    pub fn bytes(&self) -> usize {
        let pairs = self.values.iter().chain(&self.labels);
        let pairs = pairs.map(|(key, value)| key.len() + value.len() + PIECE);
        let binary = self.binary.iter().map(|key| key.len() + PIECE);
        pairs.sum::<usize>() + binary.sum::<usize>()
    }
}

/// What was read of the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The ConfigMaps.
    pub maps: Maps,
    /// Selectors that select more than are read.
    pub cut: Vec<Selector>,
    /// Are they more than [`SOURCES_BYTES`] together? Then none is here.
    pub too_large: bool,
}

impl From<Maps> for Sources {
    fn from(maps: Maps) -> Self {
        Self {
            maps,
            ..Self::default()
        }
    }
}

/// Why the sources cannot be put into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// For conditions and events.
    pub reason: Reason,
    /// For people: source and line.
    pub message: String,
}

/// Lists as the spec and its sources say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What they come to, under the spec's terms.
    pub lists: Lists,
    /// ConfigMaps that were read, and one more if the spec holds some itself.
    pub sources: u64,
}

/// What the spec and its sources come to, each of both taken or refused by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Lists, under the terms of the spec. Where the addresses are refused these terms let nobody in.
    pub lists: Result<Merged, Rejected>,
    /// From where clients may come.
    pub addresses: Result<access::Addresses, Rejected>,
}

impl Asked {
    /// What these sources come to.
    pub fn of(access: &Access, auth: &Auth, ranges: &Addresses, sources: &Sources) -> Self {
        let maps = &sources.maps;
        let addresses =
            few_enough(&ranges.from, ADDRESSES, sources).and_then(|()| addresses(ranges, maps));
        let terms = terms(access, auth, addresses.as_ref().ok());
        let mut lists = parts(access).into_iter();
        Self {
            lists: lists
                .try_for_each(|part| few_enough(part.from, part.field, sources))
                .and_then(|()| merge(access, terms, maps)),
            addresses,
        }
    }

    /// Can all of it be put into force?
    pub fn is_good(&self) -> bool {
        self.lists.is_ok() && self.addresses.is_ok()
    }
}

/// One list of the spec that is asked.
struct Part<'a> {
    list: List,
    field: &'static str,
    pubkeys: &'a [String],
    from: &'a [Source],
}

impl Part<'_> {
    /// Where its entries may stand, for people.
    fn places(&self) -> Vec<String> {
        let place = |source: &Source| match (&source.config_map, &source.selector) {
            (Some(one), _) => format!("ConfigMap {}", one.name),
            (None, Some(selector)) => format!("a ConfigMap with {}", selector.text()),
            (None, None) => "from".to_owned(),
        };
        let places = self.from.iter().map(place);
        places.chain(["pubkeys".to_owned()]).collect()
    }
}

/// On which terms the spec lets somebody in; nobody where its addresses cannot be used.
pub fn terms(access: &Access, auth: &Auth, addresses: Option<&access::Addresses>) -> Terms {
    Terms {
        modes: modes(access),
        auth: auth.clone(),
        kinds: access.kinds.clone(),
        addresses: addresses.cloned().unwrap_or_else(nowhere),
    }
}

/// How the spec means its lists.
pub fn modes(access: &Access) -> Modes {
    Modes {
        read: access.read.mode,
        write: access.write.mode,
        by: access.write.by,
    }
}

/// Does the spec have lists at all? Without, neither a generation nor shards are written.
pub fn has_lists(access: &Access) -> bool {
    parts(access)
        .iter()
        .any(|part| part.list != List::Banned || !part.pubkeys.is_empty() || !part.from.is_empty())
}

/// The sources that are asked. A list whose mode is Open is not.
pub fn sources<'a>(access: &'a Access, addresses: &'a Addresses) -> Vec<&'a Source> {
    let lists = parts(access).into_iter().flat_map(|part| part.from);
    lists.chain(&addresses.from).collect()
}

fn parts(access: &Access) -> Vec<Part<'_>> {
    let Access {
        read,
        write,
        banned,
        kinds: _,
    } = access;
    let mut parts = vec![Part {
        list: List::Banned,
        field: "access.banned",
        pubkeys: &banned.pubkeys,
        from: &banned.from,
    }];
    if read.mode != access::Mode::Open {
        parts.push(Part {
            list: List::Read,
            field: "access.read",
            pubkeys: &read.pubkeys,
            from: &read.from,
        });
    }
    if write.mode != access::Mode::Open {
        parts.push(Part {
            list: List::Write,
            field: "access.write",
            pubkeys: &write.pubkeys,
            from: &write.from,
        });
    }
    parts
}

/// All sources of all lists as one, under these terms, or what is wrong: what is missing first, then bad lines, then what is
/// empty though only the listed are allowed, then what is too large.
pub fn merge(access: &Access, terms: Terms, maps: &Maps) -> Result<Merged, Rejected> {
    let (mut entries, mut used, mut lines) = (Vec::new(), BTreeSet::new(), Bad::default());
    for part in parts(access) {
        for (index, line) in part.pubkeys.iter().enumerate() {
            let name = || format!("spec.{}.pubkeys[{index}]", part.field);
            let listed = lines.take(lists::line(line), name).flatten();
            entries.extend(listed.map(|listed| entry(part.list, listed)));
        }
        for text in texts(part.from, part.field, maps)? {
            let listed = lines.good(&text, lists::line);
            entries.extend(listed.into_iter().map(|listed| entry(part.list, listed)));
            if entries.len() > MERGED {
                return too_many(&format!("more than {MERGED}"));
            }
        }
        used.extend(part.from.iter().flat_map(|source| named(source, maps)));
    }
    lines.verdict("entries")?;
    nobody_is_allowed(access, &entries)?;
    let inline = parts(access).iter().any(|part| !part.pubkeys.is_empty());
    let merged = Merged {
        lists: Lists::new(terms, entries),
        sources: used.len() as u64 + u64::from(inline),
    };
    too_large(&merged.lists)?;
    Ok(merged)
}

fn entry(list: List, (key, until): lists::Listed) -> Entry {
    Entry { key, list, until }
}

/// Lists that allow nobody are a mistake: an emptied file, a label with a typing error.
fn nobody_is_allowed(access: &Access, entries: &[Entry]) -> Result<(), Rejected> {
    for part in parts(access) {
        let mode = match part.list {
            List::Read => access.read.mode,
            List::Write => access.write.mode,
            List::Banned => continue,
        };
        let empty = || entries.iter().all(|entry| entry.list != part.list);
        if mode == access::Mode::Allow && empty() {
            return bad(format!(
                "spec.{} has mode Allow and an empty list, which would allow nobody: name somebody in {}",
                part.field,
                part.places().join(" or ")
            ));
        }
    }
    Ok(())
}

/// A shard must fit into a ConfigMap.
fn too_large(lists: &Lists) -> Result<(), Rejected> {
    let mut bytes = [65_usize; SHARDS];
    for entry in lists.entries() {
        // A letter, a blank, 64 characters, the end of the line; a blank and a date.
        bytes[entry.key.shard()] += 67 + if entry.until.is_some() { 11 } else { 0 };
    }
    match bytes.iter().max() {
        Some(largest) if *largest > SHARD_BYTES => too_many(&lists.entries().len().to_string()),
        _ => Ok(()),
    }
}

fn too_many<T>(entries: &str) -> Result<T, Rejected> {
    bad(format!(
        "the lists of spec.access have {entries} entries, too many for eight ConfigMaps (about 120000): take some out"
    ))
}

/// The ranges of addresses of the spec and its sources, which hold ranges that may not connect.
pub fn addresses(asked: &Addresses, maps: &Maps) -> Result<access::Addresses, Rejected> {
    let (mut deny, mut lines) = (asked.deny.clone(), Bad::default());
    for text in texts(&asked.from, ADDRESSES, maps)? {
        deny.extend(lines.good(&text, range));
        deny.sort();
        deny.dedup();
        if deny.len() > RANGES {
            return bad(format!(
                "spec.addresses has more than {RANGES} ranges to deny: join neighbours"
            ));
        }
    }
    lines.verdict("ranges")?;
    Ok(access::Addresses {
        allow: asked.allow.clone(),
        deny,
    })
}

/// One line as people write it; `None` when it is but a comment or blanks.
fn range(line: &str) -> Result<Option<Cidr>, String> {
    let said = lists::said(line).map_err(|why| why.to_string())?;
    let why = |_| "not a range of addresses: write 203.0.113.0/24 or 2001:db8::/32".to_owned();
    let range = (!said.is_empty()).then(|| said.parse::<Cidr>().map_err(why));
    range.transpose()
}

/// While there never were good addresses nobody may connect.
fn nowhere() -> access::Addresses {
    let everywhere = ["0.0.0.0/0", "::/0"].map(|range| range.parse().expect("a range"));
    access::Addresses {
        allow: Vec::new(),
        deny: everywhere.to_vec(),
    }
}

fn missing<T>(message: String) -> Result<T, Rejected> {
    let reason = Reason::MissingReference;
    Err(Rejected { reason, message })
}

fn bad<T>(message: String) -> Result<T, Rejected> {
    let reason = Reason::BadKey;
    Err(Rejected { reason, message })
}
