//! Asks pods for their `/status` on the ops port. A pod that does not answer within a second is left out.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, header::HOST};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use relay_config::{
    Status,
    names::{PATH_STATUS, PORT_OPS},
};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// How long one pod may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// Why a pod's answer is missing.
#[derive(Debug, thiserror::Error)]
enum Silent {
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    #[error("no HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer that can be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("no status document: {0}")]
    Document(#[from] serde_json::Error),
}

/// Asks all running pods at once.
pub async fn ask_all(pods: &[Pod]) -> BTreeMap<String, Status> {
    let asked = pods.iter().filter_map(|pod| {
        let address: IpAddr = running_at(pod)?.parse().ok()?;
        Some(async move { (pod.name_any(), ask(address).await) })
    });
    let answers = futures::future::join_all(asked).await;
    answers
        .into_iter()
        .filter_map(|(pod, answer)| Some((pod, answer?)))
        .collect()
}

fn running_at(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref()?;
    (status.phase.as_deref() == Some("Running")).then_some(status.pod_ip.as_deref()?)
}

async fn ask(address: IpAddr) -> Option<Status> {
    match timeout(PATIENCE, request(address)).await {
        Ok(Ok(status)) => Some(status),
        Ok(Err(why)) => {
            tracing::debug!(%address, %why, "a pod does not say how it is");
            None
        }
        Err(_) => None,
    }
}

async fn request(address: IpAddr) -> Result<Status, Silent> {
    let stream = TcpStream::connect((address, PORT_OPS)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(PATH_STATUS)
        .header(HOST, "pod")
        .body(Empty::<Bytes>::new())
        .map_err(|why| Silent::Body(why.into()))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let body = Limited::new(response.into_body(), LONGEST).collect();
        let body = body.await.map_err(Silent::Body)?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    };
    tokio::pin!(exchange);
    // The connection is driven here: nothing outlives the question.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => {
            ended?;
            exchange.await
        }
    }
}
