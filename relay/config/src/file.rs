//! The relay's configuration file.
//!
//! `cold` keys need a restart: the operator hashes them into the pod template. `hot` keys swap in place when the file
//! changes. Unknown keys are errors with their line. Keys at their default are left out when written, so that an older
//! relay can read what a newer operator writes as long as nothing new is used.

use crate::{Cold, Hot, lines, value};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The only version of the file that is read.
pub const VERSION: u32 = 1;

/// A whole configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "a mapping of keys"
)]
pub struct Config {
    /// Always 1.
    #[serde(deserialize_with = "value::version")]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
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
    fn the_least_times_and_a_url_with_a_path_are_good() {
        let hot = "{url: \"wss://host:65535/town\", limits: {queryTime: 100ms}, storage: {eraseWithin: 10m}}";
        Config::read(&format!("version: 1\nhot: {hot}\n")).unwrap();
    }

    #[test]
    fn the_least_volume_and_named_directories_are_good() {
        let cold = "{data: store, runtimeDir: /run, tls: {directory: certificate}}";
        let file = format!("version: 1\ncold: {cold}\nhot: {{storage: {{size: 256Mi}}}}\n");
        Config::read(&file).unwrap();
    }

    #[test]
    fn what_is_no_mapping_is_told_in_the_words_of_the_file() {
        for (text, words) in [
            (
                "# town\n- version: 1\n",
                &[
                    "a mapping of keys",
                    "at line 2",
                    "begin the file with version: 1",
                ][..],
            ),
            ("hello\n", &["a mapping of keys", "at line 1"]),
            (
                "version: 1\nhot: [a]\n",
                &["hot: ", "a mapping of keys", "at line 2"],
            ),
            (
                "version: 1\nhot:\n  access:\n    read: Allow\n",
                &["hot.access.read", "a mapping of keys", "at line 4"],
            ),
            (
                "version: \"1\"\n",
                &["version: ", "without quotes", "at line 1"],
            ),
            ("version: -1\n", &["without quotes", "at line 1"]),
            (
                "---\nversion: 1\n---\nversion: 1\n",
                &["document", "at line 3", "leave out"],
            ),
        ] {
            let error = Config::read(text).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{word} is not in {error}");
            }
            for word in ["struct", "u32"] {
                assert!(!error.contains(word), "{word} is in {error}");
            }
        }
        Config::read("---\nversion: 1\n").unwrap();
    }

    #[test]
    fn each_mistake_says_how_to_mend_it() {
        for (text, words) in [
            (
                "version: 1\nhot:\n  url: https://x\n",
                &["hot.url", "wss://host", "at line 3"][..],
            ),
            (
                "version: 1\nhot:\n  url: wss://host:99999\n",
                &["hot.url", "65535", "at line 3"],
            ),
            (
                "version: 1\nhot:\n  url: wss://host/health/\n",
                &["hot.url", "choose another path", "at line 3"],
            ),
            (
                "version: 1\nhot:\n  limits:\n    queryTime: 99ms\n",
                &["hot.limits.queryTime", "100ms or more", "at line 4"],
            ),
            (
                "version: 1\nhot:\n  storage:\n    eraseWithin: 9m\n",
                &["hot.storage.eraseWithin", "10m or more", "at line 4"],
            ),
            (
                "version: 1\nhot:\n  storage:\n    size: 255Mi\n",
                &["hot.storage.size", "255Mi", "256Mi or more", "at line 4"],
            ),
            (
                "version: 1\ncold: {data: \"\"}\n",
                &["cold.data", "name a directory", "at line 2"],
            ),
            (
                "version: 1\ncold:\n  runtimeDir: \"\"\n",
                &["cold.runtimeDir", "name a directory", "at line 3"],
            ),
            (
                "version: 1\ncold:\n  tls: {directory: \"\"}\n",
                &["cold.tls.directory", "name a directory", "at line 3"],
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
