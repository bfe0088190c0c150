//! The public port and the ops port: HTTP, and the way from HTTP to a session.
//!
//! - [`accept`]: the accept loop; one deadline over the whole HTTP phase
//! - [`proxy`], [`tls`]: what comes before HTTP: a proxy's header, the handshake
//! - [`peer_addr`]: whose request it is, behind proxies
//! - [`gate`]: who may come in: half-open cap, connection limits, addresses
//! - [`upgrade`]: the WebSocket handshake, and the bare socket behind it
//! - [`info`]: the relay information document (NIP-11)
//! - [`page`]: what a browser sees
//! - [`ops`]: `/livez /readyz /metrics /status`, never public
//! - [`reply`]: the few forms of an answer
//!
//! Nothing here reads a Nostr message or touches the store.

pub mod accept;
pub mod gate;
pub mod info;
pub mod ops;
pub mod page;
pub mod peer_addr;
pub mod proxy;
pub mod reply;
pub mod tls;
pub mod upgrade;

use crate::{
    drain::{Drain, DrainSignal},
    policy::lists::Rules,
    vitals::Vitals,
};
use accept::{From, Routes};
use arc_swap::ArcSwap;
use futures::future::{BoxFuture, ready};
use gate::Gate;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use relay_config::{Hot, Place, names};
use serde::Serialize;
use std::{convert::Infallible, net::IpAddr, sync::Arc};
use upgrade::{Refused, Socket};
use warp::{Filter, Rejection, path::FullPath, reply::Response};

/// Runs one session, from the upgrade to its end.
pub type Sessions =
    Arc<dyn Fn(Socket, IpAddr, DrainSignal) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the public port needs.
pub struct Public {
    /// The configuration in force.
    pub hot: Arc<ArcSwap<Hot>>,
    /// Who gets in, for the information document.
    pub rules: Arc<ArcSwap<Rules>>,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// The stop of the process.
    pub drain: Drain,
    /// For `/health`.
    pub vitals: Arc<Vitals>,
    /// Where upgraded connections go.
    pub sessions: Sessions,
}

/// The routes of the public port: `/`, the path of `hot.url`, and `/health`.
pub fn public(public: Arc<Public>) -> Routes {
    let (ours, front) = (Arc::clone(&public), Arc::clone(&public));
    let root = warp::path::full()
        .and_then(move |path: FullPath| {
            let serves = ours.serves(path.as_str());
            ready(serves.then_some(()).ok_or_else(warp::reject::not_found))
        })
        .untuple_one()
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(accept::from())
        .map(move |method, headers, upgrade, from| {
            let request = Request {
                headers,
                upgrade,
                from,
            };
            front.answer(&method, request)
        });
    let health = at(names::PATH_HEALTH)
        .and(warp::get())
        .map(move || health(&public.vitals));
    root.or(health).unify().recover(not_here).unify().boxed()
}

/// A request for this path, which begins with `/`, and for nothing below it.
fn at(path: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Clone + use<> {
    warp::path(path.trim_start_matches('/')).and(warp::path::end())
}

/// A request for `/`, or for the path of `hot.url`.
struct Request {
    headers: HeaderMap,
    upgrade: Option<OnUpgrade>,
    from: From,
}

impl Public {
    /// Is the relay at this path? Always at `/`, where a proxy may have taken the path away, and at that of the URL which clients type.
    fn serves(&self, path: &str) -> bool {
        path == "/" || {
            let hot = self.hot.load();
            let place = hot.url.as_deref().and_then(Place::of_relay);
            place.is_some_and(|place| {
                !place.path.is_empty() && place.path == path.trim_end_matches('/')
            })
        }
    }

    fn answer(&self, method: &Method, request: Request) -> Response {
        let hot = self.hot.load();
        match *method {
            Method::GET if upgrade::is_wanted(&request.headers) => self.upgrade(request),
            Method::GET | Method::HEAD if info::is_wanted(&request.headers) => {
                info::answer(&hot, &self.rules.load())
            }
            Method::GET | Method::HEAD => page::answer(&hot),
            Method::OPTIONS => info::preflight(),
            _ => not_allowed(),
        }
    }

    fn upgrade(&self, request: Request) -> Response {
        self.try_upgrade(request).unwrap_or_else(upgrade::refusal)
    }

    /// Takes a place, answers 101, and leaves the session to a task of its own.
    fn try_upgrade(&self, request: Request) -> Result<Response, Refused> {
        let key = upgrade::accept_key(&request.headers)?;
        let on_upgrade = request.upgrade.ok_or(Refused::Request)?;
        if self.drain.has_begun() {
            return Err(Refused::Stopping);
        }
        let From(address) = request.from;
        let place = self.gate.admit(address).map_err(Refused::Full)?;
        let counted = self.drain.session();
        let (hot, drain) = (Arc::clone(&self.hot), self.drain.clone());
        let sessions = Arc::clone(&self.sessions);
        tokio::spawn(async move {
            let message_bytes = hot.load().limits.message_bytes.len();
            if let Some(socket) = upgrade::socket(on_upgrade, message_bytes).await {
                tokio::select! {
                    () = sessions(socket, address, drain.signal()) => {}
                    () = drain.is_cut() => {}
                }
            }
            drop((place, counted));
        });
        Ok(upgrade::switching(&key))
    }
}

/// What `GET /health` answers.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
}

fn health(vitals: &Vitals) -> Response {
    let status = match (vitals.not_ready().is_empty(), vitals.is_draining()) {
        (true, _) => "ok",
        (false, true) => "draining",
        (false, false) => "unavailable",
    };
    let health = Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: vitals.uptime_seconds(),
    };
    let mut response = reply::json("application/json", &health);
    if status != "ok" {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_allowed() -> Response {
    let mut response = reply::text(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not used here",
    );
    response.headers_mut().insert(
        header::ALLOW,
        HeaderValue::from_static("GET, HEAD, OPTIONS"),
    );
    response
}

/// What no route took.
async fn not_here(rejection: Rejection) -> Result<Response, Infallible> {
    if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        return Ok(not_allowed());
    }
    Ok(reply::text(StatusCode::NOT_FOUND, "nothing is served here"))
}
