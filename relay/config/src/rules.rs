//! The rules between values: what no single key can know.

use crate::{Config, ConfigError, Limits, Lists, Place, Storage, access::Mode, names};
use nostr::key::PublicKey;

impl Config {
    /// The rules between values, for flags that were laid over the file too.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.hot.url {
            check_url(url)?;
        }
        if let Some(Err(error)) = self.hot.info.pubkey.as_deref().map(PublicKey::parse) {
            return rule(
                "hot.info.pubkey",
                format!("not a public key ({error}): write npub1… or 64 hex characters"),
            );
        }
        self.check_times()?;
        self.check_storage()?;
        self.check_directories()?;
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

    fn check_times(&self) -> Result<(), ConfigError> {
        let hot = &self.hot;
        for (key, time, least) in [
            (
                "hot.limits.queryTime",
                hot.limits.query_time,
                Limits::QUERY_TIME_LEAST,
            ),
            (
                "hot.storage.eraseWithin",
                hot.storage.erase_within,
                Storage::ERASE_WITHIN_LEAST,
            ),
        ] {
            if time < least {
                return rule(key, format!("{time} is too short: write {least} or more"));
            }
        }
        Ok(())
    }

    fn check_storage(&self) -> Result<(), ConfigError> {
        let least = Storage::SIZE_LEAST;
        match self.hot.storage.size {
            Some(size) if size < least => rule(
                "hot.storage.size",
                format!(
                    "{size} is too small: write {least} or more, which log segments, index and reserve need"
                ),
            ),
            _ => Ok(()),
        }
    }

    /// An empty path would be the working directory in one place and nothing in another.
    fn check_directories(&self) -> Result<(), ConfigError> {
        let cold = &self.cold;
        let tls = cold.tls.as_ref().map(|tls| &tls.directory);
        for (key, directory) in [
            ("cold.data", Some(&cold.data)),
            ("cold.runtimeDir", cold.runtime_dir.as_ref()),
            ("cold.tls.directory", tls),
        ] {
            if directory.is_some_and(|directory| directory.as_os_str().is_empty()) {
                return rule(
                    key,
                    "empty: name a directory, or leave the key out".to_owned(),
                );
            }
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
}

/// Logins and requests to vanish name the URL: one that nothing can match would lock everybody out.
fn check_url(url: &str) -> Result<(), ConfigError> {
    let Some(place) = Place::of_relay(url) else {
        return rule(
            "hot.url",
            format!(
                "{url:?} is not a relay URL: write wss://host or ws://host:port/path, with a port up to 65535 and without user, query or fragment"
            ),
        );
    };
    if place.path == names::PATH_HEALTH {
        return rule(
            "hot.url",
            format!(
                "{} is where health is told: choose another path",
                place.path
            ),
        );
    }
    Ok(())
}

fn rule(key: &'static str, problem: String) -> Result<(), ConfigError> {
    Err(ConfigError::Rule { key, problem })
}
