//! TLS on the public port: the certificate in force, and its change while connections are open.
//!
//! The directory's two files are looked at every 250 ms ([`crate::mark`]). A new pair that can be used is in force for the next
//! connection; open ones keep theirs. With it come new ticket keys, so no session of the old certificate is resumed. A pair that cannot
//! be used changes nothing: the last good one stays, one log line and `/status` say why.
//!
//! Nothing here logs or returns a byte of the key.

pub mod pair;

use crate::{
    mark::{INTERVAL, Mark, Watched},
    stream::Stream,
};
use arc_swap::ArcSwap;
use pair::{Pair, TlsError};
use relay_config::{
    names::{TLS_CERTIFICATE, TLS_KEY},
    status::TlsStatus,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    server::NoServerSessionStorage,
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// The only protocol that is offered (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// The certificate in force.
#[derive(Debug)]
pub struct Certificate {
    directory: PathBuf,
    config: ArcSwap<ServerConfig>,
    status: ArcSwap<TlsStatus>,
}

impl Certificate {
    /// Reads the pair of the start; without a usable one there is nothing to serve with.
    pub fn load(directory: &Path) -> Result<Arc<Self>, TlsError> {
        let pair = Pair::read(directory)?;
        Ok(Arc::new(Self {
            directory: directory.to_owned(),
            config: ArcSwap::new(config(&pair)?),
            status: ArcSwap::from_pointee(TlsStatus {
                fingerprint: pair.fingerprint,
                error: String::new(),
            }),
        }))
    }

    /// The server's side of a handshake (RFC 8446, RFC 5246).
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        let stream = acceptor.accept(stream).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }

    /// What `/status` says about it.
    pub fn status(&self) -> TlsStatus {
        self.status.load().as_ref().clone()
    }

    /// Follows the files for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut watch = Watch::new(self);
        watch.take().await; // it may have changed between the first reading and the first mark
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if watch.is_due() {
                watch.take().await;
            }
        }
    }

    fn take(&self) {
        let before = self.status.load();
        let status = match Pair::read(&self.directory).and_then(|pair| self.swap(&before, pair)) {
            Ok(fingerprint) => TlsStatus {
                fingerprint,
                error: String::new(),
            },
            Err(problem) => {
                let error = problem.to_string();
                if error != before.error {
                    tracing::error!(%error, "certificate refused, the last good one stays in force");
                }
                TlsStatus {
                    error,
                    fingerprint: before.fingerprint.clone(),
                }
            }
        };
        self.status.store(Arc::new(status));
    }

    fn swap(&self, before: &TlsStatus, pair: Pair) -> Result<String, TlsError> {
        let config = config(&pair)?;
        if pair.fingerprint != before.fingerprint {
            tracing::info!(fingerprint = %pair.fingerprint, "certificate swapped");
        }
        self.config.store(config);
        Ok(pair.fingerprint)
    }
}

/// Tickets are stateless (RFC 8446 §4.6.1, RFC 5077): nothing is kept for clients that went away. One per handshake is enough.
fn config(pair: &Pair) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified.clone())));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Unusable)?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Sees when the files change.
struct Watch {
    certificate: Arc<Certificate>,
    files: Watched,
}

impl Watch {
    fn new(certificate: Arc<Certificate>) -> Self {
        let files = Watched::new(marks(&certificate.directory));
        Self { certificate, files }
    }

    fn is_due(&mut self) -> bool {
        self.files.look(marks(&self.certificate.directory))
    }

    /// Reads and checks the pair on a thread where it may block.
    async fn take(&self) {
        let certificate = Arc::clone(&self.certificate);
        if let Err(error) = tokio::task::spawn_blocking(move || certificate.take()).await {
            tracing::error!(%error, "the certificate's files were not read");
        }
    }
}

fn marks(directory: &Path) -> Vec<Mark> {
    let files = [TLS_CERTIFICATE, TLS_KEY].map(|name| directory.join(name));
    files.iter().map(|file| Mark::of(file)).collect()
}
