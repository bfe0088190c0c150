//! What the relay says about itself (NIP-11). All of it is hot.

use serde::{Deserialize, Serialize};

/// The texts of the relay information document (NIP-11). Numbers in that document come from the limits, never from here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Info {
    /// Name of the relay; best under 30 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub name: Option<String>,
    /// What the relay is for, in plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 4096)))]
    pub description: Option<String>,
    /// Public key of the administrator: npub or 64 hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 64),
            regex(pattern = r"^(npub1[02-9ac-hj-np-z]{58}|[0-9a-f]{64})$")
        )
    )]
    pub pubkey: Option<String>,
    /// Another way to reach the administrator, a URI such as `mailto:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 512)))]
    pub contact: Option<String>,
    /// URL of a square picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 1024)))]
    pub icon: Option<String>,
    /// URL of a wide picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 1024)))]
    pub banner: Option<String>,
    /// URL of the terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 1024)))]
    pub terms_of_service: Option<String>,
}
