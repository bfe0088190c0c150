//! The accept loop: accept, then spawn. What a client can delay, PROXY header, TLS handshake and request, happens in its own
//! task, under one deadline.

use super::{
    gate::{Gate, HalfOpen},
    peer_addr, proxy, reply,
    tls::Certificate,
};
use crate::{metrics::Limited, stream::Stream, telemetry::Seldom};
use futures::{
    TryFutureExt,
    future::{Either, ready},
};
use http::{HeaderValue, StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use warp::{Filter, filters::BoxedFilter, reply::Response};

/// The whole HTTP phase of one connection, from accept to its answer or its upgrade, PROXY header and TLS handshake included.
pub const HTTP_DEADLINE: Duration = Duration::from_secs(10);

/// How long accepting pauses when the process has no more file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Largest request head; the smallest that hyper takes.
const HEAD_BYTES: usize = 8192;

/// Where a request comes from, as far as trusted proxies tell; every route finds it among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct From(pub IpAddr);

/// Answers requests; made of warp filters.
pub type Routes = BoxedFilter<(Response,)>;

/// What an accept loop needs.
#[derive(Clone)]
pub struct Door {
    /// What answers.
    pub routes: Routes,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// For everything from accept to the answer or the upgrade: [`HTTP_DEADLINE`], shorter in tests, longer on the ops port. No
    /// request head may take longer than [`HTTP_DEADLINE`] anyway.
    pub deadline: Duration,
    /// Must a connection come from a trusted proxy and begin with a PROXY header?
    pub proxy_protocol: bool,
    /// TLS, or none.
    pub tls: Option<Arc<Certificate>>,
}

/// Accepts for ever; ends when the future is dropped, and then the port is closed.
pub async fn accept(listener: TcpListener, door: Door) {
    let line = Seldom::default();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => door.welcome(stream, from),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                if line.is_due() {
                    tracing::warn!(%error, "cannot accept connections; raise the limit of open files (ulimit -n) if this stays");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Errors of one connection that went away before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

impl Door {
    fn welcome(&self, stream: TcpStream, from: SocketAddr) {
        let peer = from.ip().to_canonical();
        if self.proxy_protocol && !peer_addr::is_trusted(peer, &self.gate.hot().trusted_proxies) {
            return self.gate.refuse(Limited::Proxy);
        }
        let Some(half_open) = self.gate.accept(peer) else {
            return;
        };
        let _ = stream.set_nodelay(true); // only fails on a socket that is gone
        let door = self.clone();
        tokio::spawn(async move {
            let phase = tokio::time::timeout(door.deadline, door.phase(stream, peer, &half_open));
            tokio::select! {
                ended = phase => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::trace!(%error, "HTTP phase ended early"),
                    Err(_) => tracing::trace!("HTTP phase took too long"),
                },
                () = half_open.gives_way() => tracing::trace!("HTTP phase gave way to a newer one"),
            }
            drop(half_open);
        });
    }

    /// PROXY header, TLS, HTTP.
    async fn phase(
        &self,
        mut stream: TcpStream,
        peer: IpAddr,
        half_open: &HalfOpen,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut from = Origin::Connection(peer);
        if self.proxy_protocol {
            let named = proxy::client(&mut stream).await;
            let named = named.inspect_err(|_| self.gate.refuse(Limited::Proxy))?;
            from = Origin::Known(named.unwrap_or(peer));
            if let Some(client) = named {
                half_open.belongs_to(client);
            }
        }
        let stream = match &self.tls {
            Some(certificate) => certificate.accept(stream).await?,
            None => Stream::Plain(stream),
        };
        self.speak(stream, from).await?;
        Ok(())
    }

    /// One request, one answer. A connection that is upgraded goes on elsewhere.
    async fn speak(&self, stream: Stream, from: Origin) -> hyper::Result<()> {
        let routes = TowerToHyperService::new(warp::service(self.routes.clone()));
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
            let client = match from {
                Origin::Known(client) => client,
                Origin::Connection(peer) => {
                    let hot = self.gate.hot();
                    peer_addr::client(peer, request.headers(), &hot.trusted_proxies)
                }
            };
            if !self.gate.lets_in(client) {
                return Either::Left(ready(Ok(closing(not_from_there()))));
            }
            request.extensions_mut().insert(From(client));
            Either::Right(hyper::service::Service::call(&routes, request).map_ok(closing))
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HTTP_DEADLINE)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await
    }
}

/// What is known of the client's address before its request.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A PROXY header said it.
    Known(IpAddr),
    /// The connection's address; if that is a trusted proxy's, the request may name the client.
    Connection(IpAddr),
}

/// The answer to an address that `hot.addresses` does not admit.
fn not_from_there() -> Response {
    reply::text(
        StatusCode::FORBIDDEN,
        "blocked: this relay does not serve your address",
    )
}

/// One answer a connection: a kept one would only wait for the deadline. hyper's own switch would spoil the 101.
fn closing(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A filter that gives the address that a request comes from.
pub fn from() -> impl Filter<Extract = (From,), Error = warp::Rejection> + Copy {
    warp::ext::get::<From>()
}
