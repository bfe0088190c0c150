//! The relay's configuration file.
//!
//! `cold` keys need a restart: the operator hashes them into the pod template. `hot` keys swap in place when the file
//! changes. Unknown keys are errors with their line. Keys at their default are left out when written, so that an older
//! relay can read what a newer operator writes as long as nothing new is used.

use crate::{
    Access, Auth, Cidr, Info, Limits, Lists,
    access::{Addresses, Mode},
    lines, names, value,
};
use nostr::key::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf};

/// The only version of the file that is read.
pub const VERSION: u32 = 1;

/// A whole configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Always 1.
    pub version: u32,
    /// Takes effect at the next start.
    #[serde(default)]
    pub cold: Cold,
    /// Takes effect as soon as the file changes.
    #[serde(default)]
    pub hot: Hot,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: VERSION,
            cold: Cold::default(),
            hot: Hot::default(),
        }
    }
}

/// Settings that need a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cold {
    /// What this process is.
    pub role: Role,
    /// Public address: WebSocket and HTTP.
    #[serde(deserialize_with = "value::socket_address")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub listen: SocketAddr,
    /// Address of `/livez /readyz /metrics /status`.
    #[serde(deserialize_with = "value::socket_address")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub ops: SocketAddr,
    /// The store's directory.
    pub data: PathBuf,
    /// A tmpfs that lives as long as the pod or the boot; default `$XDG_RUNTIME_DIR`, else `/dev/shm`.
    pub runtime_dir: Option<PathBuf>,
    /// How long a stop may take to say goodbye to its clients.
    pub grace: value::Duration,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// TLS on the public port; without it plain WebSockets.
    pub tls: Option<Tls>,
    /// Proxies in `hot.trustedProxies` send a PROXY protocol header (v1 or v2) before everything else; any other address is
    /// closed.
    pub proxy_protocol: bool,
}

impl Default for Cold {
    fn default() -> Self {
        Self {
            role: Role::Relay,
            listen: SocketAddr::from(([127, 0, 0, 1], names::PORT_WS)),
            ops: SocketAddr::from(([127, 0, 0, 1], names::PORT_OPS)),
            data: PathBuf::from("./data"),
            runtime_dir: None,
            grace: value::Duration::seconds(2),
            log_format: LogFormat::Text,
            tls: None,
            proxy_protocol: false,
        }
    }
}

/// The certificate of the public port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Directory with `tls.crt` (the chain, leaf first) and `tls.key`, as a `kubernetes.io/tls` Secret is mounted. Both are read again when
    /// they change; a pair that does not fit together leaves the one in force.
    pub directory: PathBuf,
}

/// The role of a relay process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A Nostr relay.
    Relay,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what happened.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

/// Settings that swap in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Hot {
    /// What clients type: `ws://` or `wss://`, host, optional port and path. Logins (NIP-42) and requests to vanish (NIP-62) name it.
    pub url: Option<String>,
    /// The relay information document's texts (NIP-11).
    pub info: Info,
    /// What one client may ask.
    pub limits: Limits,
    /// Who may read and write.
    pub access: Access,
    /// When clients must say who they are (NIP-42).
    pub auth: Auth,
    /// From where clients may come.
    pub addresses: Addresses,
    /// Addresses of proxies whose `X-Forwarded-For` or PROXY header names the client.
    pub trusted_proxies: Vec<Cidr>,
    /// The least important log lines that are written.
    pub log_level: LogLevel,
    /// The volume.
    pub storage: Storage,
}

impl Default for Hot {
    fn default() -> Self {
        Self {
            url: None,
            info: Info::default(),
            limits: Limits::default(),
            access: Access::default(),
            auth: Auth::default(),
            addresses: Addresses::default(),
            trusted_proxies: Vec::new(),
            log_level: LogLevel::Info,
            storage: Storage::default(),
        }
    }
}

/// What the store may use and how soon deleted text leaves the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Storage {
    /// Size of the claim, where the file system does not tell: the smaller of both counts.
    pub size: Option<value::Size>,
    /// Text of deleted and vanished events is gone from the files after this time at the latest.
    pub erase_within: value::Duration,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: None,
            erase_within: value::Duration::seconds(24 * 3600),
        }
    }
}

/// Why a file cannot be used. The text names the key, the line and the column.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, an unknown key, a wrong type or a value out of bounds.
    #[error("invalid configuration: {source}{hint}")]
    Syntax {
        /// What is wrong, mostly with the line.
        source: serde_yaml::Error,
        /// The line or the fix, where the source does not say.
        hint: String,
    },
    /// Written by another generation of the operator.
    #[error(
        "invalid configuration: version: {0} is not known here, this relay reads version {VERSION}"
    )]
    Version(u32),
    /// A rule between values.
    #[error("invalid configuration: {key}: {problem}")]
    Rule {
        /// Path of the key, with dots.
        key: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

impl Config {
    /// Reads a file's text. An empty text is the default configuration.
    pub fn read(text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let config: Self = serde_yaml::from_str(text).map_err(|source| ConfigError::Syntax {
            hint: lines::hint(text, &source),
            source,
        })?;
        if config.version != VERSION {
            return Err(ConfigError::Version(config.version));
        }
        config.check().map_err(|error| error.at_its_line(text))?;
        Ok(config)
    }

    /// The rules between values, for flags that were laid over the file too.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.hot.url {
            let rest = url
                .strip_prefix("wss://")
                .or_else(|| url.strip_prefix("ws://"));
            let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
            if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
                return rule(
                    "hot.url",
                    format!("{url:?} is not a relay URL: write wss://host or ws://host:port"),
                );
            }
        }
        if let Some(Err(error)) = self.hot.info.pubkey.as_deref().map(PublicKey::parse) {
            return rule(
                "hot.info.pubkey",
                format!("not a public key ({error}): write npub1… or 64 hex characters"),
            );
        }
        self.check_access()?;
        if self.cold.proxy_protocol && self.hot.trusted_proxies.is_empty() {
            return rule(
                "cold.proxyProtocol",
                "without hot.trustedProxies nobody may connect: name the proxies".to_owned(),
            );
        }
        if self.cold.listen == self.cold.ops && self.cold.listen.port() != 0 {
            return rule(
                "cold.ops",
                format!(
                    "{} is the public address too: choose another port",
                    self.cold.ops
                ),
            );
        }
        Ok(())
    }

    /// Lists stand in the file or beside it, never both; one that allows nobody is a mistake.
    fn check_access(&self) -> Result<(), ConfigError> {
        let access = &self.hot.access;
        let inline = [
            &access.banned.pubkeys,
            &access.read.pubkeys,
            &access.write.pubkeys,
        ];
        if access.generation.is_some() {
            if inline.iter().all(|list| list.is_empty()) {
                return Ok(());
            }
            return rule(
                "hot.access.generation",
                "lists stand in files beside this one: leave out pubkeys here".to_owned(),
            );
        }
        if let Err(error) = Lists::inline(&self.hot) {
            return rule("hot.access", error.to_string());
        }
        for (key, mode, list) in [
            ("hot.access.read", access.read.mode, &access.read.pubkeys),
            ("hot.access.write", access.write.mode, &access.write.pubkeys),
        ] {
            if mode == Mode::Allow && list.is_empty() {
                return rule(
                    key,
                    "mode Allow with no pubkeys would allow nobody: name somebody".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// The file's text, keys sorted, without the keys that are at their default.
    pub fn write(&self) -> String {
        let mut value = serde_json::to_value(self).expect("configuration is plain data");
        let default = serde_json::to_value(Self::default()).expect("configuration is plain data");
        remove_defaults(&mut value, &default);
        value["version"] = self.version.into();
        serde_yaml::to_string(&value).expect("plain data is YAML")
    }

    /// The cold part as it would be written: what the operator hashes into the pod template.
    pub fn cold_text(&self) -> String {
        Self {
            hot: Hot::default(),
            ..self.clone()
        }
        .write()
    }
}

impl ConfigError {
    /// The same error with the line of its key in the file's text.
    #[must_use]
    pub fn at_its_line(self, text: &str) -> Self {
        match self {
            Self::Rule { key, problem } => Self::Rule {
                key,
                problem: problem + &lines::of_key(text, key),
            },
            other => other,
        }
    }
}

fn rule(key: &'static str, problem: String) -> Result<(), ConfigError> {
    Err(ConfigError::Rule { key, problem })
}

fn remove_defaults(value: &mut Value, default: &Value) {
    let (Value::Object(keys), Value::Object(defaults)) = (value, default) else {
        return;
    };
    for (key, default) in defaults {
        if let Some(value) = keys.get_mut(key) {
            remove_defaults(value, default);
        }
    }
    keys.retain(|key, value| {
        let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
        !(empty || value.is_null() || defaults.get(key) == Some(value))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::read("").unwrap(), Config::default());
        assert_eq!(Config::default().write(), "version: 1\n");
    }

    #[test]
    fn what_is_written_is_read_back_and_defaults_are_left_out() {
        let text = "cold:\n  grace: 45s\nhot:\n  limits:\n    subscriptions: 20\nversion: 1\n";
        let config = Config::read(text).unwrap();
        assert_eq!(config.hot.limits.subscriptions.get(), 20);
        assert_eq!(config.write(), text);
        assert_eq!(config.cold_text(), "cold:\n  grace: 45s\nversion: 1\n");
    }

    #[test]
    fn mistakes_are_named_with_key_and_line() {
        let unknown = Config::read("version: 1\nhot:\n  limits:\n    subscription: 20\n")
            .unwrap_err()
            .to_string();
        assert!(
            unknown.contains("hot.limits")
                && unknown.contains("`subscription`")
                && unknown.contains("line 4"),
            "{unknown}"
        );
        let bounds = Config::read("version: 1\nhot:\n  limits:\n    subscriptions: 0\n")
            .unwrap_err()
            .to_string();
        assert!(
            bounds.contains("hot.limits.subscriptions")
                && bounds.contains("from 1 to 10000")
                && bounds.contains("line 4"),
            "{bounds}"
        );
        let version = Config::read("version: 9\n").unwrap_err().to_string();
        assert!(version.contains("version: 9"), "{version}");
        assert!(
            Config::read("hot: {}\n")
                .unwrap_err()
                .to_string()
                .contains("missing field `version`")
        );
    }

    #[test]
    fn each_mistake_says_how_to_mend_it() {
        for (text, words) in [
            (
                "version: 1\nhot:\n  url: https://x\n",
                &["hot.url", "wss://host", "at line 3"][..],
            ),
            (
                "version: 1\ncold: {listen: \"0.0.0.0:9090\", ops: \"0.0.0.0:9090\"}\n",
                &["cold.ops", "choose another port", "at line 2"],
            ),
            (
                "version: 1\ncold:\n  listen: here\n",
                &["cold.listen", "127.0.0.1:8080", "at line 3"],
            ),
            (
                "hot: {}\n",
                &["`version`", "begin the file with version: 1"],
            ),
            ("colour: red\nversion: 1\n", &["`colour`", "at line 1"]),
            (
                "version: 1\nhot: {}\nversion: 1\n",
                &["duplicate field `version`", "at line 3"],
            ),
        ] {
            let error = Config::read(text).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{word} is not in {error}");
            }
        }
    }
}
