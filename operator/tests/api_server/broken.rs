//! A client whose requests fail as a test says, in front of the real API server.

use crate::{requests::Log, server::operator_config};
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use http::{Request, Response};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Body as HttpBody;
use kube::{
    Client,
    client::{Body, ClientBuilder},
};
use serde_json::json;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};
use tower::{BoxError, Layer, Service, ServiceExt};

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is sent, later.
    Late(Duration),
    /// The connection breaks before the server has it.
    Dropped,
    /// The server does it, but its answer is lost.
    AnswerLost,
    /// Nobody ever answers.
    Hang,
    /// The server refuses it with this code; what it asks to wait, in seconds.
    Refused(u16, Option<u32>),
    /// The watch works until the value changes, then its connection breaks.
    WatchCut(watch::Receiver<u32>),
    /// The watch is told that what it asks for is too old.
    Gone,
}

type Answer = UnsyncBoxBody<Bytes, BoxError>;
type Plan = Arc<dyn Fn(&Request<Body>) -> Fault + Send + Sync>;

/// The operator's client, with a `plan` in front that decides the fate of each request.
pub async fn broken_client(
    plan: impl Fn(&Request<Body>) -> Fault + Send + Sync + 'static,
) -> Client {
    client(Breaking {
        plan: Arc::new(plan),
        log: Log::default(),
    })
    .await
}

/// The operator's client, with a log of what it asks.
pub async fn logged_client(log: &Log) -> Client {
    client(Breaking {
        plan: Arc::new(|_| Fault::None),
        log: log.clone(),
    })
    .await
}

async fn client(layer: Breaking) -> Client {
    let builder = ClientBuilder::try_from(operator_config().await).unwrap();
    builder.with_layer(&layer).build()
}

/// Is it a watch?
pub fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.contains("watch=true")
}

#[derive(Clone)]
struct Breaking {
    plan: Plan,
    log: Log,
}

impl<S> Layer<S> for Breaking {
    type Service = Broken<S>;

    fn layer(&self, inner: S) -> Broken<S> {
        Broken {
            inner: Arc::new(Mutex::new(inner)),
            plan: self.plan.clone(),
            log: self.log.clone(),
        }
    }
}

struct Broken<S> {
    inner: Arc<Mutex<S>>,
    plan: Plan,
    log: Log,
}

impl<S, B> Service<Request<Body>> for Broken<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Answer>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (fault, inner, log) = ((self.plan)(&request), self.inner.clone(), self.log.clone());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let send = async move {
            let mut inner = inner.lock().await;
            let answer = inner.ready().await?.call(request);
            drop(inner);
            let answer = answer.await?;
            log.add(&method, &uri, answer.status());
            Ok::<_, BoxError>(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
        };
        Box::pin(async move {
            match fault {
                Fault::None => send.await,
                Fault::Late(wait) => {
                    sleep(wait).await;
                    send.await
                }
                Fault::Dropped => Err("the connection is broken".into()),
                Fault::AnswerLost => {
                    send.await?;
                    Err("the connection broke before the answer came".into())
                }
                Fault::Hang => std::future::pending().await,
                Fault::Refused(code, wait) => Ok(refusal(code, wait)),
                Fault::Gone => Ok(gone()),
                Fault::WatchCut(cut) => Ok(send.await?.map(|body| until(body, cut))),
            }
        })
    }
}

/// As the API server refuses.
fn refusal(code: u16, wait: Option<u32>) -> Response<Answer> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": "TestFault", "message": "refused by the test", "details": {"retryAfterSeconds": wait},
    });
    answer(code, status.to_string())
}

/// A watch whose version is compacted away answers 200, and says so in an event.
fn gone() -> Response<Answer> {
    let event = json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version",
    }});
    answer(200, format!("{event}\n"))
}

fn answer(code: u16, text: String) -> Response<Answer> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let response = Response::builder()
        .status(code)
        .header("content-type", "application/json");
    response.body(body.boxed_unsync()).unwrap()
}

/// A body whose connection breaks when the value changes.
fn until(body: Answer, mut cut: watch::Receiver<u32>) -> Answer {
    cut.mark_unchanged();
    let broken = async move { cut.changed().await };
    let frames = BodyStream::new(body).take_until(Box::pin(broken));
    StreamBody::new(frames).boxed_unsync()
}
