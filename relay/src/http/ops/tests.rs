use super::*;
use crate::{
    drain::Drain,
    http::{
        accept::{Door, accept},
        gate::{Caps, Gate},
    },
    policy::lists::Rules,
    reload::Loaded,
    vitals::Volume,
};
use arc_swap::ArcSwap;
use relay_config::{Config, status::StoreStatus};
use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A volume that hangs until it is told otherwise.
struct Hanging(Mutex<Receiver<()>>);

impl Volume for Hanging {
    fn status(&self) -> StoreStatus {
        let _ = self.0.lock().unwrap().recv(); // ends too when the sender is gone
        StoreStatus::default()
    }
    fn failure(&self) -> Option<&'static str> {
        None
    }
    fn compact(&self) -> Result<String, String> {
        Ok("0 segments rewritten, 0 bytes freed".into())
    }
}

fn ops(volume: Hanging) -> Arc<Ops> {
    let vitals = Vitals::new(Drain::new(Duration::ZERO), Box::new(String::new));
    vitals.opened(Box::new(volume));
    vitals.listens();
    let loaded = Loaded {
        config: Config::default(),
        hash: String::new(),
    };
    Arc::new(Ops {
        role: Role::Relay,
        vitals: Arc::new(vitals),
        metrics: Arc::default(),
        live: Arc::new(Live::new(&loaded)),
        tls: None,
    })
}

/// Serves them as the ops port does: on the one thread of this test.
async fn served(routes: Routes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let caps = Caps {
        half_open: 64,
        sessions: 0,
    };
    let rules = Arc::new(ArcSwap::from_pointee(Rules::open()));
    let gate = Gate::new(Arc::default(), rules, Arc::default(), caps);
    let door = Door {
        routes,
        gate,
        deadline: Duration::from_secs(60),
        proxy_protocol: false,
        tls: None,
    };
    tokio::spawn(accept(listener, door));
    address
}

/// The status of the answer.
async fn ask(address: SocketAddr, head: String) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}Host: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn get(address: SocketAddr, path: &str) -> u16 {
    ask(address, format!("GET {path} HTTP/1.1\r\n")).await
}

#[tokio::test]
async fn while_the_volume_hangs_the_probes_answer_and_all_others_when_it_does_again() {
    let (go, hanging) = channel();
    let address = served(routes(&ops(Hanging(Mutex::new(hanging))))).await;
    let ask = |path| tokio::spawn(async move { get(address, path).await });
    let waiting = ["/status", "/metrics", "/status", "/metrics"].map(ask);
    tokio::time::sleep(Duration::from_millis(100)).await;
    for path in ["/livez", "/readyz"] {
        let answered = timeout(Duration::from_secs(5), get(address, path)).await;
        assert_eq!(answered, Ok(200), "{path}");
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    drop(go);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_web_page_can_set_nothing_off() {
    let (_go, hanging) = channel();
    let address = served(routes(&ops(Hanging(Mutex::new(hanging))))).await;
    let post = "POST /compact HTTP/1.1\r\nContent-Length: 0\r\n";
    for origin in ["https://evil.example", "http://127.0.0.1:9090", "null"] {
        let refused = ask(address, format!("{post}Origin: {origin}\r\n")).await;
        assert_eq!(refused, 403, "{origin}");
    }
    assert_eq!(ask(address, post.to_owned()).await, 200);
}
