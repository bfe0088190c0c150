//! Who may read, who may write, and what: the hot sections `access`, `auth` and `addresses`, and the generation that ties them
//! to the lists.

use crate::{Cidr, KindRange, lists};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How a list is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Mode {
    /// Everybody; the list is not asked.
    #[default]
    Open,
    /// Only the listed.
    Allow,
    /// All but the listed.
    Deny,
}

/// Whose key is judged when an event is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WriteBy {
    /// The event's author.
    #[default]
    Author,
    /// The keys that the session proved (NIP-42).
    Session,
    /// Either of both.
    Either,
}

/// Who may read and write, and which kinds are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Access {
    /// Who may read; judged by the keys that the session proved.
    pub read: Read,
    /// Who may write.
    pub write: Write,
    /// Who may do neither, whatever the other lists say.
    pub banned: Banned,
    /// Which kinds are taken.
    pub kinds: Kinds,
    /// SHA-256 of all that says who gets in (modes, kinds, `hot.auth`, `hot.addresses` and the lists), in hex, when the lists
    /// stand in eight files beside this one, `allowlist-00` to `allowlist-07`: the operator's way. All of it then changes
    /// together or not at all. 64 zeros: there never was a good list, and nobody is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// The `metadata.uid` of the Kubernetes resource that this file is written for. What the data directory keeps of the
    /// lists of another resource is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_uid: Option<String>,
}

impl Access {
    /// Does it say that there never was a good list ([`lists::NOBODY`])?
    pub fn knows_nobody(&self) -> bool {
        self.generation.as_deref() == Some(lists::NOBODY)
    }
}

/// Who may read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Read {
    /// How the list is meant.
    pub mode: Mode,
    /// The list, where it does not stand in files of its own: `npub1…` or 64 hex, optionally `until 2027-01-01`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pubkeys: Vec<String>,
}

/// Who may write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Write {
    /// How the list is meant.
    pub mode: Mode,
    /// Whose key is judged.
    pub by: WriteBy,
    /// The list, where it does not stand in files of its own: `npub1…` or 64 hex, optionally `until 2027-01-01`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pubkeys: Vec<String>,
}

/// Who may do nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Banned {
    /// The list, where it does not stand in files of its own: `npub1…` or 64 hex, optionally `until 2027-01-01`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pubkeys: Vec<String>,
}

/// Which kinds are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Kinds {
    /// Kinds and ranges of kinds that are taken, like `"1"` or `"30000-39999"`; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub allow: Vec<KindRange>,
    /// Kinds and ranges of kinds that are not taken, whatever `allow` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub deny: Vec<KindRange>,
}

impl Kinds {
    /// Are events of this kind taken?
    pub fn takes(&self, kind: u16) -> bool {
        let holds = |ranges: &[KindRange]| ranges.iter().any(|range| range.contains(kind));
        !holds(&self.deny) && (self.allow.is_empty() || holds(&self.allow))
    }
}

/// When a client must prove a key before it is served (NIP-42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Required {
    /// Only where a rule asks who the client is.
    #[default]
    Never,
    /// Before it writes.
    Write,
    /// Before it reads.
    Read,
    /// Before it reads or writes.
    Always,
}

/// Authentication of clients (NIP-42).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Auth {
    /// When a client must prove a key before it is served.
    pub required: Required,
}

/// From where clients may come; judged on the client's address before the upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Addresses {
    /// Ranges of addresses that may connect; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Cidr>,
    /// Ranges of addresses that may not, whatever `allow` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Cidr>,
}

impl Addresses {
    /// May a client with this address connect?
    pub fn admit(&self, address: IpAddr) -> bool {
        let holds = |ranges: &[Cidr]| ranges.iter().any(|range| range.contains(address));
        !holds(&self.deny) && (self.allow.is_empty() || holds(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_kind_is_not_taken_whatever_is_allowed() {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let kinds = Kinds {
            allow: ranges(&["0-9", "30000-39999"]),
            deny: ranges(&["4"]),
        };
        let taken: Vec<u16> = [0, 4, 9, 10, 30_000, 40_000]
            .into_iter()
            .filter(|kind| kinds.takes(*kind))
            .collect();
        assert_eq!(taken, [0, 9, 30_000]);
        assert!(Kinds::default().takes(4));
    }

    #[test]
    fn a_denied_address_stays_out_whatever_is_allowed() {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let addresses = Addresses {
            allow: ranges(&["10.0.0.0/8"]),
            deny: ranges(&["10.1.0.0/16"]),
        };
        let admitted = |address: &str| addresses.admit(address.parse().unwrap());
        assert!(admitted("10.0.0.1") && !admitted("10.1.0.1") && !admitted("192.0.2.1"));
        assert!(Addresses::default().admit("192.0.2.1".parse().unwrap()));
    }
}
