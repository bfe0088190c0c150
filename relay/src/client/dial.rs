//! From a relay's address to a connection: TCP, and TLS where the address asks for it.
//!
//! The certificate must be signed by a CA that we know and be for the host that was typed. There is no way around that: whoever
//! runs a relay with a CA of their own names it with `--ca`.

use super::{ClientError, RelayUrl};
use crate::stream::Stream;
use clap::Args;
use rustls::{
    CertificateError, ClientConfig, Error, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Whose word is taken for who a relay is.
#[derive(Clone, Debug, Default, Args)]
pub struct Trust {
    /// For wss://: the CA's certificate in PEM; no other is believed then [default: the CAs that this machine knows].
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Dials one relay.
#[derive(Clone)]
pub struct Dialer {
    url: RelayUrl,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Dialer {
    /// Reads the certificates of the CAs, if the address needs them.
    pub fn new(url: &RelayUrl, trust: &Trust) -> Result<Self, ClientError> {
        let tls = url.is_secure().then(|| Tls::new(url, trust)).transpose()?;
        Ok(Self {
            url: url.clone(),
            tls,
        })
    }

    /// Whom it dials.
    pub fn url(&self) -> &RelayUrl {
        &self.url
    }

    /// Never resumes a session: each handshake is a whole one.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        if let Some(tls) = &mut self.tls {
            let mut config = tls.config.as_ref().clone();
            config.resumption = Resumption::disabled();
            tls.config = Arc::new(config);
        }
        self
    }

    /// A connection, for a WebSocket or an HTTP request. `TCP_NODELAY` is set.
    pub async fn dial(&self) -> Result<Stream, ClientError> {
        let stream = TcpStream::connect((self.url.host(), self.url.port())).await;
        let stream = stream
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| ClientError::Connect {
                url: self.url.to_string(),
                source,
            })?;
        let Some(tls) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream).await;
        let stream = stream.map_err(|error| ClientError::Tls {
            url: self.url.to_string(),
            problem: words(&error),
        })?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialer({})", self.url)
    }
}

impl Tls {
    fn new(url: &RelayUrl, trust: &Trust) -> Result<Self, ClientError> {
        let roots = match &trust.ca {
            Some(file) => named(file),
            None => known(),
        };
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| ClientError::Trust(error.to_string()))?
            .with_root_certificates(roots.map_err(ClientError::Trust)?)
            .with_no_client_auth();
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| ClientError::Trust(format!("no certificate can be for {url}")))?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

/// The CAs of a file.
fn named(file: &Path) -> Result<RootCertStore, String> {
    let wrong = |problem: &dyn fmt::Display| format!("--ca {}: {problem}", file.display());
    let text = fs::read(file).map_err(|error| wrong(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| wrong(&"not PEM"))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"no certificate in PEM"));
    }
    Ok(roots)
}

/// The CAs of this machine.
fn known() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this machine knows no CA: name the relay's with --ca FILE".into());
    }
    Ok(roots)
}

/// Why a handshake failed, for a person.
fn words(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(Error::InvalidCertificate(problem)) => format!("its certificate {}", about(problem)),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS; is it a ws:// address?".into(),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}

fn about(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => {
            "is of no CA that is known here; name that CA's with --ca FILE".into()
        }
        CertificateError::NotValidForName => "is for another name".into(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let (expected, presented) = (expected.to_str(), presented.join(", "));
            format!("is not for {expected}, but for {presented}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; is the clock of this machine right?".into()
        }
        // rustls has no word of its own for it.
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "is a CA's own; a relay needs one with basicConstraints CA:FALSE".into()
        }
        other => format!("cannot be believed: {other}"),
    }
}
