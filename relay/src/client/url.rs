//! What a user types to name a relay: `wss://host:port/path`, or the same with `https://`; `ws://` and `http://` without TLS.

use http::Uri;
use std::{fmt, str::FromStr};

/// A relay's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUrl {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

impl RelayUrl {
    /// Is it spoken to under TLS?
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, also where it was left out.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, as an HTTP `Host` header has it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Path and query, at least `/`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for RelayUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not a relay URL: write ws://HOST:PORT or wss://HOST:PORT");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(wrong()),
        };
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(wrong)?;
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ws_and_http_name_the_same_relay() {
        let ws: RelayUrl = "ws://localhost:8080".parse().unwrap();
        assert_eq!(ws, "http://localhost:8080/".parse().unwrap());
        assert_eq!(ws.to_string(), "ws://localhost:8080/");
        let six: RelayUrl = "ws://[::1]/inner?x=1".parse().unwrap();
        assert_eq!(
            (six.authority().as_str(), six.path()),
            ("[::1]:80", "/inner?x=1")
        );
    }

    #[test]
    fn what_is_no_relay_url_is_refused_with_the_remedy() {
        for text in ["", "localhost:8080", "/data", "ftp://x", "ws://"] {
            let problem = text.parse::<RelayUrl>().unwrap_err();
            assert!(
                problem.contains("write ws://HOST:PORT or wss://HOST:PORT"),
                "{text:?}: {problem}"
            );
        }
    }

    #[test]
    fn wss_and_https_name_the_same_relay() {
        let wss: RelayUrl = "wss://relay.example".parse().unwrap();
        assert_eq!(wss, "https://relay.example:443/".parse().unwrap());
        assert_eq!(wss.to_string(), "wss://relay.example:443/");
        assert!(wss.is_secure() && wss != "ws://relay.example:443/".parse().unwrap());
        let six: RelayUrl = "wss://[::1]:8443".parse().unwrap();
        assert_eq!((six.host(), six.port()), ("::1", 8443));
    }
}
