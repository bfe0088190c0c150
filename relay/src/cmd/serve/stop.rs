//! The signals that stop a relay.

use super::ServeError;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, as Kubernetes and systemd send it, and SIGINT, as Ctrl-C sends it.
#[derive(Debug)]
pub(super) struct Stops {
    term: Signal,
    int: Signal,
}

impl Stops {
    /// From now on the two signals do not kill the process.
    pub(super) fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Threads);
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the next of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
