//! Plays the pod of town: what its kubelet reports, and what its ops port answers.

#![allow(clippy::needless_pass_by_value)] // `json!` at the call reads better without a reference

use crate::{server::eventually, space::Space};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use nostr_fleet_operator::names;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

/// A pod that runs and is ready, on an address of its own; it answers until it is dropped.
pub struct FakePod {
    answer: Arc<Mutex<Option<Value>>>,
    _answering: AbortOnDropHandle<()>,
}

impl FakePod {
    /// Waits for town's pod, and plays it.
    pub async fn start(space: &Space, answer: Value) -> Self {
        let part = || 1 + rand::random::<u8>() % 250;
        let address = format!("127.{}.{}.7", part(), part());
        let port = relay_config::names::PORT_OPS;
        let listener = TcpListener::bind((address.as_str(), port)).await.unwrap();
        let answer = Arc::new(Mutex::new(Some(whole(&answer))));
        let answering = tokio::spawn(serve(listener, answer.clone()));
        eventually("the pod exists", || space.has("Pod", "town-0")).await;
        let now = Timestamp::now().to_string();
        let condition = |kind| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        let status = json!({
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [condition("Ready"), condition("ContainersReady")],
        });
        space.pod_status("town-0", &status).await;
        Self {
            answer,
            _answering: AbortOnDropHandle::new(answering),
        }
    }

    /// From now on it says this, over what every pod says.
    pub fn says(&self, answer: Value) {
        *self.answer.lock().unwrap() = Some(whole(&answer));
    }

    /// From now on it says nothing.
    pub fn is_silent(&self) {
        *self.answer.lock().unwrap() = None;
    }
}

fn whole(answer: &Value) -> Value {
    let mut whole = json!({
        "version": "0.1.0-test", "role": "relay", "uptimeSeconds": 1, "ready": true, "draining": false,
        "connections": 0, "subscriptions": 0, "configuration": {}, "store": {},
    });
    for (key, value) in answer.as_object().unwrap() {
        whole[key] = value.clone();
    }
    whole
}

async fn serve(listener: TcpListener, answer: Arc<Mutex<Option<Value>>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = answer.lock().unwrap().clone();
        if let Some(answer) = answer {
            tokio::spawn(reply(stream, answer.to_string()));
        }
    }
}

async fn reply(mut stream: TcpStream, body: String) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

impl Space {
    /// Waits until town's pod is nudged for the configuration of this hash.
    pub async fn until_nudged(&self, hash: &str) {
        eventually("the pod is nudged", || async {
            let pod = self.get("Pod", "town-0").await;
            let annotations = pod.map(|pod| pod.annotations().clone());
            let annotation =
                annotations.and_then(|mut all| all.remove(names::ANNOTATION_CONFIGURATION));
            annotation.is_some_and(|value| value.starts_with(&hash[..12.min(hash.len())]))
        })
        .await;
    }
}
