//! The accept loop: accept, then spawn. What a client can delay happens in its own task, under one deadline.

use super::gate::Gate;
use crate::telemetry::Seldom;
use futures::TryFutureExt;
use http::{HeaderValue, StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use warp::{Filter, filters::BoxedFilter, reply::Response};

/// The whole HTTP phase of one connection, from accept to its answer or its upgrade.
pub const HTTP_DEADLINE: Duration = Duration::from_secs(10);

/// How long accepting pauses when the process has no more file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Largest request head; the smallest that hyper takes.
const HEAD_BYTES: usize = 8192;

/// Where a request comes from; every route finds it among the request's extensions.
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
    /// For the whole HTTP phase: [`HTTP_DEADLINE`], shorter in tests, longer on the ops port. No request head may take longer
    /// than [`HTTP_DEADLINE`] anyway.
    pub deadline: Duration,
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
        let address = from.ip().to_canonical();
        let Some(half_open) = self.gate.accept(address) else {
            return;
        };
        let _ = stream.set_nodelay(true); // only fails on a socket that is gone
        let (routes, deadline) = (self.routes.clone(), self.deadline);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(deadline, speak(stream, From(address), routes)).await;
            drop(half_open);
        });
    }
}

/// One request, one answer. A connection that is upgraded goes on elsewhere.
async fn speak(stream: TcpStream, from: From, routes: Routes) {
    let answer = TowerToHyperService::new(warp::service(routes));
    let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
        request.extensions_mut().insert(from);
        hyper::service::Service::call(&answer, request).map_ok(closing)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_DEADLINE)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::trace!(%error, "HTTP phase ended early");
    }
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
