//! A private CA, certificates of it as Secrets, and a client that trusts no other.

use crate::{script::script, socket::Socket};
use anyhow::{Context, Result};
use serde_json::json;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// A CA in a directory of its own, made by `e2e/certificate.sh`.
pub struct Authority {
    directory: TempDir,
    /// The name that all its certificates are for.
    name: String,
}

impl Authority {
    /// A new CA for one server.
    pub fn new(name: &str) -> Result<Self> {
        Ok(Self {
            directory: TempDir::new()?,
            name: name.into(),
        })
    }

    /// Its own certificate, for clients.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// A Secret with a new certificate, in YAML.
    pub async fn secret(&self, name: &str) -> Result<String> {
        let directory = self.directory.path();
        let place = directory.to_str().context("a directory that is no text")?;
        script("certificate.sh", &[place, &self.name]).await?;
        let read = |file: &str| fs::read_to_string(directory.join(file));
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name},
            "stringData": {"tls.crt": read("tls.crt")?, "tls.key": read("tls.key")?},
        });
        Ok(secret.to_string())
    }

    /// A connection by a client that trusts this CA alone, and the certificate that it was shown.
    pub async fn dial(&self, address: SocketAddr) -> Result<(Socket, CertificateDer<'static>)> {
        dial_trusting(&self.certificate(), &self.name, address).await
    }

    /// Likewise over a stream that is open already.
    pub async fn over(&self, wire: TcpStream) -> Result<(Socket, CertificateDer<'static>)> {
        shake_hands(&self.certificate(), &self.name, wire).await
    }
}

/// A connection to the server `name` by a client that trusts the CA of that file alone, and the certificate that it was shown.
pub async fn dial_trusting(
    ca: &Path,
    name: &str,
    address: impl ToSocketAddrs,
) -> Result<(Socket, CertificateDer<'static>)> {
    shake_hands(ca, name, TcpStream::connect(address).await?).await
}

async fn shake_hands(
    ca: &Path,
    name: &str,
    wire: TcpStream,
) -> Result<(Socket, CertificateDer<'static>)> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, wire)
        .await?;
    let shown = stream.get_ref().1.peer_certificates();
    let shown = shown
        .and_then(<[_]>::first)
        .context("no certificate was shown")?;
    let shown = shown.clone().into_owned();
    Ok((Socket::open(Box::new(stream)).await?, shown))
}
