//! Who may read and write, from where, and where lists of keys come from.

use super::{lenient, schema, shared::Texts};
use relay_config::{
    Cidr,
    access::{Kinds, Mode, WriteBy},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may read and write, and which kinds are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    /// Who may read; judged by the keys that the session proved (NIP-42).
    pub read: ReadAccess,
    /// Who may write.
    pub write: WriteAccess,
    /// Who may do neither, whatever the other lists say.
    pub banned: Banned,
    /// Which kinds are taken.
    #[serde(deserialize_with = "lenient::known")]
    pub kinds: Kinds,
}

/// Who may read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadAccess {
    /// `Open` to everybody, `Allow` only the listed, `Deny` all but the listed. Hot.
    pub mode: Mode,
    /// The list: `npub1…` or 64 hex, optionally with `until 2027-01-01` behind it, when the entry ends by itself. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::keys")]
    pub pubkeys: Vec<String>,
    /// ConfigMaps of the namespace that hold more of the list, one key a line. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sources")]
    pub from: Vec<Source>,
}

/// Who may write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WriteAccess {
    /// `Open` to everybody, `Allow` only the listed, `Deny` all but the listed. Hot.
    pub mode: Mode,
    /// Whose key is judged: the event's `Author`, the `Session` (the proved keys), or `Either`. Hot.
    pub by: WriteBy,
    /// The list: `npub1…` or 64 hex, optionally with `until 2027-01-01` behind it, when the entry ends by itself. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::keys")]
    pub pubkeys: Vec<String>,
    /// ConfigMaps of the namespace that hold more of the list, one key a line. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sources")]
    pub from: Vec<Source>,
}

/// Who may do nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Banned {
    /// The list: `npub1…` or 64 hex, optionally with `until 2027-01-01` behind it, when the entry ends by itself. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::keys")]
    pub pubkeys: Vec<String>,
    /// ConfigMaps of the namespace that hold more of the list, one key a line. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sources")]
    pub from: Vec<Source>,
}

/// From where clients may come; judged on the client's address before the upgrade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Addresses {
    /// Ranges of addresses that may connect; empty: all. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ranges::<1000>")]
    pub allow: Vec<Cidr>,
    /// Ranges of addresses that may not, whatever `allow` says. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::ranges::<1000>")]
    pub deny: Vec<Cidr>,
    /// ConfigMaps of the namespace with more ranges that may not connect, one a line. Hot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sources")]
    pub from: Vec<Source>,
}

/// Where a part of a list comes from: one ConfigMap by name, or all with certain labels; in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// One ConfigMap. While it is not there the last good list stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// All ConfigMaps with these labels; none is an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// One ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The only key that counts; without it all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// ConfigMaps by their labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that they all have.
    #[schemars(schema_with = "schema::match_labels")]
    pub match_labels: Texts,
}

impl Selector {
    /// Does it select an object with these labels?
    pub fn selects(&self, labels: &Texts) -> bool {
        let holds = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        !self.match_labels.is_empty() && self.match_labels.iter().all(holds)
    }

    /// As a query.
    pub fn text(&self) -> String {
        let terms: Vec<String> = self
            .match_labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        terms.join(",")
    }
}
