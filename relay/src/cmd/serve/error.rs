//! Why `relay serve` could not start or had to end, each with what to do about it.

use crate::{
    cmd::{FAILED, MISUSED, stopped},
    http::tls::pair::TlsError,
    store::OpenError,
    vitals::Failure,
};
use std::{io, net::SocketAddr};

/// Why `relay serve` ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No threads, no signals.
    #[error("cannot start threads: {0}; raise the limit of processes (ulimit -u)")]
    Threads(#[source] io::Error),
    /// A port cannot be had.
    #[error("cannot listen on {address}: {source}; {}", remedy(source, flag))]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// There is no certificate to serve with.
    #[error("cannot serve TLS: {0}")]
    Tls(#[source] TlsError),
    /// The store cannot be opened.
    #[error("cannot open the store: {0}{remedy}", remedy = stopped::remedy(.0))]
    Store(#[source] OpenError),
    /// It cannot go on. Nothing that was OK'd is lost: the next start replays the log.
    #[error("{0}; {remedy}: nothing that was accepted is lost", remedy = failure_remedy(.0))]
    Failed(Failure),
}

impl ServeError {
    /// 2 when somebody must change something first, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Tls(_) => MISUSED,
            Self::Store(error) => stopped::exit_code(error),
            _ => FAILED,
        }
    }
}

fn remedy(source: &io::Error, flag: &str) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("stop the program that has it, or choose another address with {flag}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("choose a port from 1024 on with {flag}")
        }
        _ => format!("choose an address of this machine with {flag}"),
    }
}

fn failure_remedy(failure: &Failure) -> &'static str {
    match failure {
        Failure::Store(_) => "check the volume, then start again",
        Failure::Panicked(_) => {
            "this is a fault of the relay, please report what it logged; start it again"
        }
    }
}
