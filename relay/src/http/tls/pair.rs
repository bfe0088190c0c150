//! The two files of a `kubernetes.io/tls` Secret, read whole and proved to fit together.

use crate::mark::MOUNT_LINK;
use relay_config::{
    hash::sha256_hex,
    names::{TLS_CERTIFICATE, TLS_KEY},
};
use rustls::{
    Error, InconsistentKeys,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Largest file that is read: what one Secret can hold.
const LARGEST: u64 = 1024 * 1024;

/// Why a pair cannot be used. The text names the file and the fix, and nothing that is in the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}; {PLACE}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The certificate file is none.
    #[error("{}: no certificate in PEM; {PLACE}", .0.display())]
    NoCertificate(PathBuf),
    /// The key file is none.
    #[error("{}: no unencrypted private key in PEM; {PLACE}", .0.display())]
    NoKey(PathBuf),
    /// Both are well, but not for each other.
    #[error(
        "{}: the key is not the one of the first certificate in {TLS_CERTIFICATE}; {PLACE}", .0.display()
    )]
    Mismatch(PathBuf),
    /// rustls cannot use them.
    #[error("the certificate or its key cannot be used: {0}; {PLACE}")]
    Unusable(#[source] Error),
}

/// What belongs where.
const PLACE: &str = "a TLS directory holds the certificate chain as tls.crt (the relay's own first) and its key as tls.key, both in PEM; \
     in a pod they come from the Secret that spec.tls.secretName names";

/// A certificate with its chain and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// For rustls.
    pub certified: CertifiedKey,
    /// SHA-256 of the leaf in hex.
    pub fingerprint: String,
}

impl Pair {
    /// Reads both files of one state of the mount.
    pub fn read(directory: &Path) -> Result<Self, TlsError> {
        // Both through the same link: it may be swapped between the two.
        let mounted = fs::read_link(directory.join(MOUNT_LINK));
        let state = mounted.map_or_else(|_| directory.to_owned(), |link| directory.join(link));
        let (certificate, key) = (directory.join(TLS_CERTIFICATE), directory.join(TLS_KEY));
        let chain = chain(&text(&state.join(TLS_CERTIFICATE), &certificate)?);
        let chain = chain
            .filter(|chain| !chain.is_empty())
            .ok_or(TlsError::NoCertificate(certificate))?;
        let fingerprint = sha256_hex(&chain[0]);
        let secret = PrivateKeyDer::from_pem_slice(&text(&state.join(TLS_KEY), &key)?);
        let secret = secret.map_err(|_| TlsError::NoKey(key.clone()))?;
        let certified = CertifiedKey::from_der(chain, secret, &ring::default_provider());
        Ok(Self {
            certified: certified.map_err(|problem| unfit(problem, key))?,
            fingerprint,
        })
    }
}

fn unfit(problem: Error, key: PathBuf) -> TlsError {
    match problem {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch(key),
        other => TlsError::Unusable(other),
    }
}

fn chain(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .ok()
}

/// Reads a file of the mount's state, and names it as people know it.
fn text(path: &Path, name: &Path) -> Result<Vec<u8>, TlsError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
    let read = read.map(|_| text);
    read.map_err(|source| TlsError::Io {
        path: name.to_owned(),
        source,
    })
}
