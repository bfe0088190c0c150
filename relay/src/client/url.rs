//! What a user types to name a relay: `ws://host:port/path`, or the same with `http://`.

use super::ClientError;
use http::Uri;
use std::{fmt, str::FromStr};
use tokio::net::TcpStream;

/// A relay's address without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayUrl {
    host: String,
    port: u16,
    path: String,
}

impl RelayUrl {
    /// A TCP connection, for a WebSocket or an HTTP request.
    pub(super) async fn dial(&self) -> Result<TcpStream, ClientError> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await;
        stream
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| ClientError::Connect {
                url: self.to_string(),
                source,
            })
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
        let wrong = || format!("{text:?} is not a relay URL: write ws://HOST:PORT");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("ws" | "http") => {}
            Some("wss" | "https") => {
                return Err(format!(
                    "{text:?} needs TLS, which this command does not speak: give the relay's ws:// address"
                ));
            }
            _ => return Err(wrong()),
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(wrong)?;
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}:{}{}", self.host, self.port, self.path)
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
                problem.contains("write ws://HOST:PORT"),
                "{text:?}: {problem}"
            );
        }
        assert!("wss://x".parse::<RelayUrl>().unwrap_err().contains("TLS"));
    }
}
