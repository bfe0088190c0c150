//! The two ports: both are taken before anything else, so that a wrong address is told at once.

use super::ServeError;
use relay_config::Cold;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};
use tokio::net::TcpSocket;

/// Connections that the kernel may hold for us before they are accepted.
const BACKLOG: u32 = 1024;

/// Ports that are ours. The ops port listens already; the public one refuses connections until it is opened.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) ops: TcpListener,
    pub(super) public: Unopened,
    pub(super) addresses: Addresses,
}

/// A bound socket that does not listen yet.
#[derive(Debug)]
pub(super) struct Unopened {
    socket: TcpSocket,
    asked: SocketAddr,
}

/// Where the relay listens, for the line that says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) public: SocketAddr,
    pub(super) ops: SocketAddr,
}

impl Ports {
    /// Takes both ports.
    ///
    /// # Errors
    /// [`ServeError::Listen`] with the flag of the port that cannot be had.
    pub(super) fn take(cold: &Cold) -> Result<Self, ServeError> {
        let (ops, at_ops) = taken_ops(cold.ops).map_err(no_port(cold.ops, "--ops"))?;
        let (socket, at_public) = taken(cold.listen).map_err(no_public(cold.listen))?;
        Ok(Self {
            ops,
            public: Unopened {
                socket,
                asked: cold.listen,
            },
            addresses: Addresses {
                public: at_public,
                ops: at_ops,
            },
        })
    }
}

impl Unopened {
    /// From now on clients are accepted.
    ///
    /// # Errors
    /// [`ServeError::Listen`] when another process listens on it meanwhile.
    pub(super) fn open(self) -> Result<tokio::net::TcpListener, ServeError> {
        self.socket.listen(BACKLOG).map_err(no_public(self.asked))
    }
}

impl Addresses {
    /// The public address as a client on this machine can type it.
    pub(super) fn reachable(&self) -> SocketAddr {
        let mut address = self.public;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        address
    }
}

fn taken_ops(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let at = listener.local_addr()?;
    Ok((listener, at))
}

fn taken(address: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let at = socket.local_addr()?;
    Ok((socket, at))
}

fn no_public(address: SocketAddr) -> impl Fn(io::Error) -> ServeError {
    no_port(address, "--listen")
}

fn no_port(address: SocketAddr, flag: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |source| ServeError::Listen {
        address,
        flag,
        source,
    }
}
